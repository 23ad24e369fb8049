import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { SalvorError } from '#shared/errors';

/** One file, folder or link of an archive. The path is relative and uses slashes. */
export type TarEntry =
  | {
      readonly path: string;
      readonly kind: 'file';
      readonly content: Uint8Array | { readonly file: string };
      readonly mode?: number;
    }
  | { readonly path: string; readonly kind: 'directory'; readonly mode?: number }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

const blockBytes = 512;
/** Octal digits of the size field: larger files would need another header format. */
const fileBytesMax = 8 ** 11 - 1;
const typeFlags = { file: '0', link: '2', directory: '5' } as const;

/**
 * The entries as a POSIX (ustar) archive, in the given order. Nothing of the machine gets in: no times, no owners, only the
 * mode that was asked for, so the same entries always give the same bytes.
 */
export async function* tarOf(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    const size = await sizeOf(entry);
    yield header(entry, size);
    if (entry.kind !== 'file') continue;
    if (entry.content instanceof Uint8Array) yield entry.content;
    else yield* exactly(entry.content.file, size);
    yield Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
  }
  yield Buffer.alloc(2 * blockBytes);
}

async function sizeOf(entry: TarEntry): Promise<number> {
  if (entry.kind !== 'file') return 0;
  return entry.content instanceof Uint8Array ? entry.content.length : (await stat(entry.content.file)).size;
}

/** A file that changes its size while it is read would shift every entry after it. */
async function* exactly(file: string, size: number): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const part of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    read += part.length;
    if (read <= size) yield part;
  }
  if (read !== size)
    throw new SalvorError(`${file} changed while it was put into an image`, { code: 'Internal', retryable: true });
}

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const text = (value: string, offset: number, length: number): void => {
    if (Buffer.byteLength(value) > length)
      throw new SalvorError(`Too long for an archive: ${entry.path}`, { code: 'Internal' });
    block.write(value, offset);
  };
  const octal = (value: number, offset: number, length: number): void =>
    text(value.toString(8).padStart(length - 1, '0'), offset, length);
  if (size > fileBytesMax) throw new SalvorError(`Too large for an archive: ${entry.path}`, { code: 'Internal' });
  const { prefix, name } = splitPath(entry.kind === 'directory' ? `${entry.path}/` : entry.path);
  text(name, 0, 100);
  octal(entry.kind === 'link' ? 0o777 : (entry.mode ?? (entry.kind === 'directory' ? 0o755 : 0o644)), 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write(typeFlags[entry.kind], 156);
  if (entry.kind === 'link') text(entry.target, 157, 100);
  block.write('ustar\u000000', 257);
  text(prefix, 345, 155);
  // The sum is taken with spaces in its own field.
  block.write('        ', 148);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

/** A path over 100 bytes is cut at a slash into two fields. */
function splitPath(path: string): { prefix: string; name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  const cut = path.indexOf('/', path.length - 101);
  // A folder's own slash at the end is not a place to cut.
  return cut < 0 || cut === path.length - 1
    ? { prefix: '', name: path }
    : { prefix: path.slice(0, cut), name: path.slice(cut + 1) };
}
