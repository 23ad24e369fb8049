import type { Sign } from '#api/asset';
import { sign } from './look.ts';
import type { Look } from './look.ts';

/** Folders of a node that its system and its kubelet own. */
const systemPath =
  /^\/(proc|sys|dev|run(?!\/media\/)|var\/run|lib|lib64|bin|sbin|boot|cgroup|opt\/cni|var\/log|var\/lib\/(kubelet|containerd|cni|calico|cilium|dbus|systemd|node_exporter|selinux|docker\/containers))(\/|$)|^\/$|^\/(etc|root|tmp|var\/tmp|host|var\/lib\/docker)\/?$/;
/** Settings that a distribution or the runtime of containers brings; other folders of `/etc` and `/usr` are a program's. */
const distributionPath =
  /^\/usr(\/(local|share))?\/?$|^\/usr\/((local\/)?(s?bin|lib\w*|src|nvidia|cuda)|share\/(zoneinfo|ca-certificates|pki))(\/|$)|^\/etc\/(ssl|pki|ca-certificates\S*|cni|containerd|containers|crio|docker|os-release|lsb-release|[a-z]+-release|localtime|timezone|hosts|hostname|resolv\.conf|nsswitch\.conf|machine-id|passwd|group|shadow|sudoers\S*|pam\.d|security|ssh|sysctl\S*|modprobe\.d|modules\S*|systemd|udev|selinux|apparmor\S*|ld\.so\S*|lvm|iscsi|multipath\S*|fstab|default|sysconfig|cron\S*|logrotate\S*|apt|yum\S*|dnf|zypp|network|netplan|NetworkManager|dbus-1|alternatives|profile\S*|nvme|nvidia\S*|cdi|audit|issue|init\.d|rc\S*|X11|fonts|kubelet\S*)(\/|$)/;
/** The folder of one volume that a driver gave out: who names it wants what is in it, and not the driver's storage. */
const oneVolume = /\/pvc-[^/]+/;
/** Where storage drivers keep the bytes of the volumes that they give out. */
const storagePath =
  /^\/(var\/lib\/(longhorn|rook|ceph|linstor|drbd|topolvm|csi-\w+)|var\/openebs|opt\/(local-path-provisioner|openebs)|var\/snap\/\S+\/default-storage|var\/lib\/rancher\/k3s\/storage|mnt\/longhorn)(\/|$)/;
const devices = /^\/dev\//;

/** Folders of nodes: what belongs to the node itself, and what a storage driver keeps there. */
export function detectNodeFolders(look: Look): readonly Sign[] {
  const { facts, draft } = look;
  if (facts.source !== 'hostPath' || draft.host === undefined) return [];
  const path = draft.host;
  const evidence = [
    {
      object: draft.workload ?? '',
      namespace: draft.namespace,
      field: `volumes[${facts.volumeName ?? ''}].hostPath.path`,
      value: path,
    },
  ];
  if (storagePath.test(path) && !oneVolume.test(path))
    return [
      sign({ means: 'storage-layer', says: 'is where a storage driver keeps the volumes that it gives out' }, evidence),
    ];
  if (systemPath.test(path) || distributionPath.test(path) || devices.test(path) || path.endsWith('.sock'))
    return [sign({ means: 'node-system', says: 'belongs to the node' }, evidence)];
  return [];
}
