/** What a benchmark is: a folder here with an `index.ts` that exports `run`, a `Benchmark`. */
export type Benchmark = (context: BenchmarkContext) => Promise<BenchmarkReport>;

export interface BenchmarkContext {
  /** The command line after the benchmark's name, without what the runner takes itself. */
  readonly args: readonly string[];
  /** Where things that are worth keeping lie (built peers), and where there is room to work; outside the tree. */
  readonly cache: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Tells a person how far it is. */
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface BenchmarkReport {
  readonly tables: readonly Table[];
  readonly goals: readonly Goal[];
  /** What a reader of the numbers must know: what was not measured, what was left out, and why. */
  readonly notes: readonly string[];
  /** All numbers, for the JSON file. */
  readonly results: readonly object[];
}

/** The first row is the heading. */
export interface Table {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/** What issue or document promises, and what came out. A goal that is missed or could not be measured stays in the list. */
export interface Goal {
  readonly name: string;
  readonly unit: 'times' | 'MB' | 'objects/s' | 's';
  /** Whether `value` must be at least or at most `goal`. */
  readonly must: 'reach' | 'stay under';
  readonly goal: number;
  /** Null if it was not measured; `note` says why. */
  readonly value: number | null;
  readonly met: boolean;
  readonly note?: string;
}

/** A goal judged by its value; without a value it is not met. */
export function judge(goal: Omit<Goal, 'met'>): Goal {
  return { ...goal, met: goal.value !== null && isMet(goal, goal.value) };
}

function isMet({ must, goal }: Omit<Goal, 'met'>, value: number): boolean {
  return must === 'reach' ? value >= goal : value < goal;
}
