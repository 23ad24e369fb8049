/**
 * A store keeps objects under keys: a bucket or a folder. What every implementation promises is written
 * as tests in store.contract.ts. Keys are relative, `/`-separated, ASCII, without `.` or `..` parts.
 */
export interface Store {
  /** For messages and logs: `s3://bucket/prefix`, `disk:/path`. Never holds a secret. */
  readonly location: string;

  /**
   * Writes a whole object. When this resolves the object is durable and complete; a failure leaves the old
   * object or none, never a torn one. With `ifAbsent`, an existing object is kept and `false` is answered.
   */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<boolean>;

  /** Reads an object, or a part of it. Throws `StoreObjectMissing` if there is none. */
  get(key: string, options?: GetOptions): Promise<Buffer>;

  /** The object's size, or undefined if there is none. */
  head(key: string, options?: CallOptions): Promise<ObjectInfo | undefined>;

  /** All objects whose key starts with the prefix, in no particular order. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo>;

  /** Deletes an object; deleting what is not there is not an error. */
  delete(key: string, options?: CallOptions): Promise<void>;

  /** Gives up connections and caches. */
  close(): Promise<void>;

  /** Where objects can be made undeletable for a time; stores that cannot do that have none. */
  readonly objectLock?: ObjectLock;
}

/** A stream is read once and in order, so a call with one is not made again by `withRetry`. */
export type ObjectBody = Uint8Array | AsyncIterable<Uint8Array>;

/** What a store with object lock offers. */
export interface ObjectLock {
  /**
   * Keeps an object until then, however it was kept before; never shortens. Throws `StoreObjectMissing` if there
   * is none, and `InvalidInput` if the bucket was made without object lock.
   */
  extendRetention(key: string, retention: Retention, options?: CallOptions): Promise<void>;

  /** How long an object is kept; undefined if it may be deleted. */
  retentionOf(key: string, options?: CallOptions): Promise<Retention | undefined>;
}

/** Until when nobody may delete or replace an object. */
export interface Retention {
  /** `governance` can be lifted by who has the right to; `compliance` by nobody. */
  readonly mode: 'governance' | 'compliance';
  /** Milliseconds since the epoch, by the store's clock. S3 keeps whole seconds. */
  readonly untilMs: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface PutOptions extends CallOptions {
  /** Do not replace an existing object (S3: `If-None-Match: *`). */
  readonly ifAbsent?: boolean;
  /** Bytes of the body, if it is a stream and they are known. A stream of another length is refused, and nothing is written. */
  readonly length?: number;
  /** SHA-256 of the whole body in hex, if the caller knows it: the S3 client need not hash again, and the server compares. */
  readonly sha256?: string;
  /** Keep the object at least until then. Throws `InvalidInput` if the store has no object lock. */
  readonly retention?: Retention;
}

export interface GetOptions extends CallOptions {
  /** First byte, default 0. */
  readonly offset?: number;
  /** Number of bytes, default up to the end. A short answer is an error (`StoreCorrupt`). */
  readonly length?: number;
}

export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch, by the store's clock, if it tells. */
  readonly modifiedMs?: number;
}
