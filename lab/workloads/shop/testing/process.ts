import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** What is killed when this process ends without having stopped it. */
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** How long a server may take for an orderly end before it is killed. */
const stopTimeoutMs = 30_000;

export interface ShopProcess {
  readonly name: string;
  readonly log: string;
  /** How the process ended, if it has. */
  ended(): string | undefined;
  stop(): Promise<void>;
  /** Ends it at once, without a chance to tidy up. */
  kill(): Promise<void>;
  lastLines(): Promise<string>;
}

export interface ProcessOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Gets stdout and stderr. */
  readonly log: string;
  readonly stopSignal?: NodeJS.Signals;
  readonly user?: number;
}

/** Starts a child that lives until `stop`, or until this process ends. */
export async function startProcess(options: ProcessOptions): Promise<ShopProcess> {
  const output = openSync(options.log, 'a');
  const [program = '', ...args] = options.command;
  const child = spawn(program, args, {
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent', ...options.env },
    stdio: ['ignore', output, output],
    cwd: '/',
    ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
  });
  closeSync(output);
  await once(child, 'spawn');
  children.add(child);
  const exited = once(child, 'exit').finally(() => children.delete(child));
  const ended = (): string | undefined => {
    if (child.exitCode !== null) return `exit code ${child.exitCode}`;
    return child.signalCode === null ? undefined : child.signalCode;
  };
  return {
    name: options.name,
    log: options.log,
    ended,
    async stop() {
      if (ended() !== undefined) return;
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
      child.kill(options.stopSignal ?? 'SIGTERM');
      await exited;
      clearTimeout(timer);
    },
    async kill() {
      if (ended() !== undefined) return;
      child.kill('SIGKILL');
      await exited;
    },
    lastLines: async () => (await readFile(options.log, 'utf8')).split('\n').slice(-15).join('\n'),
  };
}
