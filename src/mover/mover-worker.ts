import { parentPort, workerData } from 'node:worker_threads';
import { createBackupWork } from './backup/backup-work.ts';
import { createRestoreWork } from './restore/restore-work.ts';
import { failureOf, type JobMessage, type WorkerMessage, type WorkerRole, type WorkerStart } from './worker-pool.ts';

/** The program of a thread: does the jobs of its role, one after the other, and answers each. */

type Work = (job: never) => unknown;
type Tell = (other: unknown) => void;

const roles: Readonly<Record<WorkerRole, (setup: never, tell: Tell) => Work>> = {
  backup: createBackupWork,
  restore: createRestoreWork,
};

const { role, setup } = workerData as WorkerStart;
const port = parentPort;
const work = roles[role](setup as never, (other) => port?.postMessage({ other } satisfies WorkerMessage));

async function answer({ id, job }: JobMessage): Promise<void> {
  let message: WorkerMessage;
  try {
    message = { id, answer: await work(job as never) };
  } catch (error) {
    message = { id, failure: failureOf(error) };
  }
  port?.postMessage(message);
}

port?.on('message', (message: JobMessage) => void answer(message));
