import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createPages, pageBytes } from './pages.ts';
import { createRandom } from './random.ts';
import type { Extent, Source } from './source.ts';

const MiB = 1024 * 1024;
/** An image is made of such regions by turns: table, table, random, hole. */
export const regionBytes = 4 * MiB;
const regionsPerTurn = 4;
/** Of the regions that hold something one in so many is written to in a round: 2 % of the image. */
const regionsPerChanged = 50;
/** Pages written in one such region: some of its blocks stay as they are, as in a database. */
const pagesMin = 8;
const pagesMax = 16;

/** A volume image: half of it tables, a quarter random, a quarter holes. */
export async function makeImage(folder: string, bytesWanted: number): Promise<Source> {
  const turnBytes = regionsPerTurn * regionBytes;
  const bytes = Math.max(1, Math.round(bytesWanted / turnBytes)) * turnBytes;
  await mkdir(folder, { recursive: true });
  const image = join(folder, 'volume.img');
  const random = createRandom('image');
  const pages = createPages(random);
  const region = Buffer.alloc(regionBytes);
  await using file = await open(image, 'w');
  await file.truncate(bytes);
  for (let offset = 0; offset < bytes; offset += regionBytes) {
    const place = (offset / regionBytes) % regionsPerTurn;
    if (place === 3) continue;
    if (place === 2) random.fill(region);
    else pages.fillTable(region);
    await file.write(region, 0, regionBytes, offset);
  }
  return { path: folder, image, bytes, change: (round) => changeImage(image, bytes, round) };
}

/** Writes pages here and there. Answers what was written, in order of offset. */
async function changeImage(image: string, bytes: number, round: number): Promise<Extent[]> {
  const random = createRandom(`image, round ${round}`);
  const pages = createPages(random);
  const regions = bytes / regionBytes;
  const chosen = new Set<number>();
  while (chosen.size < Math.max(1, Math.round(regions / regionsPerChanged))) chosen.add(random.below(regions));
  const offsets = new Set<number>();
  for (const region of chosen) {
    for (let count = pagesMin + random.below(pagesMax - pagesMin); count > 0; count--)
      offsets.add(region * regionBytes + random.below(regionBytes / pageBytes) * pageBytes);
  }
  await using file = await open(image, 'r+');
  for (const offset of offsets) {
    const page = Buffer.alloc(pageBytes);
    pages.row(page, 0);
    await file.write(page, 0, pageBytes, offset);
  }
  return [...offsets].toSorted((left, right) => left - right).map((offset) => ({ offset, length: pageBytes }));
}
