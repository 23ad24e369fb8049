import { execFile } from 'node:child_process';

/** Output kept of a command: enough for every error message of mkfs or mount, not enough to fill memory. */
const outputBytesMax = 256 * 1024;

/** Long enough for mkfs on a slow disk, short enough that a hung mount is reported before the kubelet gives up. */
const defaultTimeoutMs = 60_000;

export interface CommandOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Exit codes that are an answer, not a failure; 0 always is. */
  readonly exitCodes?: readonly number[];
}

/** A command that could not be run, was stopped, or answered with an exit code that is not expected. */
export class CommandError extends Error {
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode: number | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/**
 * Runs a system tool without a shell, with a fixed PATH and locale, bounded in time and output.
 * @returns its standard output
 * @throws CommandError with the end of what the tool said
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<{ stdout: string }> {
  options.signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<{ stdout: string }>();
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  execFile(
    file,
    [...args],
    {
      timeout: timeoutMs,
      maxBuffer: outputBytesMax,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
    (error, stdout, stderr) => {
      const exitCode = typeof error?.code === 'number' ? error.code : undefined;
      if (error === null || (exitCode !== undefined && options.exitCodes?.includes(exitCode))) resolve({ stdout });
      else if (options.signal?.aborted) reject(options.signal.reason);
      else reject(new CommandError(describe(file, error, { stderr, timeoutMs }), exitCode, error));
    },
  );
  return promise;
}

function describe(
  file: string,
  error: Error & { code?: string | number | null; killed?: boolean },
  context: { stderr: string; timeoutMs: number },
): string {
  if (error.code === 'ENOENT') return `${file} is not installed on this node`;
  if (error.killed === true) return `${file} was stopped after ${context.timeoutMs} ms`;
  const said = context.stderr
    .trim()
    .slice(-1000)
    .replaceAll(/\s*\n\s*/g, '; ');
  return said === '' ? `${file} failed: ${error.message.split('\n')[0]}` : `${file} failed: ${said}`;
}
