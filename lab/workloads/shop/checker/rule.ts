import type { Facts } from './facts.ts';

/** What a rule found. A rule that checked nothing proves nothing, so it does not hold. */
export interface Findings {
  readonly checked: number;
  /** One sentence per violation, naming what is wrong. */
  readonly violations: readonly string[];
}

/** An invariant of the shop: a pure judgement over the facts. */
export interface Rule {
  readonly name: string;
  /** The invariant as a sentence. */
  readonly says: string;
  /** True for rules that compare with what the load generator was told. */
  readonly needsJournal: boolean;
  check(facts: Facts): Findings;
}

/** A rule about each of many items: the judgement names what is wrong with one, or nothing. */
export function each<T>(items: Iterable<T>, judge: (item: T) => string | undefined): Findings {
  const violations: string[] = [];
  let checked = 0;
  for (const item of items) {
    checked++;
    const violation = judge(item);
    if (violation !== undefined) violations.push(violation);
  }
  return { checked, violations };
}

/** Several findings of one rule together. */
export function together(...findings: readonly Findings[]): Findings {
  return {
    checked: sum(findings.map((one) => one.checked)),
    violations: findings.flatMap((one) => one.violations),
  };
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
