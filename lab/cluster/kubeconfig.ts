import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../setup/files.ts';
import { apiUsers } from './certificates.ts';
import { kubeconfigOf, type Layout } from './layout.ts';

/** One kubeconfig per component for use inside the lab, and the administrator's for use on the machine. */
export async function writeKubeconfigs(layout: Layout): Promise<void> {
  const inside = `https://127.0.0.1:${layout.apiPortInside}`;
  for (const user of Object.keys(apiUsers)) await write(layout, user, user, inside, kubeconfigOf(layout, user));
  await write(layout, 'kubelet', 'kubelet', inside, kubeconfigOf(layout, 'kubelet'));
  await write(
    layout,
    'admin',
    `salvor-lab-${layout.name}`,
    `https://127.0.0.1:${layout.apiPort}`,
    layout.hostKubeconfig,
  );
}

async function write(
  layout: Layout,
  certificate: string,
  context: string,
  server: string,
  path: string,
): Promise<void> {
  const encoded = async (file: string): Promise<string> => (await readFile(join(layout.pki, file))).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context,
    clusters: [{ name: context, cluster: { server, 'certificate-authority-data': await encoded('ca.crt') } }],
    users: [
      {
        name: context,
        user: {
          'client-certificate-data': await encoded(`${certificate}.crt`),
          'client-key-data': await encoded(`${certificate}.key`),
        },
      },
    ],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
  };
  await writeFileAtomic(path, `${JSON.stringify(config, null, 2)}\n`, 0o600);
}
