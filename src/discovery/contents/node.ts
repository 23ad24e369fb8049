import type { Sign } from '#api/asset';
import { sign } from './look.ts';
import type { Look } from './look.ts';

/** Folders of a node that its system and its kubelet own. */
const systemPath =
  /^\/(proc|sys|dev|run(?!\/media\/)|var\/run|lib|lib64|usr|bin|sbin|boot|cgroup|opt\/cni|var\/log|var\/lib\/(kubelet|containerd|cni|calico|cilium|dbus|systemd|node_exporter|selinux|docker\/containers))(\/|$)|^\/$|^\/(etc|root|tmp|var\/tmp|host|var\/lib\/docker)\/?$|^\/etc\/(?!rancher|kubernetes)/;
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
  if (systemPath.test(path) || devices.test(path) || path.endsWith('.sock'))
    return [sign({ means: 'node-system', says: 'belongs to the node' }, evidence)];
  return [];
}
