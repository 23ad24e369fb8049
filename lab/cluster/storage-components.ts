import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { service, task, type Component, type ComponentInputs } from './component.ts';
import { kubeconfigOf } from './layout.ts';
import { csiRegistered, every, healthPage, socketOpen } from './probes.ts';

/** The storage driver with its side-cars, and the objects that describe it. */
export function storageComponents({ layout, binaries, nodeBinary, projectDir }: ComponentInputs): Component[] {
  const kubeconfig = `--kubeconfig=${kubeconfigOf(layout, 'csi')}`;
  // The side-cars' own limit of 5 requests a second is for clusters with many of them.
  const apiRate = ['--kube-api-qps=50', '--kube-api-burst=100'];
  const sideCar = (name: string, port: number, ...more: string[]): Component =>
    service(name, ['csi', 'objects'], healthPage(`http://127.0.0.1:${port}/metrics`), [
      binaries.path(name),
      kubeconfig,
      `--csi-address=${layout.csiSocket}`,
      `--http-endpoint=127.0.0.1:${port}`,
      ...apiRate,
      ...more,
    ]);
  const kubectl = (...args: string[]): string[] => [
    binaries.path('kubectl'),
    `--kubeconfig=${kubeconfigOf(layout, 'init')}`,
    ...args,
  ];
  const apply = (path: string): string[] =>
    kubectl('apply', '--server-side', '--force-conflicts', '--field-manager=salvor-lab', '-f', path);
  const driver = join(projectDir, 'bin', 'csi.ts');
  return [
    task(
      'objects',
      ['kube-apiserver'],
      [
        apply(binaries.snapshotCrds),
        kubectl('wait', '--for=condition=Established', '--timeout=60s', '-f', binaries.snapshotCrds),
        apply(join(layout.config, 'objects.json')),
      ],
    ),
    service('snapshot-controller', ['objects'], healthPage('http://127.0.0.1:9809/metrics'), [
      binaries.path('snapshot-controller'),
      kubeconfig,
      '--http-endpoint=127.0.0.1:9809',
      ...apiRate,
      '--feature-gates=CSIVolumeGroupSnapshot=true',
    ]),
    ...(existsSync(driver)
      ? [
          service('csi', ['kubelet', 'node'], every(socketOpen(layout.csiSocket), csiRegistered(layout)), [
            nodeBinary,
            driver,
            '--endpoint',
            `unix://${layout.csiSocket}`,
            '--registration-dir',
            '/var/lib/kubelet/plugins_registry',
            '--node-id',
            layout.nodeName,
            '--pool',
            layout.pool,
          ]),
          sideCar(
            'csi-provisioner',
            9810,
            '--feature-gates=Topology=true',
            '--strict-topology',
            '--immediate-topology=false',
            '--extra-create-metadata',
          ),
          sideCar('csi-resizer', 9811, '--handle-volume-inuse-error=false'),
          sideCar('csi-snapshotter', 9812, '--feature-gates=CSIVolumeGroupSnapshot=true', '--extra-create-metadata'),
        ]
      : []),
  ];
}
