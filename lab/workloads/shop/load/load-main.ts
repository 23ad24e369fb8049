/** The load generator as a program: see `--help`. Rates go to stderr, the summary to stdout. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messagesOf } from '#shared/errors';
import type { ShopEndpoints } from '../endpoints.ts';
import { runLoad } from './load.ts';

const usage = `load-main.ts --endpoints FILE --journal FILE [--seconds N] [--operations N] [--rate N] [--concurrency N] [--seed TEXT] [--run ID]

  --endpoints   JSON as shopEndpoints() makes it (no passwords in it)
  --journal     appended: one JSON line per acknowledged operation
  --seconds     ends after that time; without it and --operations: at SIGTERM
  --run         prefix of all ids; default: the seed and the time`;

const { values } = parseArgs({
  options: {
    endpoints: { type: 'string' },
    journal: { type: 'string' },
    seconds: { type: 'string' },
    operations: { type: 'string' },
    rate: { type: 'string', default: '300' },
    concurrency: { type: 'string', default: '16' },
    seed: { type: 'string', default: '1' },
    run: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help || values.endpoints === undefined || values.journal === undefined) {
  process.stderr.write(`${usage}\n`);
  process.exit(values.help ? 0 : 2);
}

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

try {
  const endpoints = JSON.parse(await readFile(values.endpoints, 'utf8')) as ShopEndpoints;
  const summary = await runLoad({
    targets: endpoints.load,
    journal: values.journal,
    seed: values.seed,
    run: values.run ?? `r${values.seed.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}-${Date.now().toString(36)}`,
    ratePerSecond: Number(values.rate),
    concurrency: Number(values.concurrency),
    signal: stop.signal,
    onRate: (line) => process.stderr.write(`${line}\n`),
    ...(values.seconds === undefined ? {} : { durationMs: Number(values.seconds) * 1000 }),
    ...(values.operations === undefined ? {} : { operationsMax: Number(values.operations) }),
  });
  process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
} catch (error) {
  process.stderr.write(`load: ${messagesOf(error).join(': ')}\n`);
  process.exitCode = 1;
}
