import { availableParallelism } from 'node:os';
import type { KeyHandles } from '#repository/seal';
import type { CompareAnswer, CompareJob } from './compare-job.ts';
import { newFileLocks } from './file-locks.ts';
import { createRestoreWork, type RestoreAnswer, type RestoreJob } from './restore-work.ts';
import type { WriteAnswer, WriteJob, WriteSetup } from './write-job.ts';
import { createWorkerPool, type WorkerPool } from '../worker-pool.ts';

/** A job whose bytes may lie in memory that others have, too. */
type SealedJob = Omit<WriteJob, 'sealed'> & { readonly sealed: Uint8Array };

/** Where the jobs of a restore are done. The bytes of a job are given away with it. */
export interface RestoreThreads extends AsyncDisposable {
  write(job: SealedJob): Promise<WriteAnswer>;
  /** `bytes`: about how much is read. */
  compare(job: CompareJob, bytes: number): Promise<CompareAnswer>;
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
  const setup: WriteSetup = { keys, locks: newFileLocks() };
  const work = createRestoreWork(setup);
  let pool: WorkerPool<RestoreJob, RestoreAnswer> | undefined;
  let bytesDone = 0;
  const poolFor = (bytes: number): typeof pool => {
    bytesDone += bytes;
    if (bytesDone <= bytesWithoutThreads) return undefined;
    pool ??= createWorkerPool({ role: 'restore', threadsMax: threads ?? availableParallelism(), setup: () => setup });
    return pool;
  };
  return {
    write: async (job) => {
      const sealed = withOwnMemory(job.sealed);
      const others = poolFor(sealed.length);
      if (others === undefined) return work({ ...job, sealed }) as WriteAnswer;
      return (await others.run({ ...job, sealed }, [sealed.buffer])) as WriteAnswer;
    },
    compare: async (job, bytes) => ((await poolFor(bytes)?.run(job)) ?? work(job)) as CompareAnswer,
    [Symbol.asyncDispose]: async () => pool?.[Symbol.asyncDispose](),
  };
}

/** Small buffers share their memory with others, which cannot be given away. */
function withOwnMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
  return isOwn ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
