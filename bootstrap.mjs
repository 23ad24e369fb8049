// The first thing that runs on a bare machine: plain JavaScript for Node 20 or newer. It installs the npm packages
// when the lock file asks for it, and hands over to the pinned Node, which runs TypeScript by itself.
//
//     node bootstrap.mjs [--need=lab] SCRIPT.ts [ARGUMENTS]
//
// With --need=lab it also checks what only the lab needs: root, Go, disk.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { checkPrerequisites, ensureNodeLibrary } from './lab/setup/preflight.mjs';

const root = dirname(fileURLToPath(import.meta.url));
const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');
const stamp = join(root, 'node_modules', '.salvor-lock');

/** Installs the packages of package-lock.json unless they are there, after a look at the machine. Tells what it does on stderr. */
async function ensurePackages(need) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(pinnedNode) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  await requirePrerequisites(need);
  // Before npm: install scripts of other packages run with the Node that npm has just installed.
  await ensureNodeLibrary();
  const started = Date.now();
  process.stderr.write('Installing npm packages, Node 26 among them ...\n');
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (result.error !== undefined)
    fail(`npm cannot be started: ${result.error.message}`, 'Install npm, then run again.');
  if (result.status !== 0)
    fail(`npm ci ended with ${result.status ?? result.signal}`, 'Check that the npm registry can be reached: npm ping');
  const probe = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' });
  if (probe.status !== 0)
    fail(
      `The pinned Node does not run: ${probe.error?.message ?? probe.stderr}`,
      'Allow install scripts (npm config delete ignore-scripts), delete node_modules and run again.',
    );
  writeFileSync(stamp, lock);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  process.stderr.write(`Installed in ${seconds} s, Node ${probe.stdout.trim()}.\n`);
}

/** What cannot be installed for the user is named before anything is changed. */
async function requirePrerequisites(need) {
  const { failures, warnings } = await checkPrerequisites({ need });
  for (const warning of warnings) process.stderr.write(`Warning: ${warning}\n`);
  for (const { problem, remedy } of failures) process.stderr.write(`Error: ${problem} ${remedy}\n`);
  if (failures.length > 0) process.exit(1);
}

/** Runs a script of this project with the pinned Node and ends as it ends. */
export async function handOver(script, args, need = 'unit') {
  await ensurePackages(need);
  // No warnings: node:sqlite and type stripping announce themselves as experimental on every start.
  const child = spawn(pinnedNode, ['--disable-warning=ExperimentalWarning', join(root, script), ...args], {
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to both; the child decides how to end, this process only waits for it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  const [code, signal] = await new Promise((resolve) => {
    child.on('error', (error) =>
      fail(`Node 26 cannot be started: ${error.message}`, 'Delete node_modules and run again.'),
    );
    child.on('close', (...ended) => resolve(ended));
  });
  process.exit(code ?? 128 + constants.signals[signal]);
}

function fail(what, remedy) {
  process.stderr.write(`Error: ${what}\nDo:    ${remedy}\n`);
  process.exit(1);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const words = process.argv.slice(2);
  const need = words[0] === '--need=lab' ? 'lab' : 'unit';
  const [script, ...args] = need === 'lab' ? words.slice(1) : words;
  if (script === undefined) fail('No script is named', 'Use the commands of the README: npm run demo, npm test.');
  await handOver(script, args, need);
}
