import { basename, join } from 'node:path';
import { runCommand } from '../measure/command.ts';
import type { Source } from './data/source.ts';

/** Compares a restored copy with the source, byte by byte; a difference is an error that names the first. */
export async function compareRestored({ path, image }: Source, restored: string, signal: AbortSignal): Promise<void> {
  const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
  const argv =
    image === undefined
      ? (['diff', '--recursive', '--no-dereference', '--brief', path, restored] as const)
      : (['cmp', image, join(restored, basename(image))] as const);
  await runCommand({ argv: [...argv], environment }, signal);
}
