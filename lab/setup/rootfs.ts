import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, readJson, writeFileAtomic } from './files.ts';
import { withFileLock } from './lock.ts';
import { adoptLayer, blobPath, type Blob, type BlobStore } from './oci-image.ts';
import { step, type OnProgress } from './progress.ts';
import { runChecked } from './run.ts';

/** A root file system made of Debian packages. */
export interface RootfsSpec {
  readonly name: string;
  readonly packages: readonly string[];
  /** Shell lines that run in the new root, to remove what no container needs. */
  readonly trim: readonly string[];
}

export interface LayerCacheOptions {
  readonly store: BlobStore;
  /** Where it is remembered which inputs gave which layer. */
  readonly records: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

const suite = 'bookworm';
/** The machine's own list of mirrors, if it has one: no mirror is named in the project. */
const machineSources = '/etc/apt/sources.list.d/debian.sources';
const excludedPaths = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/info/*',
  '/usr/share/locale/*',
  '/usr/share/mysql/mysql-test/*',
];

/** The file system as a layer. Made once per list of packages. */
export async function ensureRootfs(spec: RootfsSpec, options: LayerCacheOptions): Promise<Blob> {
  const inputs = createHash('sha256')
    .update(JSON.stringify([spec, suite, excludedPaths]))
    .digest('hex');
  return cachedLayer(`${spec.name}-${inputs.slice(0, 16)}`, options, async () => {
    const what = `Making the ${spec.name} root file system from ${spec.packages.length} Debian packages and what they need`;
    return step(options.onProgress, what, async () => {
      const folder = join(options.records, 'tmp');
      const tarFile = join(folder, `${spec.name}.tar`);
      await rm(tarFile, { force: true });
      await mkdir(folder, { recursive: true });
      await mmdebstrap(spec, tarFile, options.signal);
      return adoptLayer(options.store, tarFile);
    });
  });
}

/** A layer by what it was made from: made if it is not known, or if its content is gone. Two makers wait for each other. */
export async function cachedLayer(
  inputs: string,
  options: LayerCacheOptions,
  make: () => Promise<Blob>,
): Promise<Blob> {
  const record = join(options.records, `${inputs}.json`);
  const known = async (): Promise<Blob | undefined> => {
    const blob = await readJson<Blob>(record);
    return blob !== undefined && (await exists(blobPath(options.store, blob.digest))) ? blob : undefined;
  };
  return (
    (await known()) ??
    (await withFileLock(join(options.records, `${inputs}.lock`), { signal: options.signal }, async () => {
      const found = await known();
      if (found !== undefined) return found;
      const made = await make();
      await writeFileAtomic(record, JSON.stringify(made));
      return made;
    }))
  );
}

async function mmdebstrap(spec: RootfsSpec, tarFile: string, signal: AbortSignal | undefined): Promise<void> {
  const sources = (await exists(machineSources)) ? [machineSources] : [];
  await runChecked(
    [
      ...(['mmdebstrap', '--variant=essential', `--include=${spec.packages.join(',')}`] as const),
      ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
      ...spec.trim.map((line) => `--customize-hook=chroot "$1" sh -c ${quote(line)}`),
      suite,
      tarFile,
      ...sources,
    ],
    {
      signal,
      // The same packages give the same bytes.
      env: { ...process.env, SOURCE_DATE_EPOCH: '0', DEBIAN_FRONTEND: 'noninteractive' },
      hint: 'Check that the machine reaches its Debian mirror (apt-get update) and try again.',
    },
  );
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
