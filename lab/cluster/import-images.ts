import { waitFor } from '#shared/async';
import { formatBytes } from '#shared/bytes';
import type { Binaries } from '../setup/binaries.ts';
import type { ImageSet } from '../setup/images.ts';
import { imageArchive, type Image } from '../setup/oci-image.ts';
import { step, type OnProgress } from '../setup/progress.ts';
import { run, runChecked } from '../setup/run.ts';
import type { Layout } from './layout.ts';

const containerdTimeoutMs = 30_000;

export interface ImportInputs {
  readonly layout: Layout;
  readonly initPid: number;
  readonly binaries: Binaries;
  readonly images: ImageSet;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** Gives the lab's container runtime the images it lacks or has in another version. */
export async function importImages(inputs: ImportInputs): Promise<void> {
  const { images, onProgress, signal } = inputs;
  const has = await listImages(inputs);
  const missing = images.images.filter((image) => has.get(image.name) !== image.digest);
  if (missing.length === 0) return;
  const what = `Importing ${missing.map((image) => image.name.replace('docker.io/', '')).join(', ')} (${formatBytes(sizeOf(missing))})`;
  await step(onProgress, what, () =>
    runChecked([...ctr(inputs), 'images', 'import', '--local', '--no-unpack=false', '-'], {
      input: imageArchive(images.store, missing),
      signal,
    }),
  );
}

/** Name to manifest digest. The first call may come before the runtime listens. */
async function listImages(inputs: ImportInputs): Promise<Map<string, string>> {
  const listed = await waitFor(
    async () => {
      const { code, stdout } = await run([...ctr(inputs), 'images', 'list'], { signal: inputs.signal });
      return code === 0 ? stdout : undefined;
    },
    {
      what: 'the container runtime',
      timeoutMs: containerdTimeoutMs,
      ...(inputs.signal === undefined ? {} : { signal: inputs.signal }),
    },
  );
  const rows = listed.split('\n').map((line) => line.split(/\s+/));
  return new Map(rows.map(([name = '', , digest = '']) => [name, digest]));
}

/** In the lab's mount namespace, because unpacking mounts. */
function ctr({ initPid, binaries, layout }: ImportInputs): [string, ...string[]] {
  const enter = ['--mount', '--net', '--pid'];
  return [
    'nsenter',
    `--target=${initPid}`,
    ...enter,
    binaries.path('ctr'),
    '--address',
    layout.containerdSocket,
    '--namespace',
    'k8s.io',
  ];
}

function sizeOf(images: readonly Image[]): number {
  const blobs = new Map(images.flatMap((image) => image.blobs).map((blob) => [blob.digest, blob.size]));
  return [...blobs.values()].reduce((sum, size) => sum + size, 0);
}
