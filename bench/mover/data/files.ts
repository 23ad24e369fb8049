import { writeFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { regionBytes } from './image.ts';
import { createPages, createWords } from './pages.ts';
import { createRandom, type Random } from './random.ts';
import type { Source } from './source.ts';

const MiB = 1024 * 1024;
const KiB = 1024;

const filesPerFolder = 100;
const smallBytesMin = KiB;
const smallBytesMax = 20 * KiB;
/** One file in so many is written anew in a round. */
const filesPerChanged = 100;

/** Small files of 1 to 20 KiB, 100 in a folder: a third of them random, the others text. */
export async function makeSmallFiles(folder: string, filesWanted: number): Promise<Source> {
  const folders = Math.max(1, Math.round(filesWanted / filesPerFolder));
  const random = createRandom('small files');
  const contents = createContents(random);
  const files: string[] = [];
  let bytes = 0;
  for (let index = 0; index < folders; index++) {
    const path = join(folder, `group-${Math.trunc(index / filesPerFolder)}`, `folder-${index}`);
    await mkdir(path, { recursive: true });
    for (let name = 0; name < filesPerFolder; name++) {
      const content = contents();
      bytes += content.length;
      files.push(join(path, `file-${name}.dat`));
      // Blocking, because a hundred thousand small writes take a fifth of the time then.
      writeFileSync(files.at(-1) as string, content);
    }
  }
  return { path: folder, bytes, change: (round) => changeFiles(files, round) };
}

/** Gives one file of a hundred new content. */
async function changeFiles(files: readonly string[], round: number): Promise<[]> {
  const random = createRandom(`small files, round ${round}`);
  const contents = createContents(random);
  const chosen = new Set<string>();
  while (chosen.size < Math.max(1, Math.round(files.length / filesPerChanged)))
    chosen.add(files[random.below(files.length)] as string);
  for (const file of chosen) writeFileSync(file, contents());
  return [];
}

/** Contents of small files, none like another: cut from one text, with every 97th byte changed. */
function createContents(random: Random): () => Buffer {
  const text = Buffer.alloc(MiB);
  createWords(random).fill(text, 0, text.length);
  return () => {
    const bytes = smallBytesMin + random.below(smallBytesMax - smallBytesMin + 1);
    const content = Buffer.alloc(bytes);
    if (random.below(3) === 0) {
      random.fill(content);
      return content;
    }
    const start = random.below(text.length - bytes);
    text.copy(content, 0, start, start + bytes);
    content.writeUInt32LE(random.below(2 ** 32), 0);
    for (let at = 64; at < bytes; at += 97) content.writeUInt8(random.below(256), at);
    return content;
  };
}

const regionsPerFile = 10;

/** Files of 40 MiB in one folder, tables and random bytes by turns. */
export async function makeBigFiles(folder: string, filesWanted: number): Promise<Source> {
  const count = Math.max(1, Math.round(filesWanted));
  await mkdir(folder, { recursive: true });
  const random = createRandom('big files');
  const pages = createPages(random);
  const region = Buffer.alloc(regionBytes);
  for (let index = 0; index < count; index++) {
    await using file = await open(join(folder, `file-${index}.bin`), 'w');
    for (let place = 0; place < regionsPerFile; place++) {
      if (place % 2 === 0) pages.fillTable(region);
      else random.fill(region);
      await file.write(region, 0, regionBytes, place * regionBytes);
    }
  }
  const change = async (): Promise<[]> => [];
  return { path: folder, bytes: count * regionsPerFile * regionBytes, change };
}
