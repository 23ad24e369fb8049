import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepLargeBuffers } from '#lab/setup/images';
import { parseMoverMessage, type BackupResult, type MoverResult } from '#mover/protocol';
import { SalvorError } from '#shared/errors';
import { measure, runCommand, type Usage } from '../../measure/command.ts';
import { baseEnvironment, repositoryPassword, type Contestant, type Seat } from './contestant.ts';
import { resticCommand } from './restic.ts';
import { locationOf, makeRepository, makeSnapshot } from './salvor-repository.ts';

/** What Salvor is run with. */
export interface SalvorPrograms {
  /** The mover as pods run it: bundled. */
  readonly mover: string;
  /** Reads what the mover wrote, as an independent judge. */
  readonly restic: string | undefined;
}

/** Salvor's mover, as its pod runs it: one task, then it ends. */
export function salvor(programs: SalvorPrograms): Contestant {
  return {
    name: 'salvor',
    what: 'the mover of this tree, bundled as for its image',
    compresses: true,
    async enter(seat) {
      await writeSecrets(seat);
      await makeRepository(seat.place, seat.signal);
      const run = (task: object): Promise<MoverRun> => runMover(programs.mover, seat, task);
      let last: BackupResult | undefined;
      return {
        async backup() {
          const parent = last === undefined ? {} : { parentTree: last.tree };
          const { usage, result } = await run({ kind: 'backup', path: seat.source.path, ...parent });
          last = completeBackup(result);
          return usage;
        },
        async restore(target) {
          const { usage, result } = await run({ kind: 'restore', path: target, tree: last?.tree });
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

interface MoverRun {
  readonly usage: Usage;
  readonly result: MoverResult;
}

async function runMover(mover: string, { folder, place, signal }: Seat, task: object): Promise<MoverRun> {
  const environment = {
    ...baseEnvironment(folder),
    ...keepLargeBuffers,
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
