import { exitCodeOf, exitCodes } from '#shared/errors';
import { formatMoverMessage, moverError, terminationBytesMax, type MoverMessage } from './protocol.ts';
import { runMover, type MoverDeps } from './run.ts';
import { readMoverSecrets } from './secrets.ts';
import { parseMoverTask, type MoverSecrets } from './task.ts';

export interface MoverSetting extends Omit<MoverDeps, 'openRepository'> {
  /** The task as JSON. */
  readonly task: string;
  /** A key of the mounted Secret, or undefined if it has no such key. */
  readonly readSecret: (key: string) => Buffer | undefined;
  readonly openRepository: (secrets: MoverSecrets) => MoverDeps['openRepository'];
  /** Takes the last message again, short enough for Kubernetes' termination message. */
  readonly leave: (message: string) => void;
}

/**
 * A mover from its environment to its exit code. The code is 0 when a result was delivered, complete or not: a second
 * attempt would not read what cannot be read. Otherwise it is the error's.
 */
export async function moverMain(setting: MoverSetting): Promise<number> {
  let last: MoverMessage;
  let exitCode: number = exitCodes.ok;
  try {
    const task = parseMoverTask(setting.task);
    const openRepository = setting.openRepository(readMoverSecrets(setting.readSecret));
    last = { message_type: 'result', result: await runMover(task, { ...setting, openRepository }) };
  } catch (error) {
    last = { message_type: 'error', ...moverError(error) };
    exitCode = exitCodeOf(error);
  }
  setting.write(formatMoverMessage(last));
  setting.leave(formatMoverMessage(last, terminationBytesMax));
  return exitCode;
}
