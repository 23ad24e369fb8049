import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { SalvorError } from '#shared/errors';

/** More output than this is not kept: no command of the lab says more that matters. */
const outputBytesMax = 64 * 1024 * 1024;
/** How much of what a failed command said goes into the error. */
const errorTailLines = 8;

export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment of the command; by default this process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What the command reads: text, bytes, or a stream. */
  readonly input?: string | Uint8Array | Readable;
  readonly signal?: AbortSignal | undefined;
  /** Called with each line of stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface RunResult {
  /** The exit code; 128 + n for a signal n would hide which one, so a signal is -1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end and returns what it said, whatever its exit code. Throws only if it cannot be started or is aborted. */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const [command, ...args] = argv;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (options.onLine !== undefined) createInterface({ input: child.stderr as Readable }).on('line', options.onLine);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });
  feed(child.stdin, options.input);
  const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended]).catch(
    (error: unknown) => {
      options.signal?.throwIfAborted();
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw new SalvorError(missing ? `The command ${command} is not installed` : `Cannot run ${command}`, {
        code: 'Prerequisite',
        hint: `Install ${command} and try again.`,
        cause: error,
      });
    },
  );
  return { code, stdout, stderr };
}

/** Runs a command that must succeed and returns its stdout. The error carries the end of what it said, never its environment. */
export async function runChecked(
  argv: readonly [string, ...string[]],
  options: RunOptions & { readonly hint?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-errorTailLines).join('\n');
  throw new SalvorError(
    `${argv.slice(0, 3).join(' ')} ended with ${code === -1 ? 'a signal' : `code ${code}`}: ${said}`,
    {
      code: 'Internal',
      ...(options.hint === undefined ? {} : { hint: options.hint }),
    },
  );
}

function feed(stdin: NodeJS.WritableStream | null, input: RunOptions['input']): void {
  if (stdin === null || input === undefined) return;
  // A command may end without reading everything; its exit code tells whether that was right.
  stdin.on('error', () => {});
  if (typeof input === 'string' || input instanceof Uint8Array) stdin.end(input);
  else input.pipe(stdin);
}

async function collect(stream: Readable | null): Promise<string> {
  if (stream === null) return '';
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    size += part.length;
    if (size <= outputBytesMax) parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
