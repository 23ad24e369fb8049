import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bundle } from '#lab/setup/bundle';
import { salvorEntries } from '#lab/setup/images';
import { projectDir } from '../../../lab/setup/inputs.mjs';

/** Lays out a folder as /app of the mover's image; answers the path of the mover in it. */
export async function layOutMover(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const { files } = await bundle(salvorEntries.map((entry) => join(projectDir, entry)));
  for (const file of files) {
    if (file.kind !== 'file' || !(file.content instanceof Uint8Array)) continue;
    const path = join(folder, file.path.replace(/^app\//, ''));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content);
  }
  await symlink(join(projectDir, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'mover.mjs');
}
