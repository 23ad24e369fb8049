import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { SalvorCli } from '#lab/scenarios/salvor';

const program = fileURLToPath(new URL('../../../bin/salvor.ts', import.meta.url));

/** A line of progress on stderr. */
export interface ProgressLine {
  readonly message_type: 'step' | 'note' | 'error';
  readonly id?: string;
  readonly state?: 'started' | 'waiting' | 'done' | 'failed' | 'blocked';
  readonly why?: string;
  readonly text?: string;
  readonly progress?: { readonly doneBytes: number; readonly totalBytes: number };
}

/** A command that is under way, so that a test can do something to it in the middle. */
export interface SalvorRun {
  /** Resolves at the first line that fits; rejects if the command ends before. */
  reached(fits: (line: ProgressLine) => boolean): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

export interface Ended {
  /** Undefined when it was killed. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the CLI with its progress as JSON lines. */
export function startSalvor(cli: SalvorCli, args: readonly string[], env: Record<string, string> = {}): SalvorRun {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args, '-o', 'json'], {
    env: { ...process.env, ...cli.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seen: ProgressLine[] = [];
  const waiting = new Set<(line: ProgressLine) => void>();
  createInterface({ input: child.stderr }).on('line', (json) => {
    const line = parsed(json);
    if (line === undefined) return;
    seen.push(line);
    for (const tell of waiting) tell(line);
  });
  const outputs = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = (async (): Promise<Ended> => {
    const [code] = (await once(child, 'close')) as [number | null];
    const [stdout, stderr] = await outputs;
    return { code: code ?? undefined, stdout, stderr };
  })();
  return {
    ended,
    kill: (signal) => child.kill(signal),
    reached: async (fits) => {
      if (seen.some(fits)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const tell = (line: ProgressLine): void => {
        if (fits(line)) resolve();
      };
      waiting.add(tell);
      const early = async (): Promise<never> => {
        const { code, stderr } = await ended;
        throw new Error(`salvor ${args.join(' ')} ended with ${code} before the moment was reached:\n${stderr}`);
      };
      await Promise.race([promise, early()]).finally(() => waiting.delete(tell));
    },
  };
}

/** The mover of some volume has moved a part of it, from the store or to it. */
export function isMoving(line: ProgressLine): boolean {
  const { doneBytes = 0, totalBytes = 0 } = line.progress ?? {};
  return /^its mover: (backup|restore)/.test(line.why ?? '') && doneBytes > 0 && doneBytes < totalBytes;
}

function parsed(line: string): ProgressLine | undefined {
  try {
    return JSON.parse(line) as ProgressLine;
  } catch {
    return undefined;
  }
}

/** Asserts how a command ended: its exit code, and an error of at most three lines that names what, and a remedy. */
export function assertRefused(ended: Pick<Ended, 'code' | 'stderr'>, code: number, ...patterns: RegExp[]): void {
  assert.equal(ended.code, code, ended.stderr);
  const lines = ended.stderr.trimEnd().split('\n');
  const error = lines.slice(lines.findLastIndex((line) => line.startsWith('Error: ')));
  assert.match(error[0] ?? '', /^Error: /, ended.stderr);
  assert.ok(error.length <= 3, `the error has ${error.length} lines:\n${error.join('\n')}`);
  assert.match(error.at(-1) ?? '', /^Do: {4}\S/, `the error names no remedy:\n${error.join('\n')}`);
  assert.doesNotMatch(ended.stderr, /\n\s+at .*:\d+/, 'a stack trace is shown');
  for (const pattern of patterns) assert.match(error.join('\n'), pattern);
}
