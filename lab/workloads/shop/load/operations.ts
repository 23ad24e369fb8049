import { createHash } from 'node:crypto';
import type { LoadTargets } from '../endpoints.ts';
import type { NewFile } from './awkward-files.ts';
import type { Answer, Client } from './client.ts';
import type { Acknowledged } from './journal.ts';
import type { Random } from './random.ts';

/** Customers and wallets that the load uses: the wallets that payments makes. */
const customers = 200;
/** Carts and articles of one worker: few enough that items are overwritten, as in life. */
const cartsPerWorker = 20;
const articles = 40;
/** An order is given back when this many younger ones of the worker were placed, so that it is most likely paid. */
const refundAfterOrders = 10;
/** Contents that are uploaded more than once: they become hard links of one file. */
const repeatedContents = 8;

/** What became of an operation: written and acknowledged, read, or refused by a rule of the shop. */
export type Outcome =
  | { readonly kind: 'acknowledged'; readonly entry: DistributedOmit<Acknowledged, 'at'> }
  | { readonly kind: 'read' }
  | { readonly kind: 'refused' };
type DistributedOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

export interface Worker {
  readonly name: string;
  readonly random: Random;
  readonly client: Client;
  readonly targets: LoadTargets;
  /** Orders of this worker that can still be given back, oldest first. */
  readonly orders: Array<{ readonly id: string; readonly amountCents: number }>;
  readonly versions: Map<string, number>;
  readonly uploads: string[];
  /** Counts the ids of this worker. */
  count: number;
}

export type Operation = (worker: Worker) => Promise<Outcome>;

export const operations = { cart, order, click, credit, refund, upload, thumb, search, report } as const;
export type OperationName = keyof typeof operations;

/** How often each operation is chosen, out of the sum. */
const weights: Readonly<Record<OperationName, number>> = {
  cart: 48,
  order: 20,
  click: 16,
  credit: 5,
  refund: 3,
  upload: 1,
  thumb: 2,
  search: 3,
  report: 2,
};
const weightSum = Object.values(weights).reduce((sum, weight) => sum + weight, 0);

export function chooseOperation(random: Random): OperationName {
  let left = random.below(weightSum);
  for (const name of Object.keys(weights) as OperationName[]) {
    left -= weights[name];
    if (left < 0) return name;
  }
  return 'cart';
}

async function post(worker: Worker, url: string, body: unknown): Promise<Answer> {
  return worker.client.send('POST', url, Buffer.from(JSON.stringify(body)));
}

function expect(answer: Answer, ...statuses: readonly number[]): void {
  if (!statuses.includes(answer.status)) throw new Error(`HTTP ${answer.status}: ${JSON.stringify(answer.json)}`);
}

function nextId(worker: Worker): string {
  return `${worker.name}-${++worker.count}`;
}

async function order(worker: Worker): Promise<Outcome> {
  const { random } = worker;
  const id = nextId(worker);
  const lines = Array.from({ length: 1 + random.below(4) }, () => ({
    sku: `article-${random.below(articles)}`,
    quantity: 1 + random.below(3),
    priceCents: 100 + random.below(5000),
  }));
  const amountCents = lines.reduce((sum, line) => sum + line.quantity * line.priceCents, 0);
  const customer = random.below(customers);
  expect(await post(worker, `${worker.targets.orders}/orders`, { id, customer, wallet: customer, lines }), 200, 201);
  worker.orders.push({ id, amountCents });
  return { kind: 'acknowledged', entry: { kind: 'order', id, amountCents } };
}

async function refund(worker: Worker): Promise<Outcome> {
  if (worker.orders.length <= refundAfterOrders) return order(worker);
  const oldest = worker.orders.shift();
  return oldest === undefined ? { kind: 'refused' } : refundOrder(worker, oldest);
}

