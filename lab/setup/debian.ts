import { SalvorError } from '#shared/errors';
import { missingDebianPackages } from './preflight.mjs';
import { step, type OnProgress } from './progress.ts';
import { runChecked } from './run.ts';

/** How long apt waits for another apt (unattended upgrades, a second helper) before it gives up. */
const aptLockWaitSeconds = 300;

export interface DebianOptions {
  /** Default: debian-packages.json. */
  readonly packages?: readonly string[];
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** Installs what is named and the machine lacks. Services that come with a package are not started. */
export async function ensureDebianPackages({ packages, onProgress, signal }: DebianOptions): Promise<void> {
  const missing = await missingDebianPackages(packages);
  if (missing.length === 0) return;
  await step(onProgress, `Installing ${missing.length} Debian packages (${missing.join(' ')})`, async () => {
    await apt(['update', '--quiet'], signal);
    await apt(['install', '--quiet', '--yes', '--no-install-recommends', ...missing], signal);
  });
  const still = await missingDebianPackages(packages);
  if (still.length > 0) {
    throw new SalvorError(`apt-get succeeded but these packages are not installed: ${still.join(' ')}`, {
      code: 'Prerequisite',
      hint: `Run "apt-get install ${still.join(' ')}" by hand and look at what it says.`,
    });
  }
}

async function apt(args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  await runChecked(['apt-get', '-o', `DPkg::Lock::Timeout=${aptLockWaitSeconds}`, ...args], {
    signal,
    // invoke-rc.d starts nothing in run level 1: the tests start their own servers.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    hint: 'Check that the machine reaches its Debian mirror (apt-get update) and try again.',
  });
}
