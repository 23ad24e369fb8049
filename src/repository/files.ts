import { corrupt } from './corrupt.ts';
import { parseObject } from './fields.ts';
import type { Fields } from './fields.ts';
import { fileId, isId } from './ids.ts';
import { FILE_BYTES_MAX } from './limits.ts';
import { releaseMemory } from './release-memory.ts';
import type { Sealer } from './seal.ts';
import type { ObjectInfo, Store } from '#stores/store';
import { compress, decompressAside } from './zstd.ts';

/** Files that are one sealed JSON object each, named by the hash of what is stored. */
export type FileKind = 'index' | 'snapshots' | 'locks';

/** What the functions of this folder share: an opened store and the key. */
export interface Vault {
  readonly store: Store;
  readonly sealer: Sealer;
  /** Of the repository format, from the config. Version 1 knows no compression. */
  readonly version: 1 | 2;
}

/** First byte of a compressed file; uncompressed ones start with the brace of their JSON. */
const ZSTD = 2;
const BRACE = '{'.charCodeAt(0);

/** Seals the JSON text and stores it; answers the file's id. */
export async function saveFile(vault: Vault, kind: FileKind, json: string, signal?: AbortSignal): Promise<string> {
  const text = Buffer.from(json);
  const plain = vault.version === 1 ? text : Buffer.concat([Buffer.from([ZSTD]), compress(text)]);
  const stored = vault.sealer.seal(plain);
  const id = fileId(stored);
  await vault.store.put(`${kind}/${id}`, stored, options(signal));
  return id;
}

/** Reads one file, verified against its name. Throws `StoreObjectMissing` if it is gone. */
export async function loadFile(vault: Vault, kind: FileKind, id: string, signal?: AbortSignal): Promise<Fields> {
  return parseObject(await loadText(vault, kind, id, signal), `The file ${kind}/${id}`);
}

/** The same, but its text: what should be JSON, in UTF-8. The memory is the caller's alone. */
export async function loadText(vault: Vault, kind: FileKind, id: string, signal?: AbortSignal): Promise<Buffer> {
  const what = `The file ${kind}/${id}`;
  const stored = await vault.store.get(`${kind}/${id}`, options(signal));
  if (fileId(stored) !== id) throw corrupt(`${what} is damaged: its hash is not its name`);
  return unpack(vault.sealer.open(stored, what), FILE_BYTES_MAX[kind], what);
}

async function unpack(plain: Buffer, bytesMax: number, what: string): Promise<Buffer> {
  if (plain[0] === BRACE) return plain;
  if (plain[0] !== ZSTD) throw corrupt(`${what} has an unknown encoding: its first byte is ${plain[0]}`);
  const text = await decompressAside(plain.subarray(1), bytesMax, what);
  releaseMemory(plain);
  return text;
}

/** The files of a kind. Names that are not ids (of programs that crashed) are passed over, as restic does. */
export async function listFiles(vault: Vault, kind: FileKind, signal?: AbortSignal): Promise<ObjectInfo[]> {
  const files: ObjectInfo[] = [];
  for await (const info of vault.store.list(`${kind}/`, options(signal))) {
    if (!isId(info.key.slice(kind.length + 1))) continue;
    if (info.size > FILE_BYTES_MAX[kind]) throw corrupt(`The file ${info.key} is too large: ${info.size} bytes`);
    files.push({ ...info, key: info.key.slice(kind.length + 1) });
  }
  return files;
}

/** `signal` as options of a store's call. */
export function options(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
