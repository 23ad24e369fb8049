import { spawn } from 'node:child_process';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../lab/setup/inputs.mjs';
import { messagesOf, SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';

/**
 * Runs the project's checks in the order in which they are cheapest to fail:
 *
 *     node bootstrap.mjs tests/run.ts lint | unit | system | e2e | all
 *
 * unit: no root, nothing installed. system: root and Debian packages (restic, mkfs.xfs, csi-sanity), no cluster.
 * e2e: on the lab. What a stage needs is set up here, from the project's own files.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

/** Every test file is a process of its own: they share what was compiled, here and in later runs. */
const compileCache = join(cacheDirectory(process.env), 'compiled');

/** A check that said itself what is wrong. */
class StageFailed extends Error {}

/** Unit tests share nothing: as many at once as there are cores. The others own the machine. */
const stages: Readonly<Record<string, () => Promise<void>>> = {
  lint: async () => {
    await run('types', [bin('tsc'), '-p', root]);
    await run('lint', [bin('oxlint'), '--type-aware', '--deny-warnings']);
    await run('format', [bin('oxfmt'), '--check', root]);
  },
  unit: async () =>
    test(
      'unit',
      [
        'src/**/*.test.ts',
        'lab/**/*.test.ts',
        'bench/**/*.test.ts',
        'tests/golden/*.test.ts',
        'tests/corpus/*.test.ts',
      ],
      (path) => !path.endsWith('.system.test.ts'),
      // Node's own default leaves a core idle.
      [`--test-concurrency=${availableParallelism()}`],
    ),
  system: async () => {
    const { prepareSystem } = await import('#lab/setup/prepare');
    Object.assign(process.env, await prepareSystem());
    await test(
      'system',
      ['src/**/*.system.test.ts', 'lab/**/*.system.test.ts', 'bench/**/*.system.test.ts'],
      () => true,
      ['--test-concurrency=1'],
    );
  },
  e2e: async () => {
    const { endLab, prepareLab } = await import('#lab/setup/prepare');
    await prepareLab();
    try {
      await test('e2e', ['tests/e2e/**/*.test.ts'], () => true, ['--test-concurrency=1']);
    } finally {
      await endLab();
    }
  },
};

const wanted = process.argv[2] ?? 'all';
const order = wanted === 'all' ? ['lint', 'unit', 'system', 'e2e'] : [wanted];
const started = Date.now();
for (const name of order) {
  const stage = stages[name];
  if (stage === undefined) {
    process.stderr.write(
      `Error: there is no stage "${name}"\nDo:    npm test, or one of: ${Object.keys(stages).join(', ')}\n`,
    );
    process.exit(2);
  }
  try {
    await stage();
  } catch (error) {
    const [what, ...why] = error instanceof StageFailed ? [`${error.message} failed`] : messagesOf(error);
    process.stderr.write(`\nError: ${what}\n${why.map((line) => `Why:   ${line}\n`).join('')}`);
    if (error instanceof SalvorError && error.hint !== undefined) process.stderr.write(`Do:    ${error.hint}\n`);
    process.exit(1);
  }
}
process.stderr.write(`\nAll of ${order.join(', ')} passed in ${formatDuration(Date.now() - started)}.\n`);

async function test(
  name: string,
  patterns: readonly string[],
  keep: (path: string) => boolean,
  flags: readonly string[],
): Promise<void> {
  const files = (await Array.fromAsync(glob(patterns, { cwd: root }))).filter(keep).toSorted();
  // Nothing that ran is no success.
  if (files.length === 0) throw new StageFailed(`${name}: no tests were found`);
  await run(name, ['--test', ...flags, ...files], process.execPath);
}

async function run(what: string, args: readonly string[], command = process.execPath): Promise<void> {
  const begun = Date.now();
  process.stderr.write(`\n== ${what}\n`);
  const child = spawn(command, ['--disable-warning=ExperimentalWarning', ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
  });
  const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 1)));
  process.stderr.write(`== ${what}: ${code === 0 ? 'passed' : 'FAILED'} in ${formatDuration(Date.now() - begun)}\n`);
  if (code !== 0) throw new StageFailed(what);
}
