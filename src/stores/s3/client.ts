import { readFile } from 'node:fs/promises';
import { getCACertificates } from 'node:tls';
import { S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { messageOf, SalvorError } from '#shared/errors';
import type { S3Location } from '../location.ts';
import type { S3Credentials } from '../open.ts';

/** The SDK does not retry: the decorator does, with jitter and a bound on the whole. */
const SDK_ATTEMPTS_MAX = 1;

const CONNECT_MS_MAX = 5_000;
/** A server that says nothing for so long is treated as gone. */
const SILENCE_MS_MAX = 30_000;
/** The whole call, however steadily it trickles: 64 MiB in five minutes is 220 KB/s. */
const CALL_MS_MAX = 300_000;

/** Connections kept open: more than the limiter lets through, so that a call never waits for a socket. */
const SOCKETS_MAX = 32;

export interface S3Timing {
  readonly connectMs: number;
  readonly silenceMs: number;
  readonly callMs: number;
}

export const defaultTiming: S3Timing = { connectMs: CONNECT_MS_MAX, silenceMs: SILENCE_MS_MAX, callMs: CALL_MS_MAX };

/**
 * A client of the SDK for one place. Without credentials its default chain is asked: environment, profiles, web identity
 * (IRSA), container and instance roles. Throws `InvalidInput` if the CA file cannot be used.
 */
export async function createClient(
  where: S3Location,
  credentials: S3Credentials | undefined,
  timing: S3Timing,
): Promise<S3Client> {
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  // Servers other than AWS accept any region, but signing needs one.
  const region = where.region ?? (where.endpoint === undefined ? undefined : 'us-east-1');
  // `ignoreCache` goes to the chain's readers of files: a mounted credentials file may be replaced while we run.
  const config: S3ClientConfig & { readonly ignoreCache: boolean } = {
    ignoreCache: true,
    forcePathStyle: where.style === 'path',
    maxAttempts: SDK_ATTEMPTS_MAX,
    // Checksums in trailers are what S3-compatible servers do not understand; ids are checksums anyway.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With `Expect: 100-continue` the SDK takes a new connection for every body above 2 MiB, and without our authorities.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: timing.connectMs,
      socketTimeout: timing.silenceMs,
      requestTimeout: timing.callMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: where.caFile === undefined ? agent : { ...agent, ca: await readAuthorities(where.caFile) },
    },
    ...(where.endpoint === undefined ? {} : { endpoint: where.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(region === undefined ? {} : { region }),
  };
  return new S3Client(config);
}

/** The authorities of the file, and those that are trusted anyway: a bucket may move behind a public certificate. */
async function readAuthorities(caFile: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(caFile, 'utf8');
  } catch (error) {
    throw new SalvorError(`Cannot read the caFile ${caFile}: ${messageOf(error)}`, {
      code: 'InvalidInput',
      hint: 'Correct ?caFile= of the location: it is read on the machine, or in the pod, that opens the store.',
      cause: error,
    });
  }
  // Node takes text without certificates for an empty list, and every connection would fail with a less clear error.
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new SalvorError(`The caFile ${caFile} holds no certificate`, {
      code: 'InvalidInput',
      hint: 'Give the certificates of the authorities in PEM form.',
    });
  }
  return [...getCACertificates('default'), text];
}
