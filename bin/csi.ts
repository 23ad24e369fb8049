/** The storage driver of one node: `csi.salvor.dev`. Flags win over the environment; see src/csi/README.md. */
import { parseArgs } from 'node:util';
import { startDriver } from '#csi/driver';
import { jsonLog } from '#csi/log';
import { messagesOf } from '#shared/errors';
import manifest from '../package.json' with { type: 'json' };

const usage = `Usage: csi --endpoint unix:///PATH/csi.sock --node-id NAME --pool /PATH/ON/XFS [--registration-dir /var/lib/kubelet/plugins_registry]
Environment: SALVOR_CSI_ENDPOINT, SALVOR_CSI_NODE_ID, SALVOR_CSI_POOL, SALVOR_CSI_REGISTRATION_DIR
`;
const log = jsonLog((line) => process.stderr.write(line));

try {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { endpoint: string, 'node-id': string, pool: string, 'registration-dir': string },
  });
  const endpoint = values.endpoint ?? process.env['SALVOR_CSI_ENDPOINT'];
  const nodeId = values['node-id'] ?? process.env['SALVOR_CSI_NODE_ID'];
  const pool = values.pool ?? process.env['SALVOR_CSI_POOL'];
  const registrationDirectory = values['registration-dir'] ?? process.env['SALVOR_CSI_REGISTRATION_DIR'];
  if (!endpoint || !nodeId || !pool) throw new TypeError('--endpoint, --node-id and --pool are needed');

  const driver = await startDriver({ endpoint, nodeId, pool, registrationDirectory, version: manifest.version, log });
  const stop = async (): Promise<void> => {
    await driver.stop();
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
} catch (error) {
  log('error', 'the driver could not start', { error: messagesOf(error).join(': ') });
  if (error instanceof TypeError) process.stderr.write(usage);
  process.exit(error instanceof TypeError ? 2 : 1);
}
