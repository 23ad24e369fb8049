/** search: an index of orders, kept in memory and on a volume of its own. It is derived: every start builds it anew. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { whenUp } from './lib/connect.ts';
import { need } from './lib/env.ts';
import { startLoop } from './lib/loop.ts';
import { postgresPool } from './lib/postgres.ts';
import { createOrderIndex } from './lib/search/index-of-orders.ts';
import type { OrderIndex } from './lib/search/index-of-orders.ts';
import { runService } from './lib/service.ts';

/** The index is written to its volume at most this often. */
const saveEveryMs = 10_000;
/** The longest answer to a search. */
const hitsMax = 50;

await runService('search', async (context) => {
  const { env, log, signal } = context;
  const folder = need(env, 'SEARCH_DIR');
  const target = { url: need(env, 'ORDERS_DB_URL'), password: need(env, 'ORDERS_DB_PASSWORD') };
  const pool = postgresPool(target, 'search', log);
  await mkdir(folder, { recursive: true });
  await rm(path.join(folder, 'index.jsonl'), { force: true });
  const index = createOrderIndex(pool);
  await whenUp('orders-db', async () => index.refresh(), context);
  log('index built', { orders: index.size });
  await save(folder, index);
  let savedAt = Date.now();
  let dirty = false;
  const follow = startLoop(
    async () => {
      dirty = (await index.refresh()) || dirty;
      if (dirty && Date.now() - savedAt >= saveEveryMs) {
        await save(folder, index);
        savedAt = Date.now();
        dirty = false;
      }
      return false;
    },
    { name: 'follow', log, signal },
  );
  return {
    routes: {
      'GET /search': async ({ query }) => ({
        status: 200,
        json: { hits: index.byCustomer(Number(query.get('customer') ?? '0')).slice(-hitsMax) },
      }),
      'GET /index': async () => ({ status: 200, lines: linesOf(index) }),
    },
    ready: async () => true,
    async close() {
      await follow.done;
      await pool.end();
    },
  };
});

async function* linesOf(index: OrderIndex): AsyncGenerator {
  yield* index.all();
}

async function save(folder: string, index: OrderIndex): Promise<void> {
  const temporary = path.join(folder, 'index.jsonl.new');
  {
    await using handle = await open(temporary, 'w');
    await handle.writeFile([...index.all()].map((order) => `${JSON.stringify(order)}\n`).join(''));
    await handle.sync();
  }
  await rename(temporary, path.join(folder, 'index.jsonl'));
}
