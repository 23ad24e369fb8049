import { scrypt } from 'node:crypto';
import { messageOf, SalvorError } from '#shared/errors';
import type { Store } from '#stores/store';
import { corrupt } from './corrupt.ts';
import { asBytes, asCount, asObject, asString, optional, parseObject, required, within } from './fields.ts';
import type { Fields } from './fields.ts';
import { options } from './files.ts';
import type { Identity } from './identity.ts';
import { fileId, isId } from './ids.ts';
import { KEYS_MAX, SMALL_FILE_BYTES_MAX } from './limits.ts';
import { formatTimeNs } from './rfc3339.ts';
import { createSealer } from './seal.ts';
import type { MasterKey, Sealer } from './seal.ts';

/** Cost of scrypt (RFC 7914): N is a power of two. Memory is 128 r (N + p) bytes, time grows with N r p. */
export interface KdfParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and about 0.4 s on a server's core: what restic arrives at by measuring. Fixed, since a busy pod would measure too low. */
export const defaultKdf: KdfParameters = { N: 32_768, r: 8, p: 4 };

/** Key files are not authenticated: a hostile one must not take all memory or run for minutes. */
const KDF_MEMORY_BYTES_MAX = 1024 * 1024 * 1024;
const KDF_WORK_MAX = 2 ** 25;

const SALT_BYTES = 64;

/**
 * Finds the master key that the password opens and that `accepts` takes, over all key files. A creator that died may
 * have left a key that fits no config: so a key that opens is not yet the right one.
 */
export async function findKey<T>(
  store: Store,
  password: Uint8Array,
  accepts: (sealer: Sealer, key: MasterKey, id: string) => T | undefined,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const unreadable: string[] = [];
  for (const id of await listKeys(store, signal)) {
    const key = await readKey(store, id, password, signal).catch((error: unknown) => {
      if (!(error instanceof SalvorError && error.code === 'RepositoryCorrupt')) throw error;
      unreadable.push(error.message);
      return undefined;
    });
    const accepted = key === undefined ? undefined : accepts(createSealer(key), key, id);
    if (accepted !== undefined) return accepted;
  }
  if (unreadable.length > 0) throw corrupt(`No key fits, but not all could be read: ${unreadable.join('; ')}`);
  return undefined;
}

/** Stores the master key sealed with the password; answers the key file's name in the store. */
export async function addKey(store: Store, key: MasterKey, request: AddKeyRequest): Promise<string> {
  const { identity, kdf, now } = request;
  const salt = Buffer.from(request.randomBytes(SALT_BYTES));
  const user = createSealer(await deriveKey(request.password, salt, kdf));
  const secret = JSON.stringify({
    mac: { k: key.macK.toString('base64'), r: key.macR.toString('base64') },
    encrypt: key.encrypt.toString('base64'),
  });
  const file = Buffer.from(
    JSON.stringify({
      created: formatTimeNs(BigInt(now) * 1_000_000n),
      username: identity.username,
      hostname: identity.hostname,
      kdf: 'scrypt',
      ...kdf,
      salt: salt.toString('base64'),
      data: user.seal(Buffer.from(secret)).toString('base64'),
    }),
  );
  const name = `keys/${fileId(file)}`;
  await store.put(name, file, options(request.signal));
  return name;
}

