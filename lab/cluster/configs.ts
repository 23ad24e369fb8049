import { join } from 'node:path';
import { kubeconfigOf, type Layout } from './layout.ts';

/** The name under which the runtime finds the sandbox process: see setup/images.ts. */
export const pauseImage = 'docker.io/salvor-lab/pause:lab';

/** The configuration files of every component that reads one: name below the config folder, and content. */
export function configFiles(layout: Layout): Record<string, string> {
  return {
    'kubelet.json': json(kubeletConfig(layout)),
    'containerd.toml': containerdConfig(layout),
    'cni/10-lab.conflist': json(cniConfig(layout)),
    Corefile: corefile(layout),
    // Pods must not learn the machine's resolvers: no packet of theirs can get there.
    'resolv.conf': '',
  };
}

function kubeletConfig(layout: Layout): unknown {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    failSwapOn: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: layout.cgroup,
    cgroupsPerQOS: true,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${layout.containerdSocket}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(layout.pki, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: join(layout.pki, 'kubelet.crt'),
    tlsPrivateKeyFile: join(layout.pki, 'kubelet.key'),
    address: layout.nodeIp,
    clusterDNS: [layout.dnsIp],
    clusterDomain: 'cluster.local',
    resolvConf: join(layout.config, 'resolv.conf'),
    volumePluginDir: join(layout.state, 'flexvolume'),
    // The disk is shared with everything else on the machine: a share of it says nothing about the lab.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1Gi', 'imagefs.available': '1Gi' },
    // Images come from an archive, never from a registry: a collected one would not come back.
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: '5s',
    // A stopped lab must not wait for pods: they are cut off like a machine that loses power.
    shutdownGracePeriod: '0s',
    shutdownGracePeriodCriticalPods: '0s',
  };
}

function containerdConfig(layout: Layout): string {
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "${layout.containerdSocket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${pauseImage}"

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "${join(layout.config, 'cni')}"

# Without CAP_SYS_RESOURCE no process may lower its own score, and no container would start.
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
`;
}

/**
 * Every pod gets a point-to-point link to the node, so all its traffic is routed: service addresses work between pods
 * of one node without the br_netfilter module, which a kernel may lack.
 */
function cniConfig(layout: Layout): unknown {
  return {
    cniVersion: '1.0.0',
    name: 'lab',
    plugins: [
      {
        type: 'ptp',
        ipMasq: true,
        ipam: {
          type: 'host-local',
          // On a tmpfs: after a restart no pod has an address, so none may stay reserved.
          dataDir: '/run/cni/networks',
          ranges: [[{ subnet: layout.podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function corefile(layout: Layout): string {
  return `cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
  bind ${layout.nodeIp}
  errors
  health 127.0.0.1:8080
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig ${kubeconfigOf(layout, 'coredns')}
    pods insecure
    ttl 5
  }
  cache 5
}
# Nothing outside the cluster exists here: say so at once instead of letting clients time out.
.:53 {
  bind ${layout.nodeIp}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
