import { availableParallelism } from 'node:os';
import type { KeyHandles } from '#repository/seal';
import { newFileLocks } from './file-locks.ts';
import { createRestoreWork, type RestoreSetup, type WriteAnswer, type WriteJob } from './restore-job.ts';
import { createWorkerPool, type WorkerPool } from './worker-pool.ts';

/** Where the jobs of a restore are done. The bytes of a job are given away with it. */
export interface RestoreThreads extends AsyncDisposable {
  write(job: WriteJob): Promise<WriteAnswer>;
}

/** So much is done in this thread: starting others costs more than they would save. */
const bytesWithoutThreads = 8 * 1024 * 1024;

export interface RestoreThreadsSetting {
  readonly keys: KeyHandles;
  /** Default: one per core. */
  readonly threads?: number | undefined;
}

/** Threads that are started once there is work for them. */
export function createRestoreThreads({ keys, threads }: RestoreThreadsSetting): RestoreThreads {
  const setup: RestoreSetup = { keys, locks: newFileLocks() };
  const work = createRestoreWork(setup);
  let pool: WorkerPool<WriteJob, WriteAnswer> | undefined;
  let bytes = 0;
  return {
    write: async (job) => {
      bytes += job.sealed.length;
      if (bytes <= bytesWithoutThreads) return work(job);
      pool ??= createWorkerPool({ role: 'restore', threadsMax: threads ?? availableParallelism(), setup });
      const sealed = withOwnMemory(job.sealed);
      return pool.run({ ...job, sealed }, [sealed.buffer]);
    },
    [Symbol.asyncDispose]: async () => pool?.[Symbol.asyncDispose](),
  };
}

/** Small buffers share their memory with others, which cannot be given away. */
function withOwnMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
  return isOwn ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
