// Is everything there that cannot be installed for the user? Plain JavaScript: it runs under Node 20, before npm ci, and
// changes nothing on the machine.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheDirectory, debianPackages, projectDir, unbuiltModules } from './inputs.mjs';

/** What a cold set-up and a lab with a few databases take; with warm caches only the lab's own data is to come. */
const diskGiBCold = 20;
const diskGiBWarm = 8;
const goMinorMin = 26;
const commandTimeoutMs = 120_000;

/**
 * Looks at the machine and returns what is missing, each with its remedy in one line.
 * @param {{ need: 'unit' | 'lab', environment?: Record<string, string | undefined> }} options
 */
export async function checkPrerequisites({ need, environment = process.env }) {
  return judge(await gatherFacts(need, environment), need);
}

/** What is asked of the machine. Whether a registry answers is only asked if something is to come from it. */
async function gatherFacts(need, environment) {
  const cache = cacheDirectory(environment);
  const npm = await run('npm', ['--version']);
  const system = osRelease();
  const facts = {
    system,
    npmVersion: npm.ok ? npm.out.trim() : undefined,
    npmReachable:
      npm.ok && !nodeModulesAreCurrent()
        ? await run('npm', ['view', '--fetch-retries=1', 'node', 'name'])
        : { ok: true },
    isRoot: process.getuid?.() === 0,
    hasNodeLibrary: hasNodeLibrary(),
  };
  if (need === 'unit') return facts;
  const go = await run('go', ['env', 'GOVERSION'], { cwd: tmpdir() });
  const unbuilt = unbuiltModules(cache);
  const missing = await missingDebianPackages();
  return {
    ...facts,
    goVersion: go.ok ? go.out.trim() : undefined,
    // The list of versions is never answered from the module cache.
    goReachable:
      go.ok && unbuilt.length > 0
        ? await run('go', ['list', '-m', '-versions', 'golang.org/x/sync'], { cwd: tmpdir() })
        : { ok: true },
    aptReachable: system.isDebianLike && missing.length > 0 ? await fetchRelease() : { ok: true },
    disks: [cache, '/var/lib'].map(freeSpace),
    isWarm: unbuilt.length === 0 && existsSync(join(cache, 'images', 'layers')),
  };
}

/** The verdict on the facts: what stops the set-up, and what may. Pure. */
export function judge(facts, need) {
  const failures = [];
  const warnings = [];
  const fail = (problem, remedy) => failures.push({ problem, remedy });
  if (!facts.system.isDebianLike)
    fail(`This system is ${facts.system.name}; Debian 12 is needed.`, 'Use a Debian 12 machine or container.');
  else if (facts.system.id !== 'debian' || facts.system.version !== '12') {
    warnings.push(`This system is ${facts.system.name}; only Debian 12 is tested.`);
  }
  if (facts.npmVersion === undefined) fail('npm is not installed.', 'Install npm (apt-get install npm) and try again.');
  else
    unreachable(
      'The npm registry',
      facts.npmReachable,
      'Check the network and "npm config get registry", then try again.',
      fail,
    );
  if (!facts.hasNodeLibrary && !facts.isRoot) {
    fail(
      'Node 26 needs libatomic.so.1, which is not installed.',
      'Run "apt-get install libatomic1" as root and try again.',
    );
  }
  if (need === 'unit') return { failures, warnings };

  if (!facts.isRoot)
    fail('The lab makes namespaces and mounts, and this is not root.', 'Run the same command as root (sudo -E).');
  const minor = /^go1\.(\d+)/.exec(facts.goVersion ?? '')?.[1];
  if (facts.goVersion === undefined)
    fail('Go is not installed.', `Install Go 1.${goMinorMin} or newer and put it on the PATH.`);
  else if (minor !== undefined && Number(minor) < goMinorMin)
    fail(`Go is ${facts.goVersion}; 1.${goMinorMin} is needed.`, `Install Go 1.${goMinorMin} or newer.`);
  else
    unreachable(
      'The Go module proxy',
      facts.goReachable,
      'Check the network and "go env GOPROXY", then try again.',
      fail,
    );
  unreachable(
    'The Debian mirror',
    facts.aptReachable,
    'Check the network and the sources in /etc/apt, then try again.',
    fail,
  );
  const wanted = facts.isWarm ? diskGiBWarm : diskGiBCold;
  for (const disk of facts.disks) {
    if (disk.freeGiB < wanted)
      fail(
        `${disk.path} has ${disk.freeGiB.toFixed(1)} GiB free; ${wanted} are needed.`,
        'Free some space, or set XDG_CACHE_HOME to another disk.',
      );
  }
  return { failures, warnings };
}

