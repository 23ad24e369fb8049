import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

/** Runs a program on this terminal and returns its exit code (128 + n for signal n, as a shell does). Ctrl-C is the program's. */
export async function interactive(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const env = { ...process.env, ...environment };
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: 'inherit', env });
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    process.off('SIGINT', ignore);
  }
}
