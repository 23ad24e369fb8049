import { hostname } from 'node:os';
import { readFileSync } from 'node:fs';
import { run } from '@stricli/core';
import { buildSalvor, documentedExitCode } from '#cli/app';
import type { CliContext } from '#cli/context';
import { systemClock } from '#shared/async';

const { env, stderr, stdin, stdout } = process;
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const cancelled = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (!cancelled.signal.aborted) stderr.write('\nStopping: cleaning up what this run made. Wait a moment.\n');
    cancelled.abort();
  });
}

const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env;
const context: CliContext = {
  process,
  version,
  clock: systemClock,
  stdin,
  stdout,
  signal: cancelled.signal,
  hostname: hostname(),
  isTerminal: stderr.isTTY && env['TERM'] !== 'dumb',
  columns: stderr.columns ?? 80,
  settings: {
    store: env['SALVOR_STORE'],
    storeEndpoint: env['SALVOR_STORE_ENDPOINT'],
    keyFile: env['SALVOR_KEY_FILE'],
    moverImage: env['SALVOR_MOVER_IMAGE'],
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  },
  setExitCode: (code) => {
    process.exitCode = code;
  },
};

const args = process.argv.slice(2);
const wantsJson = /(^| )(-o|--output)[ =]?json( |$)/.test(args.join(' '));
await run(buildSalvor(version, wantsJson), args, context);
process.exitCode = documentedExitCode(Number(process.exitCode ?? 0));
// Idle connections to the cluster and the store must not keep a finished command alive.
stdout.write('', () => process.exit());
