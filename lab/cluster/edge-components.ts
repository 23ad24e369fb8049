import { hostNetworkDescriptor, service, type Component, type ComponentInputs } from './component.ts';
import { healthPage } from './probes.ts';

/** What lies outside the node: the S3 server in a network of its own, and the ports on the machine's loopback. */
export function edgeComponents({ layout, binaries, credentials }: ComponentInputs): Component[] {
  const address = `${layout.storeIp}:${layout.storeContainerPort}`;
  const init = binaries.path('lab-init');
  return [
    {
      ...service('store', [], healthPage(`http://${address}/salvor-lab-health`), [
        'nsenter',
        '--net=/run/netns/store',
        binaries.path('versitygw'),
        '--port',
        address,
        '--health',
        '/salvor-lab-health',
        '--quiet',
        '--keep-alive',
        'posix',
        '--versioning-dir',
        layout.storeVersions,
        layout.storeData,
      ]),
      environment: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    },
    {
      ...service('ports', [], undefined, [
        'nsenter',
        `--net=/proc/self/fd/${hostNetworkDescriptor}`,
        init,
        'listen',
        `127.0.0.1:${layout.apiPort}`,
        `127.0.0.1:${layout.storePort}`,
        '--',
        'nsenter',
        '--net=/proc/1/ns/net',
        init,
        'forward',
        `${layout.nodeIp}:${layout.apiPortInside}`,
        address,
      ]),
      hostNetwork: true,
    },
  ];
}
