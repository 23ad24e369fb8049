import { join } from 'node:path';

/** All of a lab's state that survives a stop. */
export const stateRoot = '/var/lib/salvor-lab';
/** Sockets and process ids. Short: a unix socket's path must stay under 108 bytes. */
export const runRoot = '/run/salvor-lab';
/** The cgroup above every lab's cgroup. */
export const cgroupRoot = 'salvor-lab';

/** A lab's place among the labs of this machine: see registry.ts. */
export interface Place {
  readonly name: string;
  /** 0 to 250; every address of the lab follows from it. */
  readonly index: number;
  /** Loopback ports on the machine that lead to the API server and to the store. */
  readonly apiPort: number;
  readonly storePort: number;
}

/** Everything about a lab that follows from its place. */
export type Layout = ReturnType<typeof layoutOf>;

/** Paths, addresses and names of one lab. All addresses exist only inside its namespaces. */
export function layoutOf(place: Place) {
  const state = join(stateRoot, place.name);
  const run = join(runRoot, place.name);
  return {
    ...place,
    nodeName: place.name,
    nodeIp: `10.88.${place.index}.1`,
    /** Outside /sys/fs/cgroup/<controller>. */
    cgroup: `/${cgroupRoot}/${place.name}`,
    /** The store's own network: the node is .1, the server .2. */
    storeNodeIp: `10.89.${place.index}.1`,
    storeIp: `10.89.${place.index}.2`,
    storeSubnet: `10.89.${place.index}.0/24`,
    storeContainerPort: 7070,
    /** Clusters never meet below the address translation of their node, so these are the same in all labs. */
    podCidr: '10.244.0.0/24',
    serviceCidr: '10.96.0.0/16',
    apiServiceIp: '10.96.0.1',
    dnsIp: '10.96.0.10',
    apiPortInside: 6443,
    state,
    run,
    pki: join(state, 'pki'),
    config: join(state, 'config'),
    logs: join(state, 'logs'),
    etcd: join(state, 'etcd'),
    kubelet: join(state, 'kubelet'),
    containerd: join(state, 'containerd'),
    cni: join(state, 'cni'),
    poolImage: join(state, 'pool.img'),
    /** Where the pool is mounted, inside the lab only. Below the state, so that a loop device tells whose it is. */
    pool: join(state, 'pool'),
    storeData: join(state, 'store', 'data'),
    storeVersions: join(state, 'store', 'versions'),
    credentials: join(state, 'credentials.json'),
    /** The key of the repository that users of the lab make in its store. */
    repositoryKey: join(state, 'repository.key'),
    hostKubeconfig: join(state, 'kubeconfig'),
    control: join(run, 'control.sock'),
    containerdSocket: join(run, 'containerd.sock'),
    pidFile: join(run, 'init.json'),
    csiSocket: '/var/lib/kubelet/plugins/csi.salvor.dev/csi.sock',
  } as const;
}

/** The kubeconfig of a component, inside the lab. */
export function kubeconfigOf(layout: Layout, user: string): string {
  return join(layout.config, `${user}.kubeconfig`);
}
