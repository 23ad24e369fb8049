import type { Timing } from './run-scenario.ts';

/** A peer that was this much slower than the fastest one is no rival: noise is a tenth of that. */
const rivalTimesMax = 1.5;

/** Ours: everybody else is a peer. */
export const ourNames: readonly string[] = ['salvor', 'salvor-blocks'];

/**
 * Whether a contestant is run again. Ours are, and whom a goal names; others only while they could still be the fastest
 * peer: a restore that takes a minute where another one takes ten seconds need not be seen three times.
 */
export function staysIn(
  name: string,
  runs: ReadonlyMap<string, readonly Pick<Timing, 'durableSeconds'>[]>,
  named: readonly string[],
): boolean {
  const own = runs.get(name)?.at(0);
  if (own === undefined || ourNames.includes(name) || named.includes(name)) return true;
  const peers = [...runs].filter(([peer]) => !ourNames.includes(peer));
  const fastest = Math.min(...peers.flatMap(([, timings]) => timings.map(({ durableSeconds }) => durableSeconds)));
  return own.durableSeconds <= rivalTimesMax * fastest;
}
