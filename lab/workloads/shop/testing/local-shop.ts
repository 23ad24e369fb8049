import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { mapLimit, waitFor } from '#shared/async';
import { shopEndpoints, shopServiceNames } from '../endpoints.ts';
import type { ShopEndpoints, ShopSecrets, ShopServiceName } from '../endpoints.ts';
import { startProcess } from './process.ts';
import type { ShopProcess } from './process.ts';

const shopFolder = path.join(import.meta.dirname, '..');
/** PostgreSQL refuses to run as root: the servers run as nobody then. */
const serverUser = process.getuid?.() === 0 ? 65534 : undefined;
/** initdb, the base backup and the first start of all servers, on a busy machine. */
const startTimeoutMs = 180_000;

const passwords = { orders: 'localOrders', payments: 'localPayments', carts: 'localCarts', events: 'localEvents' };

/** A shop of local processes, with the scripts and settings of the manifests. */
export interface LocalShop {
  readonly folder: string;
  readonly endpoints: ShopEndpoints;
  readonly secrets: ShopSecrets;
  readonly superuserPassword: string;
  /** Where a server or service keeps its data. */
  dataOf(name: ShopServiceName): string;
  stop(name: ShopServiceName): Promise<void>;
  /** Starts it on the same port and data, and waits until it is ready. */
  start(name: ShopServiceName): Promise<void>;
  /** Stops everything, in an order that gives every server an orderly end. */
  stopAll(): Promise<void>;
  startAll(): Promise<void>;
  /** Ends everything at once, as a lost node does (what the kernel has taken survives here). */
  killAll(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LocalShopOptions {
  readonly signal?: AbortSignal;
  /** Kept, and used again, if given; else a temporary folder that is removed at the end. */
  readonly folder?: string;
}

const stopOrder = shopServiceNames.toReversed();

interface Parts {
  readonly folder: string;
  readonly ports: ReadonlyMap<ShopServiceName, number>;
  readonly monitorPort: number;
}

/** Starts all servers and services on free loopback ports and waits until every one is ready. */
export async function startLocalShop(options: LocalShopOptions = {}): Promise<LocalShop> {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'shop-')));
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  await writeConfig(folder);
  const [monitorPort = 0, ...free] = await freePorts(shopServiceNames.length + 1);
  const ports = new Map(shopServiceNames.map((name, index) => [name, free[index] ?? 0]));
  const parts: Parts = { folder, ports, monitorPort };
  const running = new Map<ShopServiceName, ShopProcess>();
  const endpoints = shopEndpoints((name) => ({ ip: '127.0.0.1', port: ports.get(name) ?? 0 }));

  const stop = async (name: ShopServiceName): Promise<void> => {
    await running.get(name)?.stop();
    running.delete(name);
  };
  const start = async (name: ShopServiceName): Promise<void> => {
    const child = await launch(name, parts, endpoints);
    running.set(name, child);
    await waitUntilReady(child, ports.get(name) ?? 0, options.signal);
  };
  const stopAll = async (): Promise<void> => {
    // Clients first, and the replica before its primary: a primary waits for what its standby has not received.
    for (const name of stopOrder) await stop(name);
  };
  const startAll = async (): Promise<void> => {
    await mapLimit(shopServiceNames, shopServiceNames.length, start, options.signal);
  };
  const killAll = async (): Promise<void> => {
    await Promise.all([...running.values()].map(async (child) => child.kill()));
    running.clear();
  };
  const shop: LocalShop = {
    folder,
    endpoints,
    secrets: {
      ordersPassword: passwords.orders,
      paymentsPassword: passwords.payments,
      cartsPassword: passwords.carts,
      eventsPassword: passwords.events,
    },
    superuserPassword: 'localSuperuser',
    dataOf: (name) => dataFolder(folder, name),
    stop,
    start,
    stopAll,
    startAll,
    killAll,
    async [Symbol.asyncDispose]() {
      await stopAll();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await startAll();
  } catch (error) {
    await shop[Symbol.asyncDispose]();
    throw error;
  }
  return shop;
}

function dataFolder(folder: string, name: string): string {
  return path.join(folder, 'data', name);
}

/** The ConfigMaps of the manifests as folders of files, as a pod would see them. */
async function writeConfig(folder: string): Promise<void> {
  const manifests = path.join(shopFolder, 'manifests');
  for (const file of await readdir(manifests)) {
    for (const document of parseAllDocuments(await readFile(path.join(manifests, file), 'utf8'))) {
      const object = document.toJS() as { kind: string; metadata: { name: string }; data?: Record<string, string> };
      if (object.kind !== 'ConfigMap') continue;
      const target = path.join(folder, 'config', object.metadata.name);
      await mkdir(target, { recursive: true });
      for (const [name, text] of Object.entries(object.data ?? {})) await writeFile(path.join(target, name), text);
    }
  }
}

