import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * For tests that open hundreds of repositories in one process: each reserves 200 MB of shared memory, which lies outside the heap
 * of V8, so that nothing makes it hurry to give them back. Without this such a test takes all memory of a machine.
 */
export function collectGarbage(): void {
  collect();
}
