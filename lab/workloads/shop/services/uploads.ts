/** uploads: keeps files on its volume and a row for each in orders-db; lists them with their hashes for the checker. */
import type pg from 'pg';
import { whenUp } from './lib/connect.ts';
import { need } from './lib/env.ts';
import { refusal } from './lib/http.ts';
import type { Reply, Routes, ShopRequest } from './lib/http.ts';
import { uploadsSchema } from './lib/orders/schema.ts';
import { postgresPool } from './lib/postgres.ts';
import { runService } from './lib/service.ts';
import { openStorage } from './lib/uploads/storage.ts';
import type { UploadStorage } from './lib/uploads/storage.ts';

/** The longest name a file system takes. */
const nameBytesMax = 255;
const idPattern = /^[a-z0-9-]{1,80}$/;

await runService('uploads', async (context) => {
  const { env, log } = context;
  const target = { url: need(env, 'ORDERS_DB_URL'), password: need(env, 'ORDERS_DB_PASSWORD') };
  const pool = postgresPool(target, 'uploads', log);
  const storage = await openStorage(need(env, 'UPLOADS_DIR'));
  await whenUp('orders-db', async () => pool.query(uploadsSchema), context);
  return {
    routes: routes(pool, storage),
    ready: async () => (await pool.query('select 1')).rowCount === 1,
    close: async () => pool.end(),
  };
});

function routes(pool: pg.Pool, storage: UploadStorage): Routes {
  return {
    'PUT /uploads/:id': async (request) => upload(pool, storage, request),
    'GET /uploads/:id': async ({ params }) => {
      const found = await pool.query<{ path: Buffer }>("select path from uploads where id = $1 and state = 'stored'", [
        params.id,
      ]);
      const row = found.rows[0];
      if (row === undefined) throw refusal(404, `no upload ${params.id}`);
      return { status: 200, bytes: storage.read(row.path) };
    },
    'GET /files': async () => ({ status: 200, lines: storage.list() }),
  };
}

/**
 * The row announces the file, the file is made durable, the row is completed, the client is told. So at any moment a
 * file has a row, and a completed row has its file: both must hold in a restored application too.
 */
async function upload(pool: pg.Pool, storage: UploadStorage, request: ShopRequest): Promise<Reply> {
  const id = request.params.id ?? '';
  const name = Buffer.from(request.query.get('name64') ?? '', 'base64url');
  const orderId = request.query.get('order') ?? '';
  const sparse = request.query.get('sparse') === '1';
  if (!idPattern.test(id) || !idPattern.test(orderId)) throw refusal(400, 'an upload needs an id and an order');
  if (!isFileName(name)) throw refusal(400, 'the name is not one that a file can have');
  const filePath = storage.pathOf(name);
  const announced = await pool.query(
    `insert into uploads (id, order_id, path, sparse, state) values ($1, $2, $3, $4, 'writing')
     on conflict (id) do update set state = uploads.state where uploads.path = excluded.path and uploads.state = 'writing'`,
    [id, orderId, filePath, sparse],
  );
  if (announced.rowCount !== 1) throw refusal(409, `upload ${id} exists`);
  const stored = await storage.put(id, filePath, request.body, sparse);
  await pool.query("update uploads set size_bytes = $2, sha256 = $3, state = 'stored' where id = $1", [
    id,
    stored.sizeBytes,
    stored.sha256,
  ]);
  return { status: 201, json: { id, ...stored } };
}

function isFileName(name: Buffer): boolean {
  if (name.length === 0 || name.length > nameBytesMax) return false;
  if (name.includes(0) || name.includes(0x2f)) return false;
  return !name.equals(Buffer.from('.')) && !name.equals(Buffer.from('..'));
}
