import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { exists, readJson, writeFileAtomic } from './files.ts';
import { projectDir } from './inputs.mjs';
import { blobPath, writeLayer, type Blob, type BlobStore } from './oci-image.ts';
import type { TarEntry } from './tar.ts';

export interface BundleLayerOptions {
  readonly store: BlobStore;
  /** Where it is remembered which source files gave which layer. */
  readonly records: string;
  readonly name: string;
  /** Paths in the project, each a program of its own; one that does not exist is left out. */
  readonly entries: readonly string[];
  /** What lies beside the bundles. */
  readonly others?: readonly TarEntry[];
}

/** A source file as it was when it was bundled: path, size in bytes, time of change in milliseconds. */
type Stamp = readonly [path: string, size: number, mtimeMs: number];

interface BundleRecord {
  readonly sources: readonly Stamp[];
  readonly layer: Blob;
}

/** Native: it cannot be put into a bundle, so it lies beside it. */
const external = ['koffi'];

/**
 * Bundles each entry, with everything it imports, to /app/NAME.mjs of one layer. A layer whose sources have not changed
 * since is not made again: an `up` with nothing to do must not wait for a bundler.
 */
export async function bundleLayer(options: BundleLayerOptions): Promise<Blob> {
  const { store, others = [] } = options;
  const entries = await present(options.entries);
  const inputs = createHash('sha256').update(
    JSON.stringify([entries, await stampsOf(filesOf(others)), others.map(({ path }) => path)]),
  );
  const recordFile = join(options.records, `${options.name}-${inputs.digest('hex').slice(0, 16)}.json`);
  const record = await readJson<BundleRecord>(recordFile);
  if (record !== undefined && (await isCurrent(record, store))) return record.layer;
  const startedMs = Date.now();
  const { files, sources } = await bundle(entries);
  const stamps = await stampsOf(sources);
  const layer = await writeLayer(store, [...files, ...others]);
  // A file that changed while it was bundled may be in the layer as it was before: remember nothing, look again next time.
  if (stamps.every(([, , mtimeMs]) => mtimeMs < startedMs)) {
    await writeFileAtomic(recordFile, JSON.stringify({ sources: stamps, layer } satisfies BundleRecord));
  }
  return layer;
}

/** Bundles programs, by their paths. Answers the files of /app, and the sources that went into them. */
export async function bundle(entries: readonly string[]): Promise<{ files: TarEntry[]; sources: string[] }> {
  if (entries.length === 0) return { files: [], sources: [] };
  const result = await build({
    entryPoints: entries.map((path) => ({ in: path, out: basename(path, '.ts') })),
    outdir: '/app',
    outExtension: { '.js': '.mjs' },
    absWorkingDir: projectDir,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    external,
    // Names of functions are what a stack trace in a pod's log is read by.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'silent',
    // CommonJS packages inside the bundle ask for Node's own modules with require.
    banner: {
      js: "import { createRequire as salvorCreateRequire } from 'node:module'; const require = salvorCreateRequire(import.meta.url);",
    },
  });
  return {
    files: result.outputFiles.map((file) => ({ path: file.path.slice(1), kind: 'file', content: file.contents })),
    sources: Object.keys(result.metafile.inputs).map((path) => join(projectDir, path)),
  };
}

/** A package of node_modules: what Node loads of it, without what only a compiler or a reader needs. */
export async function packageEntries(name: string): Promise<TarEntry[]> {
  return folderEntries(join(projectDir, 'node_modules', name), `node_modules/${name}`, /\.(cjs|mjs|js|json|node)$/);
}

/** The files of a folder, with those of its subfolders, below /app/INTO. */
export async function folderEntries(root: string, into: string, wanted: RegExp): Promise<TarEntry[]> {
  if (!(await exists(root))) return [];
  const found = await readdir(root, { withFileTypes: true, recursive: true });
  return found
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: join('app', into, relative(root, file)), kind: 'file', content: { file } }));
}

async function present(entries: readonly string[]): Promise<string[]> {
  const paths = entries.map((entry) => join(projectDir, entry));
  const are = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => are[index]);
}

async function isCurrent({ sources, layer }: BundleRecord, store: BlobStore): Promise<boolean> {
  if (!(await exists(blobPath(store, layer.digest)))) return false;
  const now = await stampsOf(sources.map(([path]) => path));
  return JSON.stringify(now) === JSON.stringify(sources);
}

async function stampsOf(paths: readonly string[]): Promise<Stamp[]> {
  return Promise.all(
    paths.map(async (path): Promise<Stamp> => {
      const found = await stat(path).catch(() => undefined);
      return [path, found?.size ?? -1, found?.mtimeMs ?? -1];
    }),
  );
}

function filesOf(entries: readonly TarEntry[]): string[] {
  return entries.flatMap((entry) =>
    entry.kind === 'file' && !(entry.content instanceof Uint8Array) ? [entry.content.file] : [],
  );
}
