import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../setup/run.ts';
import type { RunResult } from '../setup/run.ts';
import type { Lab } from '../lab.ts';

const program = fileURLToPath(new URL('../../bin/salvor.ts', import.meta.url));

/** The `salvor` command as a user of the lab runs it, against one folder of the lab's store. */
export interface SalvorCli {
  /** Runs to the end; the caller judges the exit code. `onLine` gets the progress. */
  run(
    args: readonly string[],
    options?: {
      readonly signal?: AbortSignal;
      readonly onLine?: (line: string) => void;
      readonly env?: Record<string, string>;
    },
  ): Promise<RunResult>;
  readonly env: Readonly<Record<string, string>>;
  readonly keyFile: string;
}

/** `work` keeps the key; `prefix` names a folder of the bucket, so that tests do not meet. */
export async function salvorOn(lab: Lab, work: string, prefix: string): Promise<SalvorCli> {
  const keyFile = join(work, 'repository.key');
  const existing = await readFile(keyFile, 'utf8').catch(() => undefined);
  if (existing === undefined) await writeFile(keyFile, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  const labEnv = await lab.env();
  const store = new URL(labEnv['SALVOR_STORE'] ?? '');
  store.pathname = `/${prefix}`;
  const env = {
    ...labEnv,
    SALVOR_STORE: store.toString(),
    SALVOR_KEY_FILE: keyFile,
  };
  return {
    env,
    keyFile,
    run: async (args, options = {}) =>
      run([process.execPath, '--disable-warning=ExperimentalWarning', program, ...args], {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
        env: { ...process.env, ...env, ...options.env },
      }),
  };
}

/** Debian's restic on the same repository: the proof that nothing of Salvor is needed to read it. */
export async function resticOn(cli: SalvorCli, args: readonly string[], signal?: AbortSignal): Promise<RunResult> {
  const store = new URL(cli.env['SALVOR_STORE'] ?? '');
  const repository = `s3:${cli.env['SALVOR_STORE_ENDPOINT']}/${store.hostname}${store.pathname}`;
  const env = { ...process.env, ...cli.env, RESTIC_REPOSITORY: repository, RESTIC_PASSWORD_FILE: cli.keyFile };
  return run(['restic', '--no-cache', ...args], { env, ...(signal === undefined ? {} : { signal }) });
}
