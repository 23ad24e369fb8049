import { once } from 'node:events';
import { isAbort, messageOf } from '#shared/errors';
import { numberOf } from './env.ts';
import type { Env } from './env.ts';
import { serve } from './http.ts';
import type { Routes } from './http.ts';
import { createLog } from './log.ts';
import type { Log } from './log.ts';

export interface ServiceContext {
  readonly env: Env;
  readonly log: Log;
  /** Aborted by SIGTERM: loops end, connections are closed. */
  readonly signal: AbortSignal;
}

export interface Service {
  readonly routes: Routes;
  /** True when the service can do its work at this moment. */
  ready(): Promise<boolean>;
  /** Ends loops and closes connections. */
  close(): Promise<void>;
}

/**
 * The life of every service: it listens at once (alive, not ready), starts, serves until SIGTERM and closes.
 * A start that fails after its bounded retries ends the process with 1, and the kubelet starts it again.
 * Prints `listening on PORT` on stdout: the local runner gives port 0 and reads it.
 */
export async function runService(name: string, start: (context: ServiceContext) => Promise<Service>): Promise<void> {
  const log = createLog(name);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  let service: Service | undefined;
  const server = await serve({
    port: numberOf(process.env, 'PORT', 8080),
    routes: () => service?.routes,
    ready: async () => service !== undefined && (await service.ready().catch(() => false)),
    log,
  });
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`listening on ${address.port}\n`);
  try {
    service = await start({ env: process.env, log, signal: stop.signal });
    log('started');
    if (!stop.signal.aborted) await once(stop.signal, 'abort');
  } catch (error) {
    if (!isAbort(error)) {
      log('could not start', { error: messageOf(error) });
      process.exitCode = 1;
    }
  }
  server.closeAllConnections();
  server.close();
  await service?.close();
}
