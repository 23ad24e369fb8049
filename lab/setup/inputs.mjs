// What the lab is made from, and where its results are cached. Plain JavaScript: the preflight reads it under Node 20,
// before anything of the project is installed.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The root of the project, without a trailing slash. */
export const projectDir = join(import.meta.dirname, '../..');

/** Debian packages on the machine. */
export const debianPackages = readJson('debian-packages.json');

/** Go modules and what is built from each. */
export const goModules = readJson('go-modules.json');

/** Where results that survive a clean clone are kept. */
export function cacheDirectory(environment) {
  const base = environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache');
  return join(base, 'salvor');
}

/** The folder of a module's binaries: named after everything that goes into them. */
export function binariesDirectory(module, cache) {
  const hash = createHash('sha256').update(JSON.stringify(module));
  for (const source of module.sources)
    hash.update(source).update(readFileSync(join(projectDir, module.directory, source)));
  return join(cache, 'bin', `${module.name}-${hash.digest('hex').slice(0, 16)}`);
}

/** The modules whose binaries are not in the cache yet. */
export function unbuiltModules(cache) {
  return goModules.filter((module) => !existsSync(binariesDirectory(module, cache)));
}

function readJson(name) {
  return JSON.parse(readFileSync(join(import.meta.dirname, name), 'utf8'));
}