const scripts: Readonly<Partial<Record<ShopServiceName, readonly [config: string, script: string]>>> = {
  'orders-db': ['orders-db', 'primary.sh'],
  'orders-replica': ['orders-db', 'replica.sh'],
  'payments-db': ['payments-db', 'start.sh'],
  carts: ['carts', 'start.sh'],
  events: ['events', 'start.sh'],
};

async function launch(name: ShopServiceName, parts: Parts, endpoints: ShopEndpoints): Promise<ShopProcess> {
  const script = scripts[name];
  const data = dataFolder(parts.folder, name);
  const sockets = path.join(parts.folder, 'sockets', name);
  for (const folder of [data, sockets]) {
    await mkdir(folder, { recursive: true });
    if (script !== undefined && serverUser !== undefined) await chown(folder, serverUser, serverUser);
  }
  const log = path.join(parts.folder, `${name}.log`);
  if (script === undefined) {
    const env = serviceEnv(parts, name, endpoints);
    return startProcess({
      name,
      command: [process.execPath, path.join(shopFolder, 'services', `${name}.ts`)],
      env,
      log,
    });
  }
  const config = path.join(parts.folder, 'config', script[0]);
  return startProcess({
    name,
    command: ['bash', path.join(config, script[1])],
    env: serverEnv(parts, name, { config, data, sockets }),
    log,
    // The fast shutdown of PostgreSQL; with SIGTERM it waits for its clients.
    ...(name.startsWith('orders-') ? { stopSignal: 'SIGINT' } : {}),
    ...(serverUser === undefined ? {} : { user: serverUser }),
  });
}

function serverEnv(
  parts: Parts,
  name: ShopServiceName,
  folders: { readonly config: string; readonly data: string; readonly sockets: string },
): Record<string, string> {
  return {
    SHOP_DATA: folders.data,
    SHOP_CONFIG: folders.config,
    SHOP_SOCKETS: folders.sockets,
    SHOP_PORT: String(parts.ports.get(name)),
    SHOP_MONITOR_PORT: String(parts.monitorPort),
    PRIMARY_HOST: '127.0.0.1',
    PRIMARY_PORT: String(parts.ports.get('orders-db')),
    SUPERUSER_PASSWORD: 'localSuperuser',
    REPLICATOR_PASSWORD: 'localReplicator',
    ORDERS_PASSWORD: passwords.orders,
    PAYMENTS_PASSWORD: passwords.payments,
    CARTS_PASSWORD: passwords.carts,
    EVENTS_PASSWORD: passwords.events,
  };
}

function serviceEnv(parts: Parts, name: ShopServiceName, { load, checker }: ShopEndpoints): Record<string, string> {
  return {
    PORT: String(parts.ports.get(name)),
    ORDERS_DB_URL: checker.ordersDb,
    ORDERS_REPLICA_URL: checker.ordersReplica,
    PAYMENTS_DB_URL: checker.paymentsDb,
    CARTS_URL: checker.carts,
    EVENTS_URL: checker.events,
    ORDERS_URL: load.orders,
    UPLOADS_URL: load.uploads,
    ORDERS_DB_PASSWORD: passwords.orders,
    PAYMENTS_DB_PASSWORD: passwords.payments,
    CARTS_PASSWORD: passwords.carts,
    EVENTS_PASSWORD: passwords.events,
    UPLOADS_DIR: dataFolder(parts.folder, 'uploads'),
    SEARCH_DIR: dataFolder(parts.folder, 'search'),
    THUMBS_DIR: dataFolder(parts.folder, 'thumbs'),
  };
}

/** A service is ready when it says so, PostgreSQL when it answers (as its probes ask in a cluster), other servers when they take connections. */
async function waitUntilReady(child: ShopProcess, port: number, signal?: AbortSignal): Promise<void> {
  const isServer = scripts[child.name as ShopServiceName] !== undefined;
  await waitFor(
    async () => {
      const ended = child.ended();
      if (ended !== undefined) throw new Error(`${child.name} ended with ${ended}:\n${await child.lastLines()}`);
      if (!isServer) return (await isReady(port)) ? true : undefined;
      const isPostgres = child.name === 'orders-db' || child.name === 'orders-replica';
      return (await (isPostgres ? startedUp(port) : answers(port))) ? true : undefined;
    },
    {
      what: `${child.name} to be ready`,
      timeoutMs: startTimeoutMs,
      hint: `Its log is ${child.log}.`,
      ...(signal === undefined ? {} : { signal }),
    },
  );
}

/** A standby takes connections long before it answers. */
async function startedUp(port: number): Promise<boolean> {
  const child = spawn('/usr/lib/postgresql/15/bin/pg_isready', ['-q', '-h', '127.0.0.1', '-p', String(port)]);
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok ?? false;
}

/** Ports that were free a moment ago: all are held until the last is found, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const ports = servers.map((server) => {
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  });
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}
