import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { moverEnvironment } from '#lab/setup/images';
import { parseMoverMessage, type BackupResult, type MoverResult } from '#mover/protocol';
import { SalvorError } from '#shared/errors';
import { measure, runCommand, type Usage } from '../../measure/command.ts';
import { baseEnvironment, repositoryPassword, type Contestant, type Seat } from './contestant.ts';
import { resticCommand } from './restic.ts';
import type { Extent } from '../data/source.ts';
import { locationOf, makeRepository, makeSnapshot } from './salvor-repository.ts';

/** What Salvor is run with. */
export interface SalvorPrograms {
  /** The mover as pods run it: bundled. */
  readonly mover: string;
  /** Reads what the mover wrote, as an independent judge. */
  readonly restic: string | undefined;
}

/**
 * Salvor's mover, as its pod runs it: one task, then it ends. Images are read as blocks; with `changed-blocks` it is told
 * what was written to them, as a storage driver tells it.
 */
export function salvor(programs: SalvorPrograms, incremental: 'hash' | 'changed-blocks' = 'hash'): Contestant {
  const byList = incremental === 'changed-blocks';
  return {
    name: byList ? 'salvor-blocks' : 'salvor',
    what: `the mover of this tree, bundled as for its image${byList ? '; told which blocks changed' : ''}`,
    compresses: true,
    async enter(seat) {
      await writeSecrets(seat);
      await makeRepository(seat.place, seat.signal);
      const run = (task: object): Promise<MoverRun> => runMover(programs.mover, seat, task);
      let last: BackupResult | undefined;
      return {
        async backup(changed) {
          const { path, image } = seat.source;
          const parent = last === undefined ? {} : { parentTree: last.tree };
          const list = byList && last !== undefined ? { changed: await writeChanged(seat, changed) } : {};
          const source = image === undefined ? { path } : { source: 'image', path: image, ...list };
          const { usage, result } = await run({ kind: 'backup', ...source, ...parent });
          last = completeBackup(result);
          return usage;
        },
        async restore(target) {
          const { image } = seat.source;
          const where =
            image === undefined ? { path: target } : { target: 'image', path: join(target, basename(image)) };
          const { usage, result } = await run({ kind: 'restore', tree: last?.tree, verify: 'none', ...where });
          if (result.kind !== 'restore' || result.differencesTotal > 0 || result.issuesTotal > 0)
            throw incomplete(result);
          return { ...usage, path: target };
        },
        async check() {
          if (last === undefined) return;
          await makeSnapshot(seat.place, last.tree, seat.signal);
          if (programs.restic === undefined) return;
          await runCommand(resticCommand(programs.restic, seat, ['check', '--read-data']), seat.signal);
        },
      };
    },
  };
}

async function writeSecrets({ folder, place }: Seat): Promise<void> {
  const credentials =
    place.kind === 'disk' ? {} : { 'access-key-id': place.accessKeyId, 'secret-access-key': place.secretAccessKey };
  const secrets = { 'repository-password': repositoryPassword, ...credentials };
  await mkdir(join(folder, 'secrets'));
  for (const [name, value] of Object.entries(secrets)) await writeFile(join(folder, 'secrets', name), value);
}

async function writeChanged({ folder }: Seat, changed: readonly Extent[]): Promise<string> {
  const path = join(folder, 'changed.json');
  await writeFile(path, JSON.stringify(changed));
  return path;
}

interface MoverRun {
  readonly usage: Usage;
  readonly result: MoverResult;
}

async function runMover(mover: string, { folder, place, signal }: Seat, task: object): Promise<MoverRun> {
  const environment = {
    ...baseEnvironment(folder),
    ...moverEnvironment,
    SALVOR_TASK: JSON.stringify({ asset: 'benchmark', store: { location: locationOf(place) }, ...task }),
    SALVOR_SECRETS_DIR: join(folder, 'secrets'),
  };
  const { stdout, ...usage } = await measure({ argv: [process.execPath, mover], environment }, signal);
  const last = parseMoverMessage(stdout.trimEnd().split('\n').at(-1) ?? '');
  if (last?.message_type !== 'result')
    throw new SalvorError('The mover ended without a result', { code: 'MoverFailed' });
  return { usage, result: last.result };
}

function completeBackup(result: MoverResult): BackupResult {
  if (result.kind !== 'backup' || result.issuesTotal > 0) throw incomplete(result);
  const { plannedItems, plannedBytes, capturedItems, capturedBytes } = result.ledger;
  if (plannedItems !== capturedItems || plannedBytes !== capturedBytes) throw incomplete(result);
  return result;
}

function incomplete(result: MoverResult): SalvorError {
  return new SalvorError(`The mover's ${result.kind} is not complete: ${JSON.stringify(result).slice(0, 500)}`, {
    code: 'MoverFailed',
  });
}
