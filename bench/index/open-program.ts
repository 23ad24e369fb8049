import { openIndexView } from '#repository/blob-lookup';
import { blobId, toBlobId } from '#repository/ids';
import { openRepository } from '#repository/repository';
import { openDiskStore } from '#stores/disk/disk-store';
import { repositoryPassword } from '../mover/contestants/contestant.ts';

/**
 * `node open-program.ts REPOSITORY BLOB [lookups]`: what `restic cat blob` does: opens the repository, reads its whole
 * index, reads one blob. With `lookups` it prints what looking up costs then, in microseconds, found and not found.
 */

const lookups = 200_000;

const [path = '', blob = '', how] = process.argv.slice(2);
const store = await openDiskStore(path);
await using repository = await openRepository(store, { password: repositoryPassword });
const id = toBlobId(blob, 'The blob');
const bytes = await repository.loadBlob('data', id);
if (how === 'lookups') {
  using shared = await repository.shareIndex();
  const index = openIndexView(shared.view);
  const absent = Array.from({ length: lookups }, (_, number) => Buffer.from(blobId(Buffer.from([number])), 'hex'));
  const known = Buffer.from(id, 'hex');
  const microseconds = (ask: (round: number) => void): number => {
    const started = performance.now();
    for (let round = 0; round < lookups; round++) ask(round);
    return ((performance.now() - started) * 1000) / lookups;
  };
  const found = microseconds(() => index.hasBytes('data', known));
  const notFound = microseconds((round) => index.hasBytes('data', absent[round] ?? known));
  process.stdout.write(JSON.stringify({ found, notFound }));
} else {
  process.stdout.write(`${bytes.length}`);
}
