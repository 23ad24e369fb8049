import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { openLab } from '../lab.ts';
import { ensureBinaries } from './binaries.ts';
import { ensureDebianPackages } from './debian.ts';
import { cacheDirectory } from './inputs.mjs';
import { textProgress } from './progress.ts';

/** The lab that all end-to-end tests share: starting one costs more than most tests. */
export const testLabName = 'test';

const onProgress = textProgress((line) => process.stderr.write(line));

/** What system tests need: Debian packages, and the S3 servers and csi-sanity in one folder. Answers environment variables. */
export async function prepareSystem(): Promise<Record<string, string>> {
  await ensureDebianPackages({ onProgress });
  await ensureDebianPackages({ packages: await testPackages(), onProgress });
  const cache = cacheDirectory(process.env);
  const binaries = await ensureBinaries({ cache, onProgress });
  const folder = join(cache, 'test-bin');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const name of ['versitygw', 'rclone', 'csi-sanity', 'restic'])
    await symlink(binaries.path(name), join(folder, name));
  return { SALVOR_LAB_BIN: folder };
}

/** Servers and tools that only tests need: the lab itself has its servers in an image. */
async function testPackages(): Promise<readonly string[]> {
  return JSON.parse(await readFile(new URL('debian-test-packages.json', import.meta.url), 'utf8')) as string[];
}

/** A running lab for end-to-end tests. */
export async function prepareLab(): Promise<void> {
  await (await openLab({ name: testLabName, onProgress })).up();
}

/** Leaves nothing of it behind. */
export async function endLab(): Promise<void> {
  await (await openLab({ name: testLabName, onProgress })).down({ purge: true });
}