export interface AddKeyRequest {
  readonly password: Uint8Array;
  readonly kdf: KdfParameters;
  readonly identity: Identity;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** What a key file says of itself, unproven: only its secret is sealed. */
export interface KeyDescription {
  readonly id: string;
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
}

/** Describes all key files; what cannot be read of one stays empty. */
export async function describeKeys(store: Store, signal: AbortSignal | undefined): Promise<KeyDescription[]> {
  const found: KeyDescription[] = [];
  for (const id of await listKeys(store, signal)) {
    const stored = await store.get(`keys/${id}`, options(signal));
    const fields = parseObject(stored, `The key file keys/${id}`);
    const said = (name: string): string => optional(fields, name, asString) ?? '';
    found.push({ id, created: said('created'), username: said('username'), hostname: said('hostname') });
  }
  return found;
}

/** A new master key. */
export function newMasterKey(randomBytes: (count: number) => Uint8Array): MasterKey {
  const draw = (count: number): Buffer => Buffer.from(randomBytes(count));
  return { encrypt: draw(32), macK: draw(16), macR: draw(16) };
}

async function listKeys(store: Store, signal: AbortSignal | undefined): Promise<string[]> {
  const ids: string[] = [];
  for await (const info of store.list('keys/', options(signal))) {
    const id = info.key.slice('keys/'.length);
    if (!isId(id) || info.size > SMALL_FILE_BYTES_MAX) continue;
    ids.push(id);
    if (ids.length > KEYS_MAX) throw corrupt(`There are more than ${KEYS_MAX} key files in ${store.location}`);
  }
  return ids.sort();
}

async function readKey(
  store: Store,
  id: string,
  password: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<MasterKey | undefined> {
  const what = `The key file keys/${id}`;
  const stored = await store.get(`keys/${id}`, options(signal));
  if (fileId(stored) !== id) throw corrupt(`${what} is damaged: its hash is not its name`);
  const fields = parseObject(stored, what);
  const { parameters, salt, data } = within(what, () => decodeKeyFile(fields));
  const secret = createSealer(await deriveKey(password, salt, parameters)).tryOpen(data);
  if (secret === undefined) return undefined;
  const opened = parseObject(secret, what);
  return within(what, () => decodeMasterKey(opened));
}

interface KeyFile {
  readonly parameters: KdfParameters;
  readonly salt: Buffer;
  readonly data: Buffer;
}

function decodeKeyFile(fields: Fields): KeyFile {
  const kdf = required(fields, 'kdf', asString);
  if (kdf !== 'scrypt') throw corrupt(`The key derivation is ${JSON.stringify(kdf.slice(0, 40))} instead of scrypt`);
  const count = (name: string): number => required(fields, name, asCount);
  const parameters = { N: count('N'), r: count('r'), p: count('p') };
  checkKdf(parameters);
  return { parameters, salt: required(fields, 'salt', asBytes), data: required(fields, 'data', asBytes) };
}

function decodeMasterKey(fields: Fields): MasterKey {
  const mac = required(fields, 'mac', asObject);
  const key = {
    encrypt: required(fields, 'encrypt', asBytes),
    macK: required(mac, 'k', asBytes),
    macR: required(mac, 'r', asBytes),
  };
  if (key.encrypt.length === 32 && key.macK.length === 16 && key.macR.length === 16) return key;
  throw corrupt('The keys have the wrong length');
}

function checkKdf({ N, r, p }: KdfParameters): void {
  const powerOfTwo = N > 1 && Number.isInteger(Math.log2(N));
  if (powerOfTwo && r > 0 && p > 0 && 128 * r * (N + p) <= KDF_MEMORY_BYTES_MAX && N * r * p <= KDF_WORK_MAX) return;
  throw corrupt(`scrypt with N=${N}, r=${r}, p=${p} is not acceptable`);
}

async function deriveKey(password: Uint8Array, salt: Uint8Array, kdf: KdfParameters): Promise<MasterKey> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // OpenSSL counts p blocks of 128 r bytes and some slack on top of 128 N r.
  const maxmem = 128 * kdf.r * (kdf.N + kdf.p) + 1024 * 1024;
  scrypt(password, salt, 64, { ...kdf, maxmem }, (error, derived) => {
    if (error === null) resolve(derived);
    else reject(new SalvorError(`scrypt failed: ${messageOf(error)}`, { code: 'Internal', cause: error }));
  });
  const derived = await promise;
  return { encrypt: derived.subarray(0, 32), macK: derived.subarray(32, 48), macR: derived.subarray(48, 64) };
}
