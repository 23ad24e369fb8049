import type { Asset } from '#api/asset';
import { discover } from './discover.ts';
import { snapshotOfFiles } from './snapshot/manifests.ts';

/** For tests: what is found in manifests given as text. */
export function discoverText(...files: readonly string[]): readonly Asset[] {
  return discover(snapshotOfFiles(files.map((content, index) => ({ path: `${index}.yaml`, content })))).assets;
}
