import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { measure, runCommand, type Command } from '../../measure/command.ts';
import { baseEnvironment, repositoryPassword, type Contestant, type Place } from './contestant.ts';

/** Files above 64 MiB are read in parts side by side; by default only those above 2 GiB are. */
const parallelParts = '--parallel-upload-above-size-mib=64';

interface Flavour {
  readonly repository: readonly string[];
  readonly policy: readonly string[];
}

/** Its defaults, which do not compress; with zstd; and the fastest options for images that were found. */
const flavours = {
  kopia: { repository: [], policy: [] },
  'kopia-z': { repository: [], policy: ['--compression=zstd', parallelParts] },
  'kopia-b': {
    repository: ['--block-hash=BLAKE3-256', '--object-splitter=FIXED-1M'],
    policy: ['--compression=zstd-fastest', parallelParts],
  },
} satisfies Record<string, Flavour>;

/** kopia as a peer. */
export function kopia(binary: string, version: string, name: keyof typeof flavours): Contestant {
  const { repository, policy }: Flavour = flavours[name];
  return {
    name,
    what: `kopia ${version} ${[...repository, ...policy].join(' ') || 'with its defaults (no compression)'}`,
    compresses: name !== 'kopia',
    async enter({ source, folder, place, signal }) {
      const run = (...args: string[]): Command => ({
        argv: [binary, `--config-file=${join(folder, 'kopia.config')}`, ...args],
        environment: {
          ...baseEnvironment(folder),
          KOPIA_PASSWORD: repositoryPassword,
          KOPIA_CACHE_DIRECTORY: join(folder, 'cache'),
          KOPIA_LOG_DIR: join(folder, 'log'),
          KOPIA_CHECK_FOR_UPDATES: 'false',
        },
      });
      if (place.kind === 'disk') await mkdir(place.path, { recursive: true });
      await runCommand(run('repository', 'create', ...storage(place), ...repository), signal);
      if (policy.length > 0) await runCommand(run('policy', 'set', '--global', ...policy), signal);
      let root = '';
      return {
        async backup() {
          const { stdout, ...usage } = await measure(
            run('snapshot', 'create', '--json', '--no-progress', source.path),
            signal,
          );
          root = (JSON.parse(stdout) as { rootEntry: { obj: string } }).rootEntry.obj;
          return usage;
        },
        async restore(target) {
          const usage = await measure(run('restore', '--write-sparse-files', '--no-progress', root, target), signal);
          return { ...usage, path: target };
        },
      };
    },
  };
}

function storage(place: Place): string[] {
  if (place.kind === 'disk') return ['filesystem', `--path=${place.path}`];
  return [
    's3',
    `--bucket=${place.bucket}`,
    `--prefix=${place.prefix}/`,
    `--endpoint=${new URL(place.endpoint).host}`,
    '--disable-tls',
    `--access-key=${place.accessKeyId}`,
    `--secret-access-key=${place.secretAccessKey}`,
  ];
}
