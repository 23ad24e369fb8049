/**
 * Runs the shop as local processes until Ctrl-C. Writes `endpoints.json` and `secrets.json` into the folder, which
 * load-main.ts and checker-main.ts take. Usage: local-main.ts FOLDER
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startLocalShop } from './local-shop.ts';

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('usage: local-main.ts FOLDER\n');
  process.exit(2);
}
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
await using shop = await startLocalShop({ folder: path.resolve(folder) });
await writeFile(path.join(shop.folder, 'endpoints.json'), `${JSON.stringify(shop.endpoints, null, 2)}\n`);
await writeFile(path.join(shop.folder, 'secrets.json'), `${JSON.stringify(shop.secrets)}\n`, { mode: 0o600 });
process.stdout.write(`ready: ${shop.folder}\n`);
if (!stop.signal.aborted) await once(stop.signal, 'abort');
