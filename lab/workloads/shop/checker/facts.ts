import type { FileFact } from '../services/lib/uploads/storage.ts';
import type { IndexedOrder } from '../services/lib/search/index-of-orders.ts';
import type { Acknowledged } from '../load/journal.ts';

/** What the stores of the shop hold at one moment, as plain values: the rules judge it and read nothing themselves. */
export interface Facts {
  readonly orders: OrdersFacts;
  readonly replica: ReplicaFacts;
  readonly payments: PaymentsFacts;
  readonly events: EventsFacts;
  readonly carts: readonly CartFacts[];
  readonly files: readonly FileFact[];
  readonly index: readonly IndexedOrder[];
  /** What was acknowledged before the cut-off; undefined if no journal was given. */
  readonly journal: readonly Acknowledged[] | undefined;
}

export interface OrderFact {
  readonly id: string;
  readonly customer: number;
  readonly till: number;
  readonly totalCents: number;
  readonly state: string;
}

/** An event that one database tells the other. */
export interface SentFact {
  readonly id: string;
  readonly kind: string;
  /** The order, or the purchase of credit. */
  readonly subject: string;
  readonly amountCents: number;
  /** The other side has said that its effect is there. */
  readonly confirmed: boolean;
}

export interface ReceivedFact {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly amountCents: number;
}

export interface OrdersFacts {
  readonly orders: ReadonlyMap<string, OrderFact>;
  readonly lines: ReadonlyArray<{ readonly orderId: string; readonly amountCents: number }>;
  /** To payments, through the stream. `published` says that the stream has acknowledged it. */
  readonly outbox: ReadonlyMap<string, SentFact & { readonly published: boolean }>;
  readonly inbox: ReadonlyMap<string, ReceivedFact>;
  /** Balance by till and by customer. */
  readonly tills: ReadonlyMap<number, number>;
  readonly credits: ReadonlyMap<number, number>;
  readonly uploads: readonly UploadFact[];
}

export interface UploadFact {
  readonly id: string;
  readonly orderId: string;
  /** Base64 of the path below `files`. */
  readonly path64: string;
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  readonly sparse: boolean;
  readonly state: string;
}

export interface ReplicaFacts {
  readonly inRecovery: boolean;
  /** True when it had replayed, within the time given, what the primary had flushed. */
  readonly caughtUp: boolean;
  /** Rows and a fingerprint of all rows, by table, in both. */
  readonly tables: ReadonlyArray<{ readonly table: string; readonly primary: string; readonly replica: string }>;
}

export interface PaymentsFacts {
  readonly openingCents: number;
  readonly wallets: ReadonlyMap<number, number>;
  readonly payments: ReadonlyMap<
    string,
    { readonly wallet: number; readonly amountCents: number; readonly state: string }
  >;
  readonly purchases: ReadonlyMap<string, { readonly wallet: number; readonly amountCents: number }>;
  readonly outbox: ReadonlyMap<string, SentFact>;
  readonly inbox: ReadonlyMap<string, ReceivedFact>;
}

export interface EventsFacts {
  /** The id, and the order, of every order event, by its place in the stream. */
  readonly orderEvents: ReadonlyArray<{ readonly seq: number; readonly id: string; readonly orderId: string }>;
  readonly clicks: ReadonlySet<string>;
  /** Everything up to this place was acknowledged by payments. */
  readonly consumerFloor: number;
}

export interface CartFacts {
  readonly cart: string;
  readonly total: number;
  readonly items: ReadonlyMap<string, { readonly quantity: number; readonly version: number }>;
}
