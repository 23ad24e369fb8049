import { openDiskStore } from './disk/disk-store.ts';
import { parseLocation } from './location.ts';
import type { StoreLocation } from './location.ts';
import type { Store } from './store.ts';
import { withLimit } from './with-limit.ts';
import { withRetry } from './with-retry.ts';

/** Calls to one store at a time: enough to fill a fast link with 16 MiB packs, few enough for memory and for small servers. */
const CALLS_MAX = 8;

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface StoreSpec {
  /** As written by a user, or parsed by `parseLocation`. */
  readonly location: string | StoreLocation;
  /** For S3; without them the default chain of the AWS SDK is used (environment, files, IRSA, instance role). */
  readonly credentials?: S3Credentials;
  /** See with-retry.ts: for a person who waits for the answer. */
  readonly firstAttemptsMax?: number;
}

/** Opens a store with retries and a bound on concurrent calls. It does not talk to the store yet: the first call does. */
export async function openStore(spec: StoreSpec): Promise<Store> {
  const location = typeof spec.location === 'string' ? parseLocation(spec.location) : spec.location;
  const { firstAttemptsMax } = spec;
  return withRetry(withLimit(await openPlain(location, spec.credentials), CALLS_MAX), { firstAttemptsMax });
}

async function openPlain(location: StoreLocation, credentials: S3Credentials | undefined): Promise<Store> {
  switch (location.kind) {
    case 'disk':
      return openDiskStore(location.path);
    case 's3': {
      // The SDK costs 200 ms and 40 MB: only who uses S3 pays.
      const { openS3Store } = await import('./s3/s3-store.ts');
      return openS3Store(location, credentials);
    }
    default:
      return location satisfies never;
  }
}
