import { openDiskStore } from '#stores/disk/disk-store';
import { SalvorError } from '#shared/errors';
import { checkRepository } from './check.ts';
import { readContent, walkTree } from './find.ts';
import { password } from './fixtures.ts';
import { openRepository } from './repository.ts';

/**
 * A program for hostile.system.test.ts: reads the repository in a folder in every way, and prints what came out and how
 * much memory it took. Run with little heap, it dies where a reader believes what it reads.
 */

const store = await openDiskStore(process.argv[2] ?? '');
const outcomes: string[] = [];
for (const use of [readAll, check]) {
  try {
    outcomes.push(...(await use()));
  } catch (error) {
    if (!(error instanceof SalvorError)) throw error;
    outcomes.push(`${error.code}: ${error.message}`);
  }
}
process.stdout.write(JSON.stringify({ outcomes, memoryKiB: process.resourceUsage().maxRSS }));

async function readAll(): Promise<string[]> {
  await using repository = await openRepository(store, { password });
  for (const snapshot of await repository.snapshots()) {
    for await (const { node } of walkTree(repository, snapshot.tree)) {
      if (node.type === 'file') for await (const _bytes of readContent(repository, node));
    }
  }
  return [];
}

async function check(): Promise<string[]> {
  const { problems } = await checkRepository(store, { password, readData: true });
  return problems.map(({ object, message }) => `${object}: ${message}`);
}
