import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SalvorError } from '#shared/errors';

/** What is measured: a program with its whole environment. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
}

/** What one run of a program took, as the kernel accounts for it: with all threads, and children it waited for. */
export interface Usage {
  /** From the start of the program to its end. */
  readonly wallSeconds: number;
  /** User and system time. */
  readonly cpuSeconds: number;
  /** Peak resident memory of the program or, if larger, of one of its children. */
  readonly peakBytes: number;
}

export interface Ended extends Usage {
  readonly stdout: string;
}

/** Debian's package `time`: it forks while it is small, so that the peak is the program's and not that of this process. */
const timer = '/usr/bin/time';
/** The end of what a failed program said. */
const errorTailLines = 6;
/** No program here says more that matters; what is above is not kept. */
const outputBytesMax = 4 * 1024 * 1024;

/** Runs a program to its end and measures it. One that fails is an error with what it said. */
export async function measure(command: Command, signal: AbortSignal): Promise<Ended> {
  signal.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'salvor-bench-'));
  try {
    const usage = join(folder, 'usage');
    const started = performance.now();
    const { code, stdout, stderr } = await runToEnd(
      [timer, '--quiet', '--format', '%U %S %M', '--output', usage, ...command.argv],
      command.environment,
      signal,
    );
    const wallSeconds = (performance.now() - started) / 1000;
    if (code !== 0) throw failure(command, code, stderr.trim() === '' ? stdout : stderr);
    const [user = 0, system = 0, peakKibibytes = 0] = (await readFile(usage, 'utf8')).trim().split(' ').map(Number);
    return { wallSeconds, cpuSeconds: user + system, peakBytes: peakKibibytes * 1024, stdout };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a program that prepares something and is not measured; answers what it printed. */
export async function runCommand(command: Command, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const { code, stdout, stderr } = await runToEnd(command.argv, command.environment, signal);
  if (code !== 0) throw failure(command, code, stderr.trim() === '' ? stdout : stderr);
  return stdout;
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function runToEnd(
  argv: Command['argv'],
  environment: Command['environment'],
  signal: AbortSignal,
): Promise<Outcome> {
  const [program, ...args] = argv;
  // A group of its own: what the program started ends with it.
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(-outputBytesMax);
    });
  }
  const stop = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    signal.throwIfAborted();
    return { code: code ?? -1, ...output };
  } catch (error) {
    signal.throwIfAborted();
    throw new SalvorError(`Cannot run ${program}`, {
      code: 'Prerequisite',
      hint: program === timer ? 'Install the Debian package time.' : `Install ${program} or give its path.`,
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function failure({ argv }: Command, code: number, said: string): SalvorError {
  const tail = said.trim().split('\n').slice(-errorTailLines).join('\n');
  const ended = code === -1 ? 'was killed' : `ended with code ${code}`;
  return new SalvorError(`${argv.slice(0, 4).join(' ')} ... ${ended}: ${tail}`, { code: 'Internal' });
}
