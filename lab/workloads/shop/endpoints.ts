/** The services of the shop that a client outside of it talks to. */
export const shopServices = {
  'orders-db': 5432,
  'orders-replica': 5432,
  'payments-db': 3306,
  carts: 6379,
  events: 4222,
  orders: 8080,
  payments: 8080,
  web: 8080,
  uploads: 8080,
  search: 8080,
  thumbs: 8080,
} as const;
export type ShopServiceName = keyof typeof shopServices;
export const shopServiceNames = Object.keys(shopServices) as ShopServiceName[];

/** Where the load generator sends its operations. */
export interface LoadTargets {
  readonly orders: string;
  readonly payments: string;
  readonly web: string;
  readonly uploads: string;
  readonly search: string;
  readonly thumbs: string;
}

/** Where the checker reads, with users and without passwords. */
export interface CheckerTargets {
  readonly ordersDb: string;
  readonly ordersReplica: string;
  readonly paymentsDb: string;
  readonly carts: string;
  readonly events: string;
  readonly uploads: string;
  readonly search: string;
}

export interface ShopEndpoints {
  readonly load: LoadTargets;
  readonly checker: CheckerTargets;
}

/** What the checker signs in with; never part of an argument or of the endpoints. */
export interface ShopSecrets {
  readonly ordersPassword: string;
  readonly paymentsPassword: string;
  readonly cartsPassword: string;
  readonly eventsPassword: string;
}

export interface ShopAddress {
  readonly ip: string;
  readonly port: number;
}

/** The endpoints of a shop whose services have these addresses (a ClusterIP and the Service's port). */
export function shopEndpoints(getService: (name: ShopServiceName) => ShopAddress): ShopEndpoints {
  const at = (name: ShopServiceName): string => {
    const { ip, port } = getService(name);
    return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
  };
  return {
    load: {
      orders: `http://${at('orders')}`,
      payments: `http://${at('payments')}`,
      web: `http://${at('web')}`,
      uploads: `http://${at('uploads')}`,
      search: `http://${at('search')}`,
      thumbs: `http://${at('thumbs')}`,
    },
    checker: {
      ordersDb: `postgres://orders@${at('orders-db')}/shop`,
      ordersReplica: `postgres://orders@${at('orders-replica')}/shop`,
      paymentsDb: `mysql://payments@${at('payments-db')}/shop`,
      carts: `redis://${at('carts')}`,
      events: `nats://shop@${at('events')}`,
      uploads: `http://${at('uploads')}`,
      search: `http://${at('search')}`,
    },
  };
}

/** The passwords out of the `data` (base64) of the shop's Secrets. */
export function shopSecrets(getSecretData: (name: string) => Readonly<Record<string, string>>): ShopSecrets {
  const read = (name: string, key: string): string => {
    const value = getSecretData(name)[key];
    if (value === undefined) throw new Error(`The Secret ${name} has no key ${key}`);
    return Buffer.from(value, 'base64').toString('utf8');
  };
  return {
    ordersPassword: read('orders-db', 'orders-password'),
    paymentsPassword: read('payments-db', 'payments-password'),
    cartsPassword: read('carts', 'password'),
    eventsPassword: read('events', 'password'),
  };
}
