import type { Ledger } from '#api/ledger';
import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { CheckReport } from '../workloads/shop/checker/checker.ts';
import type { LoadSummary } from '../workloads/shop/load/load.ts';
import type { Lab } from '../lab.ts';
import { step } from '../setup/progress.ts';
import type { OnProgress } from '../setup/progress.ts';
import { resticOn, salvorOn } from './salvor.ts';
import type { SalvorCli } from './salvor.ts';
import { openShop } from './shop.ts';

/**
 * The main job, end to end: an application under load is protected, destroyed, and comes back whole. The demo shows
 * it and the end-to-end test asserts on it: one scenario, so that what is shown is what is tested.
 */

/** Enough operations that every kind has happened many times before the backup. */
const acknowledgedBefore = 2_000;
const loadTimeoutMs = 120_000;
const ratePerSecond = 250;

export interface ProtectShopOptions {
  readonly lab: Lab;
  /** A folder for the key, the journal and the like. */
  readonly work: string;
  /** The folder of the store. */
  readonly prefix: string;
  readonly onProgress: OnProgress;
  /** The output of the salvor commands, as a user sees it. */
  readonly onOutput: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What happened, in facts. */
export interface ProtectShopResult {
  readonly cli: SalvorCli;
  readonly load: LoadSummary;
  readonly ledger: Ledger;
  readonly destroyedVolumes: number;
  readonly restic: { readonly check: boolean; readonly output: string };
  readonly restoredObjects: number;
  readonly restoredItems: number;
  readonly comparedItems: number;
  readonly check: CheckReport;
  readonly backupMs: number;
  readonly restoreMs: number;
}

export async function protectShop(options: ProtectShopOptions): Promise<ProtectShopResult> {
  const { lab, work, onProgress, signal } = options;
  const shop = openShop(lab, work, signal);
  const cli = await salvorOn(lab, work, options.prefix);
  const doing = async <T>(what: string, does: () => Promise<T>): Promise<T> => step(onProgress, what, does);
  const salvor = async (...args: string[]): Promise<string> => runSalvor(cli, args, options);

  await doing('Deploying the application "shop": PostgreSQL with a replica, MariaDB, Redis, NATS, files', () =>
    shop.deploy(),
  );
  await using load = await shop.load({ ratePerSecond, seed: 'demo' });
  await doing(
    `Putting load on it: ${ratePerSecond} operations a second, until ${acknowledgedBefore} writes are acknowledged`,
    () =>
      waitFor(async () => ((await load.acknowledged()) >= acknowledgedBefore ? true : undefined), {
        what: 'the load to be acknowledged',
        timeoutMs: loadTimeoutMs,
        signal,
      }),
  );

  options.onOutput('\n$ salvor backup shop      (while the load goes on)\n');
  const backup = JSON.parse(await salvor('backup', 'shop')) as { ledger: Ledger; elapsedMs: number };
  const { ledger } = backup;
  const summary = await doing('Stopping the load', () => load.stop());

  options.onOutput('\n$ salvor get recoverypoints\n');
  options.onOutput(await salvorTable(cli, ['get', 'recoverypoints']));
  options.onOutput(`\n$ salvor describe recoverypoint ${ledger.point}\n`);
  options.onOutput(await salvorTable(cli, ['describe', 'recoverypoint', ledger.point]));

  const restic = await doing("Reading every byte of the repository with Debian's restic, without Salvor", async () => {
    const { code, stdout, stderr } = await resticOn(cli, ['check', '--read-data'], signal);
    return { check: code === 0, output: `${stdout}${stderr}` };
  });
  const { volumes } = await doing('Destroying it: the namespace, its volumes and their snapshots', () =>
    shop.destroy(),
  );

  options.onOutput(`\n$ salvor restore ${ledger.point}\n`);
  const restored = JSON.parse(await salvor('restore', ledger.point)) as {
    objects: { result: string }[];
    volumes: { result?: { items: number; verifiedItems: number } }[];
    elapsedMs: number;
  };
  const check = await doing(
    'Checking what came back: every write acknowledged before the backup, every invariant',
    () => shop.check(ledger.startedAt),
  );
  return {
    cli,
    load: summary,
    ledger,
    destroyedVolumes: volumes,
    restic,
    restoredObjects: restored.objects.filter((object) => object.result === 'created').length,
    restoredItems: sum(restored.volumes.map((volume) => volume.result?.items ?? 0)),
    comparedItems: sum(restored.volumes.map((volume) => volume.result?.verifiedItems ?? 0)),
    check,
    backupMs: backup.elapsedMs,
    restoreMs: restored.elapsedMs,
  };
}

/** Runs a command that must succeed; its progress is shown, its JSON answered. */
async function runSalvor(cli: SalvorCli, args: readonly string[], options: ProtectShopOptions): Promise<string> {
  const { code, stdout, stderr } = await cli.run([...args, '-o', 'json'], {
    signal: options.signal,
    onLine: (line) => options.onOutput(progressLine(line)),
  });
  if (code !== 0)
    throw new SalvorError(`salvor ${args.join(' ')} ended with ${code}: ${whyOf(stdout, stderr)}`, {
      code: 'Internal',
    });
  return stdout;
}

/** The reason in the result, or the last that is not progress. */
function whyOf(stdout: string, stderr: string): string {
  const assets = (parsed(stdout) as { ledger?: Ledger } | undefined)?.ledger?.assets ?? [];
  const issues = assets.flatMap((asset) => asset.issues.map((issue) => `${asset.name}: ${issue.message}`));
  const said = stderr.split('\n').filter((line) => line !== '' && parsed(line) === undefined);
  return [...issues, ...said].join('; ').slice(-2_000);
}

async function salvorTable(cli: SalvorCli, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await cli.run(args);
  return `${stdout}${stderr}`;
}

/** The JSON lines of a run, as the text a terminal would show. */
function progressLine(line: string): string {
  const event = parsed(line);
  if (event === undefined) return `  ${line}\n`;
  if (event.message_type === 'note') return `  ${event.text}\n`;
  if (event.state === 'done') return `  ok    ${event.title} (${((event.elapsedMs ?? 0) / 1000).toFixed(1)} s)\n`;
  if (event.state === 'failed') return `  FAIL  ${event.title}: ${event.error?.message}\n`;
  return '';
}

interface Line {
  readonly message_type?: string;
  readonly text?: string;
  readonly state?: string;
  readonly title?: string;
  readonly elapsedMs?: number;
  readonly error?: { readonly message: string };
}

function parsed(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
