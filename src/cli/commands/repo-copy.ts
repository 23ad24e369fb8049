import { openAccess } from '#repository/care/access';
import type { Access } from '#repository/care/access';
import { copySnapshots } from '#repository/copy/copy';
import type { CopiedSnapshot, CopyReport } from '#repository/copy/copy';
import { createRepository } from '#repository/repository';
import { formatBytes } from '#shared/bytes';
import { SalvorError, exitCodes } from '#shared/errors';
import { parseLocation } from '#stores/location';
import type { Store } from '#stores/store';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openCluster, openStoreAt, repositoryKey, storePlaces } from '../open.ts';
import { withPhases } from '../output/phases.ts';
import { plain } from '../output/plain.ts';
import { print } from '../output/print.ts';
import { progressFor } from '../output/progress.ts';

export interface RepoCopyFlags extends StoreFlags, ClusterFlags {
  readonly from: string;
  readonly fromKeyFile?: string;
  readonly output: OutputFormat;
}

/** `salvor repo copy --from LOCATION [ID...]` */
export async function repoCopy(this: CliContext, flags: RepoCopyFlags, ...ids: string[]): Promise<void> {
  const cluster = async (): Promise<Awaited<ReturnType<typeof openCluster>>> => openCluster(this, flags);
  const sourceFlags = flags.fromKeyFile === undefined ? flags : { keyFile: flags.fromKeyFile };
  const sourceKey = await repositoryKey(this, sourceFlags, cluster);
  const targetKey = await repositoryKey(this, flags, cluster);
  await using stack = new AsyncDisposableStack();
  const sourceStore = await openStoreAt(this, parseLocation(flags.from));
  stack.defer(async () => sourceStore.close());
  const source = await openAccess(sourceStore, { password: sourceKey, signal: this.signal, clock: this.clock });
  const targetStore = await openStoreAt(this, storePlaces(this, flags).forUs);
  stack.defer(async () => targetStore.close());
  const progress = progressFor(this, flags.output);
  const target = await openOrCreate(this, targetStore, { password: targetKey, source, note: progress.note });

  const report = await withPhases(this, progress, async (show) =>
    copySnapshots(source, target, {
      ids,
      onProgress: ({ done, total, bytes }) =>
        show({ phase: 'copying', amount: `${done} of ${total} snapshots, ${formatBytes(bytes)}` }),
      signal: this.signal,
    }),
  );
  await print(this, viewOf(report), flags.output);
  if (report.snapshots.some(({ state }) => state === 'failed')) this.setExitCode(exitCodes.partial);
}

interface Target {
  readonly password: string;
  readonly source: Access;
  readonly note: (text: string) => void;
}

/** A new repository cuts files as the source does, so that later backups find again what was copied. */
async function openOrCreate(
  { signal, clock }: CliContext,
  store: Store,
  { password, source, note }: Target,
): Promise<Access> {
  try {
    return await openAccess(store, { password, signal, clock });
  } catch (error) {
    if (!(error instanceof SalvorError && error.code === 'RepositoryMissing')) throw error;
  }
  const { chunkerPolynomial } = source.config;
  await using made = await createRepository(store, { password, chunkerPolynomial, signal, clock });
  note(`Made the repository ${made.id.slice(0, 10)} in ${made.location}`);
  return await openAccess(store, { password, signal, clock });
}

function viewOf(report: CopyReport): Parameters<typeof print>[1] {
  const count = (state: CopiedSnapshot['state']): number =>
    report.snapshots.filter((snapshot) => snapshot.state === state).length;
  const failed = count('failed');
  const after = `\nCopied ${count('copied')}, and ${formatBytes(report.bytes)} in ${report.blobs} blobs; ${count('there already')} were there already.`;
  const advice = ` ${failed} are not whole in the source. See what is lost there: salvor verify --read-data`;
  return {
    value: report,
    names: report.snapshots.flatMap(({ copy }) => copy ?? []),
    rows: [
      ['SNAPSHOT', 'TIME', 'RESULT', 'COPY', 'WHY'],
      ...report.snapshots.map(({ id, time = '', state, copy = '', why = '' }) => [
        id.slice(0, 8),
        plain(time),
        state,
        copy.slice(0, 8),
        plain(why),
      ]),
    ],
    after: failed === 0 ? after : after + advice,
  };
}
