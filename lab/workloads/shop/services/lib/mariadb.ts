import mysql from 'mysql2/promise';

/** Connections of the payments service: see postgres.ts. */
const connectionsMax = 8;
/** A transaction that lost against another one is repeated this often before the request fails. */
const attemptsMax = 5;
const retryable = new Set(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD']);

export interface MariadbTarget {
  /** mysql://user@host:port/database, without the password. */
  readonly url: string;
  readonly password: string;
}

export function mariadbOptions(target: MariadbTarget): mysql.ConnectionOptions {
  const url = new URL(target.url);
  return {
    host: url.hostname,
    port: Number(url.port === '' ? 3306 : url.port),
    user: decodeURIComponent(url.username),
    database: url.pathname.slice(1),
    password: target.password,
    connectTimeout: 5000,
    supportBigNumbers: true,
    timezone: 'Z',
    charset: 'utf8mb4',
  };
}

export function mariadbPool(target: MariadbTarget): mysql.Pool {
  return mysql.createPool({ ...mariadbOptions(target), connectionLimit: connectionsMax, enableKeepAlive: true });
}

/** Runs the work in one transaction; a deadlock's victim is tried again. */
export async function inTransaction<T>(
  pool: mysql.Pool,
  work: (connection: mysql.Connection) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const connection = await pool.getConnection();
    let broken = false;
    try {
      await connection.beginTransaction();
      const result = await work(connection);
      await connection.commit();
      return result;
    } catch (error) {
      await connection.rollback().catch(() => (broken = true));
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (attempt >= attemptsMax || !retryable.has(code)) throw error;
    } finally {
      if (broken) connection.destroy();
      else connection.release();
    }
  }
}
