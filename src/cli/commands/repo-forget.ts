import { forgetSnapshots } from '#repository/care/forget';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openAccessFor } from '../open.ts';
import { print } from '../output/print.ts';

export interface RepoForgetFlags extends StoreFlags, ClusterFlags {
  readonly dryRun: boolean;
  readonly output: OutputFormat;
}

/** `salvor repo forget ID...` */
export async function repoForget(this: CliContext, flags: RepoForgetFlags, ...ids: string[]): Promise<void> {
  await using opened = await openAccessFor(this, flags);
  const { dryRun } = flags;
  const snapshots = await forgetSnapshots(opened.access, { ids, dryRun, signal: this.signal });
  const count = `${snapshots.length} ${snapshots.length === 1 ? 'snapshot' : 'snapshots'}`;
  await print(
    this,
    {
      value: { dryRun, snapshots: snapshots.map(({ id, time, hostname, tags }) => ({ id, time, hostname, tags })) },
      names: snapshots.map(({ id }) => id),
      rows: [
        ['SNAPSHOT', 'TIME', 'HOST', 'TAGS'],
        ...snapshots.map(({ id, time, hostname, tags }) => [id.slice(0, 8), time, hostname, tags.join(' ')]),
      ],
      after: dryRun
        ? `\nWould delete ${count}.`
        : `\nDeleted ${count}. Next: salvor repo prune, which frees what only they needed`,
    },
    flags.output,
  );
}
