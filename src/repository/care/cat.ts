import { SalvorError } from '#shared/errors';
import { createBlobReader } from '../blob-reader.ts';
import { createCatalog } from '../catalog.ts';
import { parseObject } from '../fields.ts';
import { fileId, isId, toBlobId } from '../ids.ts';
import { loadFile, options } from '../files.ts';
import type { Access } from './access.ts';

export const catKinds = ['config', 'index', 'snapshot', 'key', 'lock', 'tree', 'blob'] as const;
export type CatKind = (typeof catKinds)[number];

/** SHA-256 in hexadecimal. */
const ID_DIGITS = 64;

const folders = { index: 'index', snapshot: 'snapshots', lock: 'locks' } as const;

export interface CatRequest {
  readonly kind: CatKind;
  /** Not for the config. Files may be named by the beginning of their id. */
  readonly id: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * One file of the repository as an object, as `restic cat` prints it; of a blob its plain bytes. A key file is shown as it lies in
 * the store, its secret sealed: the master key is never shown. Throws `NotFound`, or `RepositoryCorrupt` for what is damaged.
 */
export async function catFile(access: Access, { kind, id, signal }: CatRequest): Promise<object | Uint8Array> {
  const { vault, config } = access;
  if (kind === 'config')
    return { version: config.version, id: config.id, chunker_polynomial: config.chunkerPolynomial.toString(16) };
  if (id === undefined)
    throw new SalvorError(`Which ${kind} is meant?`, { code: 'Usage', hint: `salvor repo cat ${kind} ID` });
  switch (kind) {
    case 'index':
    case 'snapshot':
    case 'lock':
      return loadFile(vault, folders[kind], await wholeId(access, folders[kind], { id, signal }), signal);
    case 'key': {
      const name = `keys/${await wholeId(access, 'keys', { id, signal })}`;
      const stored = await vault.store.get(name, options(signal));
      if (`keys/${fileId(stored)}` !== name)
        throw new SalvorError(`The file ${name} is damaged: its hash is not its name`, { code: 'RepositoryCorrupt' });
      return parseObject(stored, `The key file ${name}`);
    }
    case 'tree':
    case 'blob':
      return catBlob(access, kind, { id, signal });
    default:
      return kind satisfies never;
  }
}

interface Named {
  /** As it was asked for. */
  readonly id: string;
  readonly signal: AbortSignal;
}

async function wholeId({ vault }: Access, folder: string, { id, signal }: Named): Promise<string> {
  const found: string[] = [];
  for await (const { key } of vault.store.list(`${folder}/${id}`, options(signal))) {
    const name = key.slice(folder.length + 1);
    if (isId(name)) found.push(name);
    if (found.length > 1) break;
  }
  const [only, another] = found;
  if (only !== undefined && another === undefined && id !== '') return only;
  const isNone = only === undefined;
  throw new SalvorError(isNone ? `There is no file ${folder}/${id}` : `Several files begin with ${folder}/${id}`, {
    code: isNone ? 'NotFound' : 'InvalidInput',
  });
}

async function catBlob({ vault }: Access, kind: 'tree' | 'blob', { id, signal }: Named): Promise<object | Uint8Array> {
  if (id.length !== ID_DIGITS)
    throw new SalvorError(`"${id}" is not the id of a blob`, {
      code: 'InvalidInput',
      hint: `Give all ${ID_DIGITS} digits of it.`,
    });
  await using catalog = createCatalog(vault);
  await catalog.refresh(signal);
  const source = createBlobReader(vault, catalog);
  const blob = toBlobId(id, 'blob');
  if (kind === 'tree') return parseObject(await source.loadBlob('tree', blob, signal), `The tree ${id}`);
  const type = catalog.find('data', blob) === undefined ? 'tree' : 'data';
  return await source.loadBlob(type, blob, signal);
}
