import { createCompareWork, type CompareAnswer, type CompareJob } from './compare-job.ts';
import { createWriteWork, type WriteAnswer, type WriteJob, type WriteSetup } from './write-job.ts';

export type RestoreJob = WriteJob | CompareJob;
export type RestoreAnswer = WriteAnswer | CompareAnswer;

/** What the threads of a restore do: they write, and they read back. */
export function createRestoreWork(setup: WriteSetup): (job: RestoreJob) => RestoreAnswer {
  const write = createWriteWork(setup);
  const compare = createCompareWork();
  return (job) => (job.kind === 'write' ? write(job) : compare(job));
}
