/** The checker as a program: see `--help`. Exit code 0 only if every invariant holds and checked something. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messagesOf } from '#shared/errors';
import type { ShopEndpoints, ShopSecrets } from '../endpoints.ts';
import { checkShop, formatReport } from './checker.ts';

const usage = `checker-main.ts --endpoints FILE [--secrets FILE] [--journal FILE [--before TIME]] [--settle SECONDS] [-o table|json]

  --endpoints   JSON as shopEndpoints() makes it
  --secrets     JSON as shopSecrets() makes it; default: SHOP_ORDERS_PASSWORD, SHOP_PAYMENTS_PASSWORD,
                SHOP_CARTS_PASSWORD and SHOP_EVENTS_PASSWORD of the environment
  --before      only what was acknowledged before: ISO 8601, or milliseconds since the epoch
  --settle      how long the queues, the replica and the index may take to come to rest (default 60)
The load has to be stopped. Exit codes: 0 all hold, 1 some do not or a store cannot be read, 2 usage.`;

const { values } = parseArgs({
  options: {
    endpoints: { type: 'string' },
    secrets: { type: 'string' },
    journal: { type: 'string' },
    before: { type: 'string' },
    settle: { type: 'string', default: '60' },
    output: { type: 'string', short: 'o', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help || values.endpoints === undefined || !['table', 'json'].includes(values.output)) {
  process.stderr.write(`${usage}\n`);
  process.exit(values.help ? 0 : 2);
}

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

try {
  const endpoints = JSON.parse(await readFile(values.endpoints, 'utf8')) as ShopEndpoints;
  const beforeMs = values.before === undefined ? undefined : momentOf(values.before);
  const report = await checkShop({
    targets: endpoints.checker,
    secrets: values.secrets === undefined ? secretsOfEnv() : await secretsOfFile(values.secrets),
    settleTimeoutMs: Number(values.settle) * 1000,
    signal: stop.signal,
    ...(values.journal === undefined
      ? {}
      : { journal: { path: values.journal, ...(beforeMs === undefined ? {} : { beforeMs }) } }),
  });
  process.stdout.write(values.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
  process.exitCode = report.passed ? 0 : 1;
} catch (error) {
  process.stderr.write(`checker: ${messagesOf(error).join(': ')}\n`);
  process.exitCode = 1;
}

function momentOf(text: string): number {
  const moment = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(moment)) throw new Error(`--before is no time: ${text}`);
  return moment;
}

async function secretsOfFile(path: string): Promise<ShopSecrets> {
  return JSON.parse(await readFile(path, 'utf8')) as ShopSecrets;
}

function secretsOfEnv(): ShopSecrets {
  const read = (name: string): string => {
    const value = process.env[name];
    if (value === undefined) throw new Error(`The environment variable ${name} is not set`);
    return value;
  };
  return {
    ordersPassword: read('SHOP_ORDERS_PASSWORD'),
    paymentsPassword: read('SHOP_PAYMENTS_PASSWORD'),
    cartsPassword: read('SHOP_CARTS_PASSWORD'),
    eventsPassword: read('SHOP_EVENTS_PASSWORD'),
  };
}
