import { openDiskStore } from './disk/disk-store.ts';
import { parseLocation } from './location.ts';
import type { StoreLocation } from './location.ts';
import type { Store } from './store.ts';
import { createRetry } from './retry.ts';
import type { Retry } from './retry.ts';
import { withBandwidth } from './with-bandwidth.ts';
import type { Bandwidth } from './with-bandwidth.ts';
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
  /** See retry.ts: for a person who waits for the answer. */
  readonly firstAttemptsMax?: number;
  /** Bounds on bytes per second; default: none. */
  readonly bandwidth?: Bandwidth;
}

/** Opens a store with retries and a bound on concurrent calls. It does not talk to the store yet: the first call does. */
export async function openStore(spec: StoreSpec): Promise<Store> {
  const location = typeof spec.location === 'string' ? parseLocation(spec.location) : spec.location;
  const retry = createRetry({ firstAttemptsMax: spec.firstAttemptsMax });
  const limited = withLimit(await openPlain(location, spec.credentials, retry), CALLS_MAX);
  // Who waits for bandwidth takes no place from others, and bytes that are sent again use it again.
  return withRetry(spec.bandwidth === undefined ? limited : withBandwidth(limited, spec.bandwidth), retry);
}

async function openPlain(
  location: StoreLocation,
  credentials: S3Credentials | undefined,
  retry: Retry,
): Promise<Store> {
  switch (location.kind) {
    case 'disk':
      return openDiskStore(location.path);
    case 's3': {
      // The SDK costs 200 ms and 40 MB: only who uses S3 pays.
      const { openS3Store } = await import('./s3/s3-store.ts');
      return openS3Store(location, { credentials, retry });
    }
    default:
      return location satisfies never;
  }
}
