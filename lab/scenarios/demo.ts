import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes } from '#shared/bytes';
import { exitCodeOf, messagesOf, SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import { formatReport } from '../workloads/shop/checker/checker.ts';
import { openLab } from '../lab.ts';
import { textProgress } from '../setup/progress.ts';
import { protectShop } from './protect-shop.ts';
import type { ProtectShopResult } from './protect-shop.ts';
import { salvorOn } from './salvor.ts';
import type { SalvorCli } from './salvor.ts';

/** `npm run demo`: sets everything up, runs the main job on a lab of its own, and says honestly what happened. */

const { values } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, name: { type: 'string', default: 'demo' } },
});
/** The folder of the store. */
const prefix = 'demo';
const startedMs = Date.now();
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new SalvorError('The demo was stopped', { code: 'Cancelled' })));
const write = (text: string): void => {
  process.stdout.write(text);
};
const onProgress = textProgress(write);

try {
  const work = await mkdtemp(join(tmpdir(), 'salvor-demo-'));
  const lab = await openLab({ name: values.name, signal: stop.signal, onProgress });
  try {
    write(
      'Salvor demo: an application is protected, destroyed, and comes back whole.\n\nA real Kubernetes on this machine\n',
    );
    await lab.down({ purge: true });
    await lab.up();
    const setUpMs = Date.now() - startedMs;
    write('\nThe application\n');
    const result = await protectShop({ lab, work, prefix, onProgress, onOutput: write, signal: stop.signal });
    write(`\n${formatReport(result.check)}`);
    write(summary(result, setUpMs));
    process.exitCode = result.check.passed && result.restic.check && result.ledger.result === 'Complete' ? 0 : 1;
  } finally {
    if (values.keep) {
      await writeEnvironment(await salvorOn(lab, work, prefix), work);
      write(keptLines(values.name, work));
    } else {
      // Also after Ctrl-C, whose signal would stop the cleaning up.
      await (await openLab({ name: values.name, onProgress })).down({ purge: true });
      await rm(work, { recursive: true, force: true });
    }
  }
} catch (error) {
  const [what, ...why] = messagesOf(error);
  process.stderr.write(`\nError: ${what}\n${why.map((line) => `Why:   ${line}\n`).join('')}`);
  if (error instanceof SalvorError && error.hint !== undefined) process.stderr.write(`Do:    ${error.hint}\n`);
  process.exitCode = exitCodeOf(error) || 1;
}

/** Everything that `salvor` and `restic` need, to be sourced by a shell. */
async function writeEnvironment({ env }: SalvorCli, work: string): Promise<void> {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`);
  await writeFile(join(work, 'env.sh'), exports.join(''), { mode: 0o600 });
}

function summary(result: ProtectShopResult, setUpMs: number): string {
  const { ledger, load, check } = result;
  const volumes = ledger.assets.filter((asset) => asset.kind === 'volume');
  const bytes = volumes.reduce((total, asset) => total + asset.captured.bytes, 0);
  const items = volumes.reduce((total, asset) => total + asset.captured.items, 0);
  const stored = ledger.assets.reduce((total, asset) => total + asset.storedBytes, 0);
  const objects = ledger.assets.find((asset) => asset.kind === 'objects')?.captured.items ?? 0;
  const acknowledged = Object.values(load.acknowledged).reduce((total, count) => total + count, 0);
  const failed = check.results.filter((one) => !one.holds).length;
  const lines: readonly (readonly [string, string])[] = [
    [
      'Found',
      `${volumes.length} volumes (${volumes.map((asset) => asset.name).join(', ')}) and ${objects} Kubernetes objects; ${ledger.skipped.length} more skipped, each with a reason`,
    ],
    [
      'Protected',
      `${ledger.result}, ${ledger.consistency.toLowerCase()} (${ledger.cut}): ${items} files, ${formatBytes(bytes)}, stored as ${formatBytes(stored)} encrypted, in ${formatDuration(result.backupMs)}, under load`,
    ],
    [
      'Load',
      `${acknowledged} acknowledged writes at ${Math.round(load.operationsPerSecond)} operations/s; ${check.journalEntries ?? 0} of them before the backup`,
    ],
    [
      'Readable',
      `${result.restic.check ? "yes: Debian's restic checked every byte" : 'NO: restic found errors'}, without Salvor`,
    ],
    ['Destroyed', `the namespace, ${result.destroyedVolumes} volumes and all snapshots`],
    [
      'Restored',
      `${result.restoredObjects} objects, ${result.restoredItems} files (${result.comparedItems} read back and compared equal) in ${formatDuration(result.restoreMs)}`,
    ],
    [
      'Checked',
      failed === 0
        ? `all ${check.results.length} invariants hold; nothing acknowledged before the backup is missing`
        : `${failed} of ${check.results.length} invariants DO NOT HOLD`,
    ],
    ['Took', `${formatDuration(Date.now() - startedMs)} in all, ${formatDuration(setUpMs)} of it set-up`],
  ];
  const verdict =
    check.passed && result.restic.check && ledger.result === 'Complete'
      ? 'The application came back whole.'
      : 'The application did NOT come back whole.';
  return `\nWhat happened\n${lines.map(([name, text]) => `  ${name.padEnd(10)} ${text}\n`).join('')}\n${verdict}\n${values.keep ? '' : '\nTry next: npm run demo -- --keep   (leaves the lab up to play with)\n'}`;
}

function keptLines(name: string, work: string): string {
  return `
The lab is still up. In it:
  npm run lab -- --name ${name} kubectl get pods,pvc -A
  source ${join(work, 'env.sh')}     # the cluster, the store, its keys and the repository's key
  npx salvor get recoverypoints
  npm run lab -- --name ${name} down --purge        # when you are done
`;
}
