import { removeLocks } from '#repository/care/remove-locks';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openAccessFor } from '../open.ts';
import { print } from '../output/print.ts';

export interface RepoUnlockFlags extends StoreFlags, ClusterFlags {
  readonly all: boolean;
  readonly output: OutputFormat;
}

/** `salvor repo unlock` */
export async function repoUnlock(this: CliContext, flags: RepoUnlockFlags): Promise<void> {
  await using opened = await openAccessFor(this, flags);
  const report = await removeLocks(opened.access, { all: flags.all }, this.signal);
  const { removed, kept } = report;
  const after =
    kept.length === 0
      ? '\nNobody holds a lock.'
      : '\nThe locks that are kept are in use, as far as can be seen from here. If their holders are dead: salvor repo unlock --all';
  await print(
    this,
    {
      value: report,
      names: removed,
      rows: [
        ['LOCK', 'RESULT', 'HELD BY'],
        ...removed.map((id) => [id.slice(0, 8), 'removed', '']),
        ...kept.map(({ id, who }) => [id.slice(0, 8), 'kept', who]),
      ],
      after,
    },
    flags.output,
  );
}
