import { parseMoverMessage } from '#mover/protocol';
import type { MoverProgress, MoverResult } from '#mover/protocol';
import { SalvorError } from '#shared/errors';
import { done, failed, waiting } from './execute.ts';
import type { Outcome, StepProgress } from './execute.ts';
import type { MoverState } from './mover-job.ts';

const pollMs = 500;
/** What looks broken is often a passing fault of the node or the registry; after this it is not. */
const brokenPatienceMs = 60_000;

/** What a mover's state means for the step that waits for it. Pure. */
export function moverOutcome(state: MoverState, asset: string): Outcome<MoverResult> {
  switch (state.state) {
    case 'waiting':
      return waiting(state.why, pollMs, state.looksBroken ? { patienceMs: brokenPatienceMs } : {});
    case 'running':
      return running(state);
    case 'succeeded': {
      const message = parseMoverMessage(state.message);
      if (message?.message_type === 'result') return done(message.result);
      return failed(
        new SalvorError(`The mover of ${asset} ended without a result`, {
          code: 'MoverFailed',
          hint: 'Run again; if it stays so, the mover image does not fit this command.',
        }),
      );
    }
    case 'failed':
      return failed(failure(state, asset));
    default:
      return state satisfies never;
  }
}

function running({ lastLine, attempt }: Extract<MoverState, { state: 'running' }>): Outcome<MoverResult> {
  const message = lastLine === undefined ? undefined : parseMoverMessage(lastLine);
  // A mover says its result last, when all is stored and given back: nothing is gained by waiting for its pod to end.
  if (message?.message_type === 'result') return done(message.result);
  const again = attempt > 1 ? ` (attempt ${attempt}: the one before was killed or failed)` : '';
  if (message?.message_type !== 'progress') return waiting(`its mover${again}`, pollMs);
  return waiting(`its mover: ${message.phase}${again}`, pollMs, { progress: progressOf(message) });
}

function progressOf(message: MoverProgress): StepProgress {
  return { doneBytes: message.bytes, totalBytes: message.plannedBytes ?? message.bytes };
}

function failure({ message, reason }: Extract<MoverState, { state: 'failed' }>, asset: string): SalvorError {
  const told = parseMoverMessage(message);
  if (told?.message_type === 'error') {
    return new SalvorError(`The mover of ${asset} failed: ${told.message}`, {
      code: told.code,
      ...(told.hint === undefined ? {} : { hint: told.hint }),
    });
  }
  return new SalvorError(`The mover of ${asset} was ended: ${reason}`, {
    code: 'MoverFailed',
    hint: 'Look at its node: memory, evictions, drains. What it had stored already is used by the next run.',
  });
}