function unreachable(what, result, remedy, fail) {
  if (!result.ok) fail(`${what} cannot be reached${result.reason ? ` (${result.reason})` : ''}.`, remedy);
}

/** The packages of debian-packages.json that are not installed. */
export async function missingDebianPackages(packages = debianPackages) {
  const { out } = await run('dpkg-query', ['--show', '--showformat=${Package} ${db:Status-Status}\\n', ...packages]);
  const installed = new Set(
    out.split('\n').flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])),
  );
  return packages.filter((name) => !installed.has(name));
}

/** Asks the first mirror for its table of contents, with apt's own client, into a file that is thrown away. */
async function fetchRelease() {
  // On a new machine the package lists are not there yet: this tells where they would come from.
  const targets = await run('apt-get', ['update', '--print-uris']);
  const address = /'(\S+InRelease)'/.exec(targets.out)?.[1];
  if (address === undefined) return { ok: false, reason: 'no package source is configured' };
  const folder = mkdtempSync(join(tmpdir(), 'salvor-preflight-'));
  try {
    return await run('/usr/lib/apt/apt-helper', [
      '-o',
      'Acquire::Retries=1',
      'download-file',
      address,
      join(folder, 'InRelease'),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** npm writes its own copy of the lock file when an installation is complete. */
function nodeModulesAreCurrent() {
  const [installed, wanted] = ['node_modules/.package-lock.json', 'package-lock.json'].map((name) =>
    statSync(join(projectDir, name), { throwIfNoEntry: false }),
  );
  return installed !== undefined && wanted !== undefined && installed.mtimeMs >= wanted.mtimeMs;
}

function osRelease() {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const field = (name) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const id = field('ID');
  const isDebianLike = process.platform === 'linux' && [id, ...field('ID_LIKE').split(' ')].includes('debian');
  return { id, version: field('VERSION_ID'), name: field('PRETTY_NAME') || process.platform, isDebianLike };
}

/** Whether the one library is there that Node 26 needs and a bare Debian 12 lacks. */
function hasNodeLibrary() {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const folders = [`/usr/lib/${triplet}`, `/lib/${triplet}`, '/usr/lib', '/usr/local/lib', '/lib64', '/usr/lib64'];
  return folders.some((folder) => existsSync(join(folder, 'libatomic.so.1')));
}

/**
 * Installs the library without which Node 26 does not start; so this cannot wait for debian.ts, which runs under Node 26.
 * Does nothing where it is installed. Throws with what apt-get said.
 */
export async function ensureNodeLibrary() {
  if (hasNodeLibrary()) return;
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  for (const args of [
    ['update', '--quiet'],
    ['install', '--quiet', '--yes', '--no-install-recommends', 'libatomic1'],
  ]) {
    const result = await run('apt-get', args, options);
    if (!result.ok)
      throw new Error(`apt-get ${args[0]} failed: ${result.reason}. Run "apt-get install libatomic1" by hand.`);
  }
}

function freeSpace(path) {
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  return { path, freeGiB: (bavail * bsize) / 1024 ** 3 };
}

function run(command, args, options = {}) {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: commandTimeoutMs, ...options }, (error, out, err) => {
      resolve({
        ok: error === null,
        out,
        reason: error === null ? undefined : lastLine(err) || error.message.split('\n')[0],
      });
    });
  });
}

function lastLine(text) {
  return text.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
}
