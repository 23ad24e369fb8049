import { join } from 'node:path';
import { measure, runCommand, type Command } from '../../measure/command.ts';
import { baseEnvironment, repositoryPassword, type Contestant, type Place, type Seat } from './contestant.ts';

/** Older ones cannot make holes in what they restore. */
const sparseSince = '0.15';
/** Older ones lack some of the options that make the tuned one. */
export const tunableSince = '0.17';

/** Whether a version is not older than another one; both are numbers with dots. */
export function isAtLeast(version: string, other: string): boolean {
  return version.localeCompare(other, 'en', { numeric: true }) >= 0;
}

/** restic as a peer; `tuned` has the options that its documentation and its issues name for speed. */
export function restic(binary: string, version: string, tuned: boolean): Contestant {
  const options = tuned ? ['--no-extra-verify', '--pack-size=64'] : [];
  const backupOptions = tuned ? ['--no-scan', '--read-concurrency=4'] : [];
  return {
    name: tuned ? 'restic-t' : 'restic',
    what: `restic ${version} ${[...options, ...backupOptions].join(' ') || 'with its defaults'}`,
    compresses: true,
    async enter(seat) {
      const run = (...args: string[]): Command => resticCommand(binary, seat, [...options, ...args]);
      await runCommand(run('init'), seat.signal);
      return {
        backup: () => measure(run('backup', ...backupOptions, seat.source.path), seat.signal),
        async restore(target) {
          const sparse = isAtLeast(version, sparseSince) ? ['--sparse'] : [];
          const usage = await measure(run('restore', 'latest', ...sparse, `--target=${target}`), seat.signal);
          return { ...usage, path: join(target, seat.source.path) };
        },
      };
    },
  };
}

/** A call of restic on the repository of a seat. */
export function resticCommand(
  binary: string,
  { place, folder }: Pick<Seat, 'place' | 'folder'>,
  args: readonly string[],
): Command {
  return {
    argv: [binary, '--quiet', `--repo=${repositoryOf(place)}`, ...args],
    environment: { ...baseEnvironment(folder), RESTIC_PASSWORD: repositoryPassword, ...credentials(place) },
  };
}

function repositoryOf(place: Place): string {
  return place.kind === 'disk' ? place.path : `s3:${place.endpoint}/${place.bucket}/${place.prefix}`;
}

function credentials(place: Place): Record<string, string> {
  if (place.kind === 'disk') return {};
  return { AWS_ACCESS_KEY_ID: place.accessKeyId, AWS_SECRET_ACCESS_KEY: place.secretAccessKey };
}
