import { opendir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { SalvorError, messageOf } from '#shared/errors';

export interface SourceFile {
  /** Relative to the folder that is scanned, with `/`. */
  readonly path: string;
  readonly content: string;
}

export interface SourceFiles {
  readonly files: readonly SourceFile[];
  readonly skipped: readonly { readonly what: string; readonly reason: string }[];
}

/** A dump of a large cluster; more would not fit the memory that a scan may take. */
const fileBytesMax = 128 * 1024 * 1024;
const totalBytesMax = 256 * 1024 * 1024;
/** Ten times the largest repositories of manifests there are. */
const filesMax = 50_000;
const depthMax = 40;
const skippedFolders = new Set(['node_modules', 'vendor']);
const manifestName = /\.(ya?ml|json)$/i;
/** Files of other tools that share the endings. */
const otherTools =
  /(^|\/)(package(-lock)?|tsconfig.*|renovate.*|composer|\.?mise.*|Taskfile|values\.schema)\.(json|ya?ml)$/i;

/** Reads a folder, a file, or `-` for what comes on stdin. Throws `NotFound` if it is not there. */
export async function readSource(from: string, stdin: Readable, signal: AbortSignal): Promise<SourceFiles> {
  if (from === '-') return { files: [{ path: '-', content: await readStream(stdin, signal) }], skipped: [] };
  const info = await stat(from).catch((error: unknown) => {
    throw new SalvorError(`Cannot read ${from}: ${messageOf(error)}`, {
      code: 'NotFound',
      cause: error,
      hint: 'Give --from a folder of manifests, a file, or - for stdin.',
    });
  });
  if (!info.isDirectory()) {
    if (info.size > fileBytesMax) throw tooLarge(from);
    return {
      files: [{ path: path.basename(from), content: await readFile(from, { encoding: 'utf8', signal }) }],
      skipped: [],
    };
  }
  return readFolder(from, signal);
}

async function readFolder(root: string, signal: AbortSignal): Promise<SourceFiles> {
  const files: SourceFile[] = [];
  const skipped: { what: string; reason: string }[] = [];
  let totalBytes = 0;
  for await (const name of walk(root, '', 0)) {
    signal.throwIfAborted();
    const full = path.join(root, name);
    try {
      const { size } = await stat(full);
      if (size > fileBytesMax || totalBytes + size > totalBytesMax || files.length >= filesMax) {
        skipped.push({
          what: name,
          reason: `is not read: ${size > fileBytesMax ? 'the file' : 'the folder'} is too large`,
        });
        continue;
      }
      totalBytes += size;
      files.push({ path: name, content: await readFile(full, { encoding: 'utf8', signal }) });
    } catch (error) {
      if (signal.aborted) throw error;
      skipped.push({ what: name, reason: messageOf(error) });
    }
  }
  return { files: files.toSorted((a, b) => (a.path < b.path ? -1 : 1)), skipped };
}

/** Links are not followed: they lead in circles, or out of the folder. */
async function* walk(root: string, below: string, depth: number): AsyncGenerator<string> {
  if (depth > depthMax) return;
  for await (const entry of await opendir(path.join(root, below))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!entry.name.startsWith('.') && !skippedFolders.has(entry.name)) yield* walk(root, name, depth + 1);
    } else if (entry.isFile() && manifestName.test(entry.name) && !otherTools.test(name)) yield name;
  }
}

async function readStream(stream: Readable, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    signal.throwIfAborted();
    const bytes = Buffer.from(chunk as Buffer);
    length += bytes.length;
    if (length > fileBytesMax) throw tooLarge('stdin');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(what: string): SalvorError {
  return new SalvorError(`${what} is larger than ${fileBytesMax / 1024 / 1024} MiB`, {
    code: 'InvalidInput',
    hint: 'Split it, or scan the cluster itself: salvor scan --context NAME.',
  });
}
