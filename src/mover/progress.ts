import type { Clock } from '#shared/time';
import type { MoverProgress } from './protocol.ts';

/** Progress is for people: more often it only fills logs. */
const intervalMs = 1000;

/** Lets progress through about once per second, and at once when the phase changes. */
export function boundedProgress(
  clock: Pick<Clock, 'now'>,
  show: (progress: MoverProgress) => void,
): (progress: MoverProgress) => void {
  let shownAt = Number.NEGATIVE_INFINITY;
  let phase: MoverProgress['phase'] | undefined;
  return (progress) => {
    const now = clock.now();
    if (progress.phase === phase && now - shownAt < intervalMs) return;
    shownAt = now;
    phase = progress.phase;
    show(progress);
  };
}
