import type { CliContext } from '../context.ts';
import type { Progress } from './progress.ts';

/** Where long work is: a phase, and how far it is in it. */
export interface PhaseState {
  readonly phase: string;
  /** How far, in words such as `3 of 17`. */
  readonly amount: string;
}

export interface Phases {
  readonly show: (state: PhaseState) => void;
  readonly end: () => void;
}

/** A line when a phase has ended, and on a terminal how far it is. */
export function showPhases({ clock, isTerminal }: CliContext, progress: Progress): Phases {
  let current: { readonly phase: string; readonly startedMs: number } | undefined;
  const end = (): void => {
    if (current === undefined) return;
    const { phase, startedMs } = current;
    progress.event({ id: phase, title: phase, state: 'done', elapsedMs: clock.now() - startedMs });
    current = undefined;
  };
  return {
    end,
    show({ phase, amount }) {
      const isNew = current?.phase !== phase;
      if (isNew) end();
      current ??= { phase, startedMs: clock.now() };
      if (!isNew && !isTerminal) return;
      const elapsedMs = clock.now() - current.startedMs;
      progress.event({ id: phase, title: `${phase} ${amount}`, state: 'started', elapsedMs });
    },
  };
}

/** Runs the work and shows its phases until it has ended. */
export async function withPhases<T>(
  context: CliContext,
  progress: Progress,
  work: (show: Phases['show']) => Promise<T>,
): Promise<T> {
  const phases = showPhases(context, progress);
  try {
    const result = await work(phases.show);
    phases.end();
    return result;
  } finally {
    progress.end();
  }
}
