import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#shared/async';
import { SalvorError } from '#shared/errors';
import { moverMain } from '#mover/main';
import { openMoverRepository } from '#mover/open-repository';

/** The program of a mover pod: one task from the environment, its course on stdout. See src/mover/README.md. */
const environment = process.env;
const secretsDirectory = environment['SALVOR_SECRETS_DIR'] ?? '/secrets';
const terminationLog = environment['SALVOR_TERMINATION_LOG'] ?? '/dev/termination-log';

const stop = new AbortController();
const stopped = new SalvorError('The mover was told to stop', { code: 'Cancelled', retryable: true });
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort(stopped));

process.exitCode = await moverMain({
  task: environment['SALVOR_TASK'] ?? '',
  readSecret: (key) => {
    const file = join(secretsDirectory, key);
    return existsSync(file) ? readFileSync(file) : undefined;
  },
  openRepository: openMoverRepository,
  clock: systemClock,
  signal: stop.signal,
  write: (line) => process.stdout.write(`${line}\n`),
  leave: (message) => {
    if (existsSync(terminationLog)) writeFileSync(terminationLog, message);
  },
});
