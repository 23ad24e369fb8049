/**
 * The lab's supervisor: the one child of lab-init, which is process 1 of the lab's namespaces. It makes the lab's mounts,
 * network and pool, then starts the components. `node init.ts CONFIG.json`; lifecycle.ts starts it.
 */
import { readFile } from 'node:fs/promises';
import { messagesOf } from '#shared/errors';
import { locateBinaries } from '../setup/binaries.ts';
import type { ComponentInputs } from './component.ts';
import { componentsOf } from './components.ts';
import { serveControl } from './control.ts';
import { layoutOf, type Place } from './layout.ts';
import { prepareCgroups, prepareMounts, prepareNetwork, preparePool } from './namespaces.ts';
import { startSupervisor } from './supervisor.ts';

/** What lifecycle.ts hands over; no secrets. */
export interface InitConfig {
  readonly place: Place;
  readonly cache: string;
  readonly nodeBinary: string;
  readonly projectDir: string;
  readonly fingerprint: string;
}

async function main(configFile: string): Promise<void> {
  const config = JSON.parse(await readFile(configFile, 'utf8')) as InitConfig;
  const layout = layoutOf(config.place);
  const credentials = JSON.parse(await readFile(layout.credentials, 'utf8')) as ComponentInputs['credentials'];
  const binaries = locateBinaries(config.cache);
  await prepareMounts(layout, [config.projectDir, config.cache]);
  await prepareNetwork(layout);
  await prepareCgroups(layout);
  await preparePool(layout);
  const path = [
    ...binaries.directories,
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
  ].join(':');
  const supervisor = startSupervisor({
    components: componentsOf({
      layout,
      binaries,
      credentials,
      nodeBinary: config.nodeBinary,
      projectDir: config.projectDir,
    }),
    logs: layout.logs,
    // Whose processes these are can be read from /proc: see leftovers.ts.
    environment: { PATH: path, HOME: layout.state, SALVOR_LAB: layout.name },
  });
  const end = async (): Promise<void> => process.exit(0);
  process.once('SIGTERM', () => void supervisor.shutdown().then(end));
  await serveControl({ path: layout.control, fingerprint: config.fingerprint, supervisor, onShutdown: end });
}

try {
  await main(process.argv[2] ?? '');
} catch (error) {
  process.stderr.write(`${messagesOf(error).join(': ')}\n`);
  process.exit(1);
}
