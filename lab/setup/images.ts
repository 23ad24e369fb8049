import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pauseImage } from '../cluster/configs.ts';
import { locateBinaries } from './binaries.ts';
import { bundleLayer, folderEntries, packageEntries } from './bundle.ts';
import { exists } from './files.ts';
import { projectDir } from './inputs.mjs';
import {
  pruneBlobs,
  writeImage,
  writeLayer,
  type Blob,
  type BlobStore,
  type Image,
  type ImageConfig,
} from './oci-image.ts';
import type { OnProgress } from './progress.ts';
import { cachedLayer, ensureRootfs, type LayerCacheOptions, type RootfsSpec } from './rootfs.ts';

/** The names that pods use, with imagePullPolicy Never or IfNotPresent: there is no registry. */
export const imageNames = {
  pause: pauseImage,
  node: 'docker.io/salvor-lab/node:lab',
  servers: 'docker.io/salvor-lab/servers:lab',
  salvor: 'docker.io/salvor/salvor:dev',
  shop: 'docker.io/salvor-lab/shop:lab',
} as const;

export interface ImagesOptions {
  readonly cache: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** Other clones of the project share the cache; what none of them has used for so long is made again. */
const unusedLayersKeptMs = 7 * 24 * 3600 * 1000;

/** Images and the store that holds their content. */
export interface ImageSet {
  readonly store: BlobStore;
  readonly images: readonly Image[];
}

const base: RootfsSpec = {
  name: 'base',
  packages: [
    'acl',
    'attr',
    'ca-certificates',
    'e2fsprogs',
    'iproute2',
    'libatomic1',
    'libstdc++6',
    'procps',
    'tzdata',
    'util-linux',
  ],
  trim: [],
};

const servers: RootfsSpec = {
  name: 'servers',
  packages: [
    'ca-certificates',
    'libatomic1',
    'libstdc++6',
    'procps',
    'tzdata',

    'postgresql-15',
    'postgresql-client-15',
    'mariadb-server',
    'mariadb-client',
    'redis-server',
    'redis-tools',
    'nats-server',
  ],
  // The packages make a database each; pods bring their own volume.
  trim: ['rm -rf /var/lib/postgresql/15 /var/lib/mysql/* /etc/postgresql/15'],
};

/**
 * Of the mover's process: few pools of memory for its threads, which otherwise keep what each has freed. Measured with
 * `npm run bench -- mover`: larger thresholds for giving memory back cost 200 MB and save no time.
 */
export const moverEnvironment = { MALLOC_ARENA_MAX: '2' };

/** Makes every image of the lab. A layer whose inputs have not changed is taken from the cache. */
export async function ensureImages(options: ImagesOptions): Promise<ImageSet> {
  const store: BlobStore = { directory: join(options.cache, 'images', 'blobs') };
  const layers: LayerCacheOptions = {
    store,
    records: join(options.cache, 'images', 'layers'),
    onProgress: options.onProgress,
    signal: options.signal,
  };
  const node = await nodeLayer(layers);
  // One after the other: two would only share the network and the processor.
  const rootLayer = await ensureRootfs(base, layers);
  const serversLayer = await ensureRootfs(servers, layers);
  const onBase = async (name: string, application: Blob | undefined, config: ImageConfig): Promise<Image> =>
    writeImage(store, name, [rootLayer, node, ...(application === undefined ? [] : [application])], config);
  const application = { workingDirectory: '/app' } satisfies ImageConfig;
  const images = await Promise.all([
    onBase(imageNames.node, undefined, {}),
    writeImage(store, imageNames.servers, [serversLayer, node], { environment: { PATH: serversPath } }),
    salvorLayer(layers).then((layer) =>
      onBase(imageNames.salvor, layer, { ...application, environment: moverEnvironment }),
    ),
    shopLayer(layers).then((layer) => onBase(imageNames.shop, layer, application)),
  ]);
  await pruneBlobs(store, images, Date.now() - unusedLayersKeptMs);
  return { store, images };
}

/** The sandbox image. It is one binary of ours, so it can only be made when that is built. */
export async function writePauseImage(cache: string, store: BlobStore): Promise<Image> {
  const content = { file: locateBinaries(cache).path('lab-init') };
  const layer = await writeLayer(store, [{ path: 'lab-init', kind: 'file', mode: 0o755, content }]);
  return writeImage(store, imageNames.pause, [layer], { entrypoint: ['/lab-init', 'pause'], user: '65535:65535' });
}

const serversPath = '/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The Node that runs this, as /usr/local/bin/node. */
async function nodeLayer(layers: LayerCacheOptions): Promise<Blob> {
  const file = process.execPath;
  // Not by its content: reading 150 MB each time would be most of what an `up` that has nothing to do takes.
  const { size, mtimeMs } = await stat(file);
  return cachedLayer(`node-${process.version}-${process.arch}-${size}-${Math.trunc(mtimeMs)}`, layers, () =>
    writeLayer(layers.store, [{ path: 'usr/local/bin/node', kind: 'file', mode: 0o755, content: { file } }]),
  );
}

/** The programs of Salvor's image. */
export const salvorEntries = ['bin/mover.ts', 'bin/csi.ts', 'src/mover/mover-worker.ts'];

/** Salvor itself: a bundle per role, the native package they load, and the messages that the driver reads. */
async function salvorLayer({ store, records }: LayerCacheOptions): Promise<Blob> {
  const others = await Promise.all([
    packageEntries('koffi'),
    packageEntries(`@koromix/koffi-linux-${process.arch}`),
    folderEntries(join(projectDir, 'src/csi/proto'), 'proto', /\.proto$/),
  ]);
  return bundleLayer({
    store,
    records,
    name: 'salvor',
    entries: salvorEntries,
    others: others.flat(),
  });
}

/** The demo application's own services; its databases are in the servers image. */
async function shopLayer({ store, records }: LayerCacheOptions): Promise<Blob> {
  const folder = 'lab/workloads/shop/services';
  const names = (await exists(join(projectDir, folder))) ? await readdir(join(projectDir, folder)) : [];
  const services = names.filter((name) => name.endsWith('.ts') && !name.includes('.test.'));
  return bundleLayer({ store, records, name: 'shop', entries: services.map((name) => `${folder}/${name}`) });
}
