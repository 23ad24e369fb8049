import { DatabaseError, Pool, types } from 'pg';
import type { ClientConfig, PoolClient } from 'pg';
import { messageOf } from '#shared/errors';
import type { Log } from './log.ts';

/** Connections per service: two cores commit no faster with more, and the server has to hold them all. */
const connectionsMax = 12;
/** A transaction that lost against another one is repeated this often before the request fails. */
const attemptsMax = 5;
/** deadlock_detected, serialization_failure */
const retryable = new Set(['40P01', '40001']);

// Money and sizes are bigint columns; all of them are far below 2^53.
types.setTypeParser(types.builtins.INT8, Number);

export interface PostgresTarget {
  /** postgres://user@host:port/database, without the password. */
  readonly url: string;
  readonly password: string;
}

/** The options of a client for the target, with timeouts that end a hanging request. */
export function postgresOptions(target: PostgresTarget, name: string): ClientConfig {
  const url = new URL(target.url);
  return {
    host: url.hostname,
    port: Number(url.port === '' ? 5432 : url.port),
    user: decodeURIComponent(url.username),
    database: url.pathname.slice(1),
    password: target.password,
    application_name: name,
    connectionTimeoutMillis: 5000,
    statement_timeout: 30_000,
    // The same on this side, for a server that is gone without a word.
    query_timeout: 35_000,
    keepAlive: true,
  };
}

export function postgresPool(target: PostgresTarget, name: string, log: Log): Pool {
  const pool = new Pool({ ...postgresOptions(target, name), max: connectionsMax });
  // Without a listener the end of an idle connection (the server restarts) would end the process.
  pool.on('error', (error) => log('an idle database connection ended', { error: messageOf(error) }));
  return pool;
}

/** Runs the work in one transaction; a deadlock's victim is tried again. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((reason: unknown) => {
        broken = reason instanceof Error ? reason : new Error(String(reason));
      });
      const code = error instanceof DatabaseError ? error.code : undefined;
      if (attempt >= attemptsMax || code === undefined || !retryable.has(code)) throw error;
    } finally {
      client.release(broken);
    }
  }
}
