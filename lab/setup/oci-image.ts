import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { exists, writeFileAtomic } from './files.ts';
import { tarOf, type TarEntry } from './tar.ts';

/** A folder of content by its SHA-256: the blobs of an OCI image layout. */
export interface BlobStore {
  readonly directory: string;
}

/** A blob: "sha256:HEX" and its size in bytes. */
export interface Blob {
  readonly digest: string;
  readonly size: number;
}

export interface ImageConfig {
  readonly environment?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly workingDirectory?: string;
  /** Only "UID" or "UID:GID": a name would need the image's user database. */
  readonly user?: string;
}

/** An image in the store: its name, and the manifest that its digest stands for. */
export interface Image extends Blob {
  readonly name: string;
  /** Every blob that belongs to it: manifest, configuration, layers. */
  readonly blobs: readonly Blob[];
}

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** Layers are not compressed: they never leave the machine, and the digest of a layer is that of its content. */
export async function writeLayer(store: BlobStore, entries: readonly TarEntry[]): Promise<Blob> {
  return writeBlob(store, tarOf([...entries].sort((a, b) => (a.path < b.path ? -1 : 1))));
}

/** Takes a finished tar file in as a layer. */
export async function adoptLayer(store: BlobStore, tarFile: string): Promise<Blob> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(tarFile), hash);
  const digest = `sha256:${hash.digest('hex')}`;
  await mkdir(join(store.directory, 'sha256'), { recursive: true });
  await rename(tarFile, blobPath(store, digest)).catch(() => copyFile(tarFile, blobPath(store, digest)));
  return { digest, size: (await stat(blobPath(store, digest))).size };
}

/** Writes the manifest and configuration of an image over layers that are in the store. The same input gives the same digest. */
export async function writeImage(
  store: BlobStore,
  name: string,
  layers: readonly Blob[],
  config: ImageConfig,
): Promise<Image> {
  const configuration = await writeJsonBlob(store, {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: {
      ...(config.user === undefined ? {} : { User: config.user }),
      ...(config.entrypoint === undefined ? {} : { Entrypoint: config.entrypoint }),
      ...(config.workingDirectory === undefined ? {} : { WorkingDir: config.workingDirectory }),
      Env: Object.entries({
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ...config.environment,
      }).map(([key, value]) => `${key}=${value}`),
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
  });
  const manifest = await writeJsonBlob(store, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...configuration },
    layers: layers.map((layer) => ({ mediaType: mediaTypes.layer, ...layer })),
  });
  return { name, ...manifest, blobs: [manifest, configuration, ...layers] };
}

/** The images as one OCI archive: what `ctr images import -` reads. Blobs that several images share are in it once. */
export function imageArchive(store: BlobStore, images: readonly Image[]): Readable {
  const manifests = images.map(({ name, digest, size }) => ({
    mediaType: mediaTypes.manifest,
    digest,
    size,
    annotations: {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
    },
  }));
  const blobs = new Map(images.flatMap((image) => image.blobs).map((blob) => [blob.digest, blob]));
  const json = (path: string, value: unknown): TarEntry => ({
    path,
    kind: 'file',
    content: Buffer.from(JSON.stringify(value)),
  });
  return Readable.from(
    tarOf([
      json('oci-layout', { imageLayoutVersion: '1.0.0' }),
      json('index.json', { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }),
      ...[...blobs.keys()].map((digest): TarEntry => ({
        path: `blobs/${digest.replace(':', '/')}`,
        kind: 'file',
        content: { file: blobPath(store, digest) },
      })),
    ]),
    { objectMode: false },
  );
}

/** Removes blobs that none of the images needs and that are older than the given time: layers of earlier source code. */
export async function pruneBlobs(store: BlobStore, images: readonly Image[], olderThanMs: number): Promise<void> {
  const needed = new Set(images.flatMap((image) => image.blobs).map((blob) => blobPath(store, blob.digest)));
  const folder = join(store.directory, 'sha256');
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
    if (!needed.has(path) && mtimeMs < olderThanMs) await rm(path, { force: true });
  }
}

/** Where a blob's content is. */
export function blobPath(store: BlobStore, digest: string): string {
  return join(store.directory, digest.replace(':', '/'));
}

async function writeBlob(store: BlobStore, source: AsyncIterable<Uint8Array>): Promise<Blob> {
  const folder = join(store.directory, 'sha256');
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `${randomBytes(8).toString('hex')}.tmp`);
  const hash = createHash('sha256');
  let size = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const part of source) {
      hash.update(part);
      size += part.length;
      yield part;
    }
  };
  await pipeline(counted, createWriteStream(temporary));
  const digest = `sha256:${hash.digest('hex')}`;
  await rename(temporary, blobPath(store, digest));
  return { digest, size };
}

async function writeJsonBlob(store: BlobStore, value: unknown): Promise<Blob> {
  const content = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  if (!(await exists(blobPath(store, digest)))) await writeFileAtomic(blobPath(store, digest), content);
  return { digest, size: content.length };
}
