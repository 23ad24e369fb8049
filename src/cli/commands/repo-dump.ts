import { once } from 'node:events';
import { findNode, readContent } from '#repository/find';
import { SalvorError } from '#shared/errors';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, StoreFlags } from '../flags.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { placeOf } from './repo-ls.ts';

/** `salvor repo dump SNAPSHOT:PATH`: one file, verified blob by blob, to stdout. */
export async function repoDump(this: CliContext, flags: StoreFlags & ClusterFlags, what: string): Promise<void> {
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const { repository } = opened;
  const { snapshot, path } = placeOf(await repository.snapshots(this.signal), what);
  const node = await findNode(repository, snapshot.tree, path, this.signal);
  if (node?.type !== 'file')
    throw new SalvorError(
      node === undefined ? `There is no ${path} in snapshot ${snapshot.id.slice(0, 8)}` : `${path} is not a file`,
      { code: 'NotFound', hint: `See what there is: salvor repo ls ${snapshot.id.slice(0, 8)}` },
    );
  const { stdout } = this.process;
  for await (const bytes of readContent(repository, node, this.signal))
    if (!(stdout as NodeJS.WriteStream).write(bytes))
      await once(stdout as NodeJS.WriteStream, 'drain', { signal: this.signal });
}
