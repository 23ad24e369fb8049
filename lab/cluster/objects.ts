import type { Layout } from './layout.ts';

export const csiDriverName = 'csi.salvor.dev';

/** The objects every lab has, as one list for `kubectl apply`. */
export function clusterObjects(layout: Layout): unknown {
  return { apiVersion: 'v1', kind: 'List', items: [...dnsObjects(layout), ...storageObjects()] };
}

/** CoreDNS runs beside the kubelet, not in a pod: the service has no selector, and we say where it leads. */
function dnsObjects(layout: Layout): unknown[] {
  const ports = (['UDP', 'TCP'] as const).map((protocol) => ({
    name: `dns-${protocol.toLowerCase()}`,
    port: 53,
    protocol,
  }));
  const metadata = { name: 'kube-dns', namespace: 'kube-system' };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: layout.dnsIp, ports } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        ...metadata,
        labels: { 'kubernetes.io/service-name': 'kube-dns', 'endpointslice.kubernetes.io/managed-by': 'salvor-lab' },
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: [layout.nodeIp], conditions: { ready: true } }],
      ports,
    },
  ];
}

function storageObjects(): unknown[] {
  const defaultClass = (group: string): unknown => ({
    name: 'salvor',
    annotations: { [`${group}/is-default-class`]: 'true' },
  });
  return [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: csiDriverName },
      spec: {
        attachRequired: false,
        podInfoOnMount: false,
        fsGroupPolicy: 'File',
        volumeLifecycleModes: ['Persistent'],
      },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: defaultClass('storageclass.kubernetes.io'),
      provisioner: csiDriverName,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    },
    {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotClass',
      metadata: defaultClass('snapshot.storage.kubernetes.io'),
      driver: csiDriverName,
      deletionPolicy: 'Delete',
    },
    {
      apiVersion: 'groupsnapshot.storage.k8s.io/v1',
      kind: 'VolumeGroupSnapshotClass',
      metadata: defaultClass('groupsnapshot.storage.kubernetes.io'),
      driver: csiDriverName,
      deletionPolicy: 'Delete',
    },
  ];
}
