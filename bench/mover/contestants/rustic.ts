import { measure, runCommand, type Command } from '../../measure/command.ts';
import { SalvorError } from '#shared/errors';
import { baseEnvironment, repositoryPassword, type Contestant } from './contestant.ts';

/** rustic as a peer; `fixed` cuts files into blocks of 1 MiB, which suits images. */
export function rustic(binary: string, version: string, fixed: boolean): Contestant {
  const chunker = fixed ? ['--set-chunker=fixed_size', '--set-chunk-size=1MiB'] : [];
  return {
    name: fixed ? 'rustic-fix' : 'rustic',
    what: `rustic ${version} ${chunker.join(' ') || 'with its defaults'}`,
    compresses: true,
    async enter({ source, folder, place, signal }) {
      if (place.kind === 'bucket') throw new SalvorError('rustic was built without S3', { code: 'Prerequisite' });
      const run = (...args: string[]): Command => ({
        argv: [binary, `--repository=${place.path}`, '--no-progress', '--log-level=error', ...args],
        environment: { ...baseEnvironment(folder), RUSTIC_PASSWORD: repositoryPassword },
      });
      await runCommand(run('init', ...chunker), signal);
      return {
        backup: () => measure(run('backup', source.path), signal),
        async restore(target) {
          const usage = await measure(run('restore', `latest:${source.path}`, target), signal);
          return { ...usage, path: target };
        },
      };
    },
  };
}
