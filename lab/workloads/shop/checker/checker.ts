import type { CheckerTargets, ShopSecrets } from '../endpoints.ts';
import { readJournal } from '../load/journal.ts';
import type { Facts } from './facts.ts';
import { gather } from './gather/gather.ts';
import type { Rule } from './rule.ts';
import { rules as allRules } from './rules.ts';

/** How many violations of a rule are kept as examples. */
const examplesMax = 5;
/** How long the queues, the replica and the index may take to come to rest. */
const settleTimeoutMs = 60_000;

export interface RuleResult {
  readonly rule: string;
  readonly says: string;
  /** True when something was checked and nothing was wrong. */
  readonly holds: boolean;
  readonly checked: number;
  readonly violations: number;
  /** The first few violations, as sentences. */
  readonly examples: readonly string[];
}

export interface CheckReport {
  /** True only if every rule holds; a rule that found nothing to check does not. */
  readonly passed: boolean;
  readonly results: readonly RuleResult[];
  /** Rules that could not be asked, because no journal was given. */
  readonly notAsked: readonly string[];
  /** Entries of the journal before the cut-off; null without a journal. */
  readonly journalEntries: number | null;
}

export interface CheckOptions {
  readonly targets: CheckerTargets;
  readonly secrets: ShopSecrets;
  readonly journal?: {
    readonly path: string;
    /** What was acknowledged before this moment must be there: milliseconds since the epoch; default: all of it. */
    readonly beforeMs?: number;
  };
  /** How long to wait for the shop to come to rest; the default is a minute. */
  readonly settleTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Reads all stores of a shop without load and judges its invariants. Throws if a store cannot be read. */
export async function checkShop(options: CheckOptions): Promise<CheckReport> {
  const { journal, signal } = options;
  return judge(
    await gather({
      targets: options.targets,
      secrets: options.secrets,
      journal: journal === undefined ? undefined : await readJournal(journal.path, journal.beforeMs),
      patience: {
        timeoutMs: options.settleTimeoutMs ?? settleTimeoutMs,
        ...(signal === undefined ? {} : { signal }),
      },
    }),
  );
}

/** Judges facts: pure. */
export function judge(facts: Facts, rules: readonly Rule[] = allRules): CheckReport {
  const asked = rules.filter((rule) => !rule.needsJournal || facts.journal !== undefined);
  const results = asked.map((rule): RuleResult => {
    const { checked, violations } = rule.check(facts);
    return {
      rule: rule.name,
      says: rule.says,
      holds: checked > 0 && violations.length === 0,
      checked,
      violations: violations.length,
      examples: violations.slice(0, examplesMax),
    };
  });
  return {
    passed: results.length > 0 && results.every((result) => result.holds),
    results,
    notAsked: rules.filter((rule) => !asked.includes(rule)).map((rule) => rule.name),
    journalEntries: facts.journal?.length ?? null,
  };
}

/** The report as a table for people. */
export function formatReport(report: CheckReport): string {
  const width = Math.max(...report.results.map((result) => result.rule.length));
  const lines = report.results.flatMap((result) => [
    `${result.holds ? 'ok    ' : 'FAILED'}  ${result.rule.padEnd(width)}  ${String(result.checked).padStart(8)} checked  ${remark(result)}`,
    ...result.examples.map((example) => `          ${example}`),
    ...(result.violations > result.examples.length
      ? [`          and ${result.violations - result.examples.length} more`]
      : []),
  ]);
  if (report.notAsked.length > 0) lines.push(`not asked, for want of a journal: ${report.notAsked.join(', ')}`);
  const failed = report.results.filter((result) => !result.holds).length;
  lines.push(
    report.passed
      ? `all ${report.results.length} invariants hold`
      : `${failed} of ${report.results.length} invariants do not hold`,
  );
  return `${lines.join('\n')}\n`;
}

function remark(result: RuleResult): string {
  if (result.violations > 0) return `${result.violations} violations: ${result.says}`;
  return result.checked === 0 ? 'there was nothing to check, so nothing is proven' : result.says;
}
