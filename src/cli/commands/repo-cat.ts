import { catFile } from '#repository/care/cat';
import type { CatKind } from '#repository/care/cat';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, StoreFlags } from '../flags.ts';
import { openAccessFor } from '../open.ts';
import { jsonText } from '../output/plain.ts';
import { writeOut } from '../output/stream.ts';

/** `salvor repo cat KIND [ID]`: a file of the repository, opened: JSON, or the plain bytes of a blob. */
export async function repoCat(
  this: CliContext,
  flags: StoreFlags & ClusterFlags,
  kind: CatKind,
  id?: string,
): Promise<void> {
  await using opened = await openAccessFor(this, flags);
  const content = await catFile(opened.access, { kind, id, signal: this.signal });
  await writeOut(this, [content instanceof Uint8Array ? content : `${jsonText(content)}\n`]);
}