/** Gives an order back; refused while it is not paid. */
export async function refundOrder(
  worker: Worker,
  { id, amountCents }: { readonly id: string; readonly amountCents: number },
): Promise<Outcome> {
  const answer = await post(worker, `${worker.targets.orders}/orders/${id}/refund`, {});
  if (answer.status === 409) return { kind: 'refused' };
  expect(answer, 202);
  return { kind: 'acknowledged', entry: { kind: 'refund', id, amountCents } };
}

async function credit(worker: Worker): Promise<Outcome> {
  const { random } = worker;
  const id = nextId(worker);
  const amountCents = 500 + random.below(5000);
  const customer = random.below(customers);
  const body = { id, wallet: customer, customer, amountCents };
  expect(await post(worker, `${worker.targets.payments}/credits`, body), 200, 201);
  return { kind: 'acknowledged', entry: { kind: 'credit', id, amountCents } };
}

async function cart(worker: Worker): Promise<Outcome> {
  const { random } = worker;
  const id = `${worker.name}-cart-${random.below(cartsPerWorker)}`;
  const sku = `article-${random.below(articles)}`;
  const version = (worker.versions.get(`${id} ${sku}`) ?? 0) + 1;
  // Counted before it is sent: when the answer is lost, the version may have been used.
  worker.versions.set(`${id} ${sku}`, version);
  const quantity = random.below(10);
  expect(await post(worker, `${worker.targets.web}/carts`, { cart: id, sku, quantity, version }), 200);
  return { kind: 'acknowledged', entry: { kind: 'cart', id, sku, version, quantity } };
}

async function click(worker: Worker): Promise<Outcome> {
  const id = nextId(worker);
  const page = `/articles/${worker.random.below(articles)}`;
  expect(await post(worker, `${worker.targets.web}/clicks`, { id, page }), 201);
  return { kind: 'acknowledged', entry: { kind: 'click', id } };
}

async function upload(worker: Worker): Promise<Outcome> {
  const { random } = worker;
  const repeated = random.below(5) === 0;
  const content = repeated
    ? Buffer.alloc(10_000, `repeated ${random.below(repeatedContents)} `)
    : random.bytes(1 + random.below(64 * 1024));
  const name = Buffer.from(`invoice ${worker.name}-${worker.count + 1}.bin`);
  return uploadFile(worker, { name, content, sparse: false });
}

/** Uploads a file for the worker's latest order. */
export async function uploadFile(worker: Worker, file: NewFile): Promise<Outcome> {
  const invoiceOf = worker.orders.at(-1);
  if (invoiceOf === undefined) return order(worker);
  const id = nextId(worker);
  const query = new URLSearchParams({ name64: file.name.toString('base64url'), order: invoiceOf.id });
  if (file.sparse) query.set('sparse', '1');
  const answer = await worker.client.send(
    'PUT',
    `${worker.targets.uploads}/uploads/${id}?${query.toString()}`,
    file.content,
  );
  expect(answer, 201);
  const sha256 = createHash('sha256').update(file.content).digest('hex');
  const stored = answer.json as { readonly sha256?: string };
  if (stored.sha256 !== sha256) throw new Error(`upload ${id} was stored with other bytes`);
  worker.uploads.push(id);
  return {
    kind: 'acknowledged',
    entry: { kind: 'upload', id, sha256, sizeBytes: file.content.length, sparse: file.sparse },
  };
}

async function thumb(worker: Worker): Promise<Outcome> {
  const id = worker.uploads[worker.random.below(worker.uploads.length)];
  if (id === undefined) return search(worker);
  expect(await worker.client.send('GET', `${worker.targets.thumbs}/thumbs/${id}`), 200);
  return { kind: 'read' };
}

async function search(worker: Worker): Promise<Outcome> {
  const url = `${worker.targets.search}/search?customer=${worker.random.below(customers)}`;
  expect(await worker.client.send('GET', url), 200);
  return { kind: 'read' };
}

async function report(worker: Worker): Promise<Outcome> {
  expect(await worker.client.send('GET', `${worker.targets.web}/report`), 200);
  return { kind: 'read' };
}
