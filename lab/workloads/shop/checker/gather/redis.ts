import { createClient } from 'redis';
import type { CartFacts } from '../facts.ts';

export interface CartsTarget {
  readonly url: string;
  readonly password: string;
}

/** Reads every cart. */
export async function gatherCarts(target: CartsTarget): Promise<CartFacts[]> {
  const client = createClient({ url: target.url, password: target.password, socket: { reconnectStrategy: false } });
  // The same error rejects the command; without a listener it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const carts = new Map<string, CartFacts>();
    for await (const keys of client.scanIterator({ MATCH: 'cart:*', COUNT: 500 })) {
      // A key may be listed twice.
      await Promise.all(keys.map(async (key) => carts.set(key, cartOf(key, await client.hGetAll(key)))));
    }
    return [...carts.values()];
  } finally {
    client.destroy();
  }
}

function cartOf(key: string, fields: Readonly<Record<string, string>>): CartFacts {
  const items = new Map<string, { quantity: number; version: number }>();
  for (const [field, value] of Object.entries(fields)) {
    if (!field.startsWith('v:')) continue;
    const sku = field.slice(2);
    items.set(sku, { quantity: Number(fields[`q:${sku}`] ?? 'NaN'), version: Number(value) });
  }
  return { cart: key.slice('cart:'.length), total: Number(fields['total'] ?? 'NaN'), items };
}
