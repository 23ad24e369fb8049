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
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<boolean>;

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
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface PutOptions extends CallOptions {
  /** Do not replace an existing object (S3: `If-None-Match: *`). */
  readonly ifAbsent?: boolean;
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
