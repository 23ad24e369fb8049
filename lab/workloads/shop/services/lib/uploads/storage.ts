import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, readdir, rm, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The files of the uploads volume. Every content exists once, as by-hash/SHA256, and every upload is a hard link to
 * it under files/XX/NAME, where NAME is any bytes a file name may have. The inode carries its hash as xattr
 * `user.sha256`. Node has no xattr calls, so Debian's `attr` tools do them, always through the by-hash name, which
 * is plain ASCII.
 */
export const hashAttribute = 'user.sha256';

/** Holes are made of whole blocks of this size. */
const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

export interface Stored {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** What is on the volume, one per directory entry. */
export interface FileFact {
  readonly area: 'files' | 'by-hash';
  /** The path below the area, base64 of its bytes: names need not be UTF-8. */
  readonly path64: string;
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  readonly inode: string;
  readonly links: number;
  /** Computed from the bytes, now. */
  readonly sha256: string;
  /** The xattr, if the inode has it. */
  readonly attribute: string | null;
}

export interface UploadStorage {
  /** The path below `files` of an upload with this name. */
  pathOf(name: Buffer): Buffer;
  /** Stores the bytes under that path, durable when it returns. The same upload again changes nothing. */
  put(id: string, filePath: Buffer, bytes: AsyncIterable<Buffer>, sparse: boolean): Promise<Stored>;
  read(filePath: Buffer): ReturnType<typeof createReadStream>;
  /** Every file, hashed anew. */
  list(): AsyncGenerator<FileFact>;
}

export async function openStorage(root: string): Promise<UploadStorage> {
  // What a crash left half-written was never acknowledged, and its link would be counted.
  await rm(path.join(root, 'tmp'), { recursive: true, force: true });
  for (const folder of ['tmp', 'files', 'by-hash']) await mkdir(path.join(root, folder), { recursive: true });
  return {
    pathOf(name) {
      const shard = createHash('sha256').update(name).digest('hex').slice(0, 2);
      return Buffer.concat([Buffer.from(`${shard}/`), name]);
    },
    put: async (id, filePath, bytes, sparse) => put(root, { id, filePath, bytes, sparse }),
    read: (filePath) => createReadStream(inFiles(root, filePath)),
    list: () => list(root),
  };
}

function inFiles(root: string, filePath: Buffer): Buffer {
  return Buffer.concat([Buffer.from(path.join(root, 'files/')), filePath]);
}

interface Put {
  readonly id: string;
  readonly filePath: Buffer;
  readonly bytes: AsyncIterable<Buffer>;
  readonly sparse: boolean;
}

async function put(root: string, upload: Put): Promise<Stored> {
  const temporary = path.join(root, 'tmp', upload.id);
  const stored = await writeFile(temporary, upload.bytes, upload.sparse);
  await run('setfattr', ['-n', hashAttribute, '-v', stored.sha256, temporary]);
  const byHash = path.join(root, 'by-hash', stored.sha256);
  await linkOnce(temporary, byHash);
  await unlink(temporary);
  const target = inFiles(root, upload.filePath);
  const folder = path.join(root, 'files', upload.filePath.subarray(0, 2).toString());
  await mkdir(folder, { recursive: true });
  await linkOnce(byHash, target);
  for (const directory of [path.join(root, 'by-hash'), path.join(root, 'files'), folder])
    await syncDirectory(directory);
  return stored;
}

async function writeFile(file: string, bytes: AsyncIterable<Buffer>, sparse: boolean): Promise<Stored> {
  const hash = createHash('sha256');
  await using handle = await open(file, 'w', 0o640);
  let sizeBytes = 0;
  for await (const block of blocksOf(bytes)) {
    hash.update(block);
    const isHole = sparse && block.equals(zeros.subarray(0, block.length));
    if (!isHole) await writeAll(handle, block, sizeBytes);
    sizeBytes += block.length;
  }
  await handle.truncate(sizeBytes);
  await handle.sync();
  return { sha256: hash.digest('hex'), sizeBytes };
}

async function writeAll(handle: FileHandle, block: Buffer, position: number): Promise<void> {
  for (let done = 0; done < block.length;) {
    done += (await handle.write(block, done, block.length - done, position + done)).bytesWritten;
  }
}

/** The same bytes in blocks of one size, so that holes lie on block boundaries. */
async function* blocksOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const part of bytes) {
    parts.push(part);
    length += part.length;
    if (length < blockBytes) continue;
    const joined = Buffer.concat(parts);
    const whole = length - (length % blockBytes);
    for (let start = 0; start < whole; start += blockBytes) yield joined.subarray(start, start + blockBytes);
    parts = [joined.subarray(whole)];
    length -= whole;
  }
  if (length > 0) yield Buffer.concat(parts);
}

async function linkOnce(existing: string, name: string | Buffer): Promise<void> {
  try {
    await link(existing, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

async function* list(root: string): AsyncGenerator<FileFact> {
  const attributes = await readAttributes(path.join(root, 'by-hash'));
  const hashes = new Map<bigint, string>();
  const attributeOf = new Map<bigint, string | null>();
  for await (const { area, relative, full } of entries(root)) {
    const info = await stat(full, { bigint: true });
    const sha256 = hashes.get(info.ino) ?? (await hashFile(full));
    hashes.set(info.ino, sha256);
    if (area === 'by-hash') attributeOf.set(info.ino, attributes.get(relative.toString()) ?? null);
    yield factOf({ area, relative, info, sha256, attribute: attributeOf.get(info.ino) ?? null });
  }
}

function factOf(found: {
  readonly area: FileFact['area'];
  readonly relative: Buffer;
  readonly info: BigIntStats;
  readonly sha256: string;
  readonly attribute: string | null;
}): FileFact {
  return {
    area: found.area,
    path64: found.relative.toString('base64'),
    sizeBytes: Number(found.info.size),
    allocatedBytes: Number(found.info.blocks) * 512,
    inode: String(found.info.ino),
    links: Number(found.info.nlink),
    sha256: found.sha256,
    attribute: found.attribute,
  };
}

interface Entry {
  readonly area: FileFact['area'];
  readonly relative: Buffer;
  readonly full: Buffer;
}

/** by-hash first: its names tell the attributes of the inodes. */
async function* entries(root: string): AsyncGenerator<Entry> {
  for (const name of await readdir(path.join(root, 'by-hash'), { encoding: 'buffer' })) {
    yield { area: 'by-hash', relative: name, full: Buffer.concat([Buffer.from(path.join(root, 'by-hash/')), name]) };
  }
  for (const shard of await readdir(path.join(root, 'files'))) {
    for (const name of await readdir(path.join(root, 'files', shard), { encoding: 'buffer' })) {
      const relative = Buffer.concat([Buffer.from(`${shard}/`), name]);
      yield { area: 'files', relative, full: inFiles(root, relative) };
    }
  }
}

async function hashFile(file: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(part as Buffer);
  return hash.digest('hex');
}

/** The hash attribute of every file in the folder, by name. */
async function readAttributes(folder: string): Promise<Map<string, string>> {
  const command = ['--recursive', '--physical', '--absolute-names', '-d', '-m', '^user\\.sha256$', folder];
  const { stdout } = await run('getfattr', command, { maxBuffer: 256 * 1024 * 1024 });
  const found = new Map<string, string>();
  let name = '';
  for (const line of stdout.split('\n')) {
    if (line.startsWith('# file: ')) name = path.basename(line.slice('# file: '.length));
    const value = /^user\.sha256="([^"]*)"$/.exec(line)?.[1];
    if (value !== undefined) found.set(name, value);
  }
  return found;
}
