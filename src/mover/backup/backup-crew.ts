import { availableParallelism } from 'node:os';
import type { Repository } from '#repository/types';
import type { BackupJob, BackupMessage, BackupSetup } from './backup-work.ts';
import type { CaptureAnswer, CaptureJob, Crew } from './capture-job.ts';
import { createWorkerPool } from '../worker-pool.ts';

/** Threads that capture for one backup, and pack for its repository. */
export interface BackupCrew extends Crew, AsyncDisposable {
  /** Makes durable all that the threads and this one have saved. */
  flush(): Promise<void>;
}

export interface BackupCrewOptions {
  readonly repository: Repository;
  /** Default: one per core. */
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
}

export async function createBackupCrew(options: BackupCrewOptions): Promise<BackupCrew> {
  const { repository, signal, threads = availableParallelism() } = options;
  const packing = await repository.packing(threads, signal);
  const chunkerPolynomial = repository.chunkerPolynomial.toString(16);
  const pool = createWorkerPool<BackupJob, unknown>({
    role: 'backup',
    threadsMax: threads,
    // Asked for each thread: one that starts late gets the index as it is then.
    setup: (): BackupSetup => ({ grant: packing.grant, chunkerPolynomial }),
    onMessage: (message) => hear(message as BackupMessage),
  });
  let listener: (bytes: number) => void = () => undefined;
  const hear = (message: BackupMessage): void => {
    switch (message.kind) {
      case 'pack':
        return packing.accept(message.pack);
      case 'read':
        return listener(message.bytes);
      default:
        return message satisfies never;
    }
  };
  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', stop);
    packing.failed.removeEventListener('abort', stop);
    await pool[Symbol.asyncDispose]();
    packing[Symbol.dispose]();
  };
  // Threads that wait for memory or read a slow disk would not hear of it otherwise.
  const stop = (): void => void pool[Symbol.asyncDispose]();
  signal.addEventListener('abort', stop);
  packing.failed.addEventListener('abort', stop);

  const usable = async <T>(attempt: Promise<T>): Promise<T> => {
    try {
      return await attempt;
    } catch (error) {
      signal.throwIfAborted();
      packing.failed.throwIfAborted();
      throw error;
    }
  };
  const renew = async (): Promise<void> => {
    await pool.runOnAll({ kind: 'flush' });
    const index = await packing.renew(signal);
    await pool.runOnAll({ kind: 'renew', index });
  };
  /** While it is set, the claims are being emptied. Jobs wait, so that few blobs are claimed twice. */
  let renewing: Promise<void> | undefined;

  return {
    run: async <Job extends CaptureJob>(job: Job) => {
      signal.throwIfAborted();
      if (packing.isCrowded) renewing ??= usable(renew()).finally(() => (renewing = undefined));
      await renewing;
      return (await usable(pool.run(job))) as CaptureAnswer<Job>;
    },
    onBytes: (given) => {
      listener = given;
    },
    flush: async () => {
      await usable(pool.runOnAll({ kind: 'flush' }));
      await repository.flush(signal);
    },
    [Symbol.asyncDispose]: close,
  };
}
