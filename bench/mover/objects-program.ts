import { captureObjects, objectYaml } from '#backup/capture-objects';
import { fileNode } from '#backup/point-tree';
import type { CapturedObject } from '#discovery/inventory';
import { openRepository } from '#repository/repository';
import type { Repository } from '#repository/types';
import { mapLimit } from '#shared/async';
import { openStore } from '#stores/open';
import { repositoryPassword } from './contestants/contestant.ts';
import { makeObjects } from './data/objects.ts';

/**
 * A program of its own, so that its memory can be measured: `objects-program.ts REPOSITORY COUNT HOW`. Prints the seconds from
 * the first object to all of them being durable and indexed; starting and opening the repository is not in it, because the
 * run that captures objects has a repository open anyway.
 */

export type How = 'manifests' | 'captured';

/** At a time, as in capture-objects.ts. */
const savesMax = 16;
const [location = '', count = '0', how = 'manifests'] = process.argv.slice(2);
const signal = new AbortController().signal;

/** Different manifests; beyond that they differ in their uid only. */
const manifestsMax = 4_000;
const store = await openStore({ location });
try {
  await using repository = await openRepository(store, { password: repositoryPassword });
  const objects = makeObjects(Math.min(Number(count), manifestsMax));
  const save = how === 'captured' ? captured(repository, objects) : manifests(repository, objects);
  const started = performance.now();
  await save();
  await repository.flush();
  process.stdout.write(`${(performance.now() - started) / 1000}\n`);
} finally {
  await store.close();
}

/** As a backup does it: objects from the API server become YAML, a file each. */
function captured(repository: Repository, objects: readonly CapturedObject[]): () => Promise<unknown> {
  return async () => captureObjects(repository, objects, [], Date.now(), signal);
}

/** Only what the repository has to do: manifests that are text already become files of one folder. */
function manifests(repository: Repository, objects: readonly CapturedObject[]): () => Promise<unknown> {
  const texts = objects.map(({ object }) => Buffer.from(objectYaml(object)));
  const uids = texts.map((text) => text.indexOf('uid: ') + 'uid: '.length);
  const numbers = Array.from({ length: Number(count) }, (_, number) => number);
  return async () => {
    const files = await mapLimit(numbers, savesMax, async (number) => {
      const bytes = Buffer.from(texts[number % texts.length] as Buffer);
      bytes.writeUInt32LE(number, uids[number % texts.length]);
      return fileNode(repository, `object-${number}.yaml`, bytes, 0, signal);
    });
    return repository.saveTree(files.map(({ node }) => node));
  };
}
