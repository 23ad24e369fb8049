import crypto from 'node:crypto';
import { SalvorError } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import { nativeCodec } from './native.ts';

/** The keys that seal everything in a repository but the key files. */
export interface MasterKey {
  /** AES-256, 32 bytes. */
  readonly encrypt: Buffer;
  /** AES-128 key for the nonce of Poly1305-AES, 16 bytes. */
  readonly macK: Buffer;
  /** The multiplier of Poly1305, 16 bytes. */
  readonly macR: Buffer;
}

/** The same keys as handles: another thread gets a handle, never the bytes. */
export interface KeyHandles {
  readonly encrypt: crypto.KeyObject;
  readonly macK: crypto.KeyObject;
  readonly macR: crypto.KeyObject;
}

export interface Sealer {
  /** For `createSealer` in another thread. */
  readonly keys: KeyHandles;
  /** Encrypts and authenticates under a fresh random nonce: nonce, ciphertext, MAC. */
  seal(plain: Uint8Array): Buffer;
  /**
   * The same into a buffer; answers how many bytes it wrote: `plain.length + SEAL_BYTES`. The plain bytes may lie where
   * the ciphertext goes: `NONCE_BYTES` after the offset.
   */
  sealInto(target: Buffer, offset: number, plain: Uint8Array): number;
  /** Verifies, then decrypts. Undefined if the MAC is wrong. */
  tryOpen(sealed: Uint8Array): Buffer | undefined;
  /** Verifies, then decrypts; throws `RepositoryCorrupt` naming `what` if the MAC is wrong. */
  open(sealed: Uint8Array, what: string): Buffer;
  /** The same over the sealed bytes, of which the caller has no further use: no memory is taken. */
  openInPlace(sealed: Uint8Array, what: string): Buffer;
}

/** A sealed object begins with them; the ciphertext follows. */
export const NONCE_BYTES = 16;
const MAC_BYTES = 16;
/** What sealing adds to the plain bytes. */
export const SEAL_BYTES = NONCE_BYTES + MAC_BYTES;

/** Nonces are drawn from the system in batches: one call per blob would cost more than the encryption of a small one. */
const NONCES_PER_DRAW = 256;

interface Mac {
  update(data: Uint8Array): Mac;
  final(): Buffer;
}

/** Node 26 has it, @types/node does not know it yet. */
const createMac = (crypto as unknown as { createMac?: (algorithm: 'poly1305', key: Uint8Array) => Mac }).createMac;

/** AES-256-CTR with Poly1305-AES (Bernstein 2005), as restic's design document has it. Poly1305 itself clamps r. */
export function createSealer(key: MasterKey | KeyHandles): Sealer {
  if (createMac === undefined) {
    throw new SalvorError('This Node has no crypto.createMac', { code: 'Prerequisite', hint: 'Use Node 26 or newer.' });
  }
  const poly1305 = createMac;
  const keys = handlesOf(key);
  const macR = keys.macR.export();
  const nonceCipher = crypto.createCipheriv('aes-128-ecb', keys.macK, null).setAutoPadding(false);
  const nextNonce = createNonces();
  const encrypt = createEncryptor(keys.encrypt);

  const mac = (nonce: Uint8Array, ciphertext: Uint8Array): Buffer => {
    const oneTimeKey = Buffer.concat([macR, nonceCipher.update(nonce)]);
    return poly1305('poly1305', oneTimeKey).update(ciphertext).final();
  };

  const sealInto = (target: Buffer, offset: number, plain: Uint8Array): number => {
    const nonce = nextNonce();
    const ciphertext = target.subarray(offset + NONCE_BYTES, offset + NONCE_BYTES + plain.length);
    encrypt(ciphertext, plain, nonce);
    target.set(nonce, offset);
    target.set(mac(nonce, ciphertext), offset + NONCE_BYTES + plain.length);
    return plain.length + SEAL_BYTES;
  };

  /** The parts of what is sealed, or undefined if it is not authentic. */
  const authentic = (sealed: Uint8Array): { nonce: Uint8Array; ciphertext: Uint8Array } | undefined => {
    if (sealed.length < SEAL_BYTES) return undefined;
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const ciphertext = sealed.subarray(NONCE_BYTES, sealed.length - MAC_BYTES);
    const expected = sealed.subarray(sealed.length - MAC_BYTES);
    return crypto.timingSafeEqual(mac(nonce, ciphertext), expected) ? { nonce, ciphertext } : undefined;
  };

  const tryOpen = (sealed: Uint8Array): Buffer | undefined => {
    const parts = authentic(sealed);
    if (parts === undefined) return undefined;
    return crypto.createDecipheriv('aes-256-ctr', keys.encrypt, parts.nonce).update(parts.ciphertext);
  };

  return {
    keys,
    sealInto,
    tryOpen,
    seal(plain) {
      const sealed = Buffer.allocUnsafe(plain.length + SEAL_BYTES);
      sealInto(sealed, 0, plain);
      return sealed;
    },
    open(sealed, what) {
      const plain = tryOpen(sealed);
      if (plain === undefined) throw notAuthentic(what);
      return plain;
    },
    openInPlace(sealed, what) {
      const parts = authentic(sealed);
      if (parts === undefined) throw notAuthentic(what);
      const { buffer, byteOffset, length } = parts.ciphertext;
      const plain = Buffer.from(buffer, byteOffset, length);
      // In counter mode decrypting is encrypting again.
      encrypt(plain, plain, parts.nonce);
      return plain;
    },
  };
}

function notAuthentic(what: string): SalvorError {
  return corrupt(`${what} was changed or is not of this repository: its MAC is wrong`);
}

function handlesOf(key: MasterKey | KeyHandles): KeyHandles {
  const handle = (part: Buffer | crypto.KeyObject): crypto.KeyObject =>
    part instanceof crypto.KeyObject ? part : crypto.createSecretKey(part);
  return { encrypt: handle(key.encrypt), macK: handle(key.macK), macR: handle(key.macR) };
}

type Encrypt = (target: Uint8Array, plain: Uint8Array, nonce: Uint8Array) => void;

function createEncryptor(key: crypto.KeyObject): Encrypt {
  const native = nativeCodec();
  if (native === undefined)
    return (target, plain, nonce) => target.set(crypto.createCipheriv('aes-256-ctr', key, nonce).update(plain));
  const bytes = key.export();
  try {
    return native.encryptor(bytes);
  } finally {
    bytes.fill(0);
  }
}

function createNonces(): () => Buffer {
  const pool = Buffer.allocUnsafe(NONCE_BYTES * NONCES_PER_DRAW);
  let next = pool.length;
  return () => {
    if (next === pool.length) {
      crypto.randomFillSync(pool);
      next = 0;
    }
    next += NONCE_BYTES;
    return pool.subarray(next - NONCE_BYTES, next);
  };
}
