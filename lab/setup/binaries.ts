import { cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import { exists } from './files.ts';
import { binariesDirectory, goModules, projectDir, type GoBuild, type GoModule } from './inputs.mjs';
import { withFileLock } from './lock.ts';
import { step, type OnProgress } from './progress.ts';
import { runChecked } from './run.ts';

/** A first build takes minutes: tell at least this often that it goes on. */
const heartbeatMs = 30_000;

export interface BinariesOptions {
  /** The cache folder, outside the tree: see inputs.mjs. */
  readonly cache: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** Where the binaries are. */
export interface Binaries {
  /** The path of a binary by its name; throws for a name that is not built. */
  path(name: string): string;
  /** The folders that hold them, for PATH. */
  readonly directories: readonly string[];
  /** The snapshot CRDs that belong to the snapshot controller. */
  readonly snapshotCrds: string;
}

/** Builds what the cache lacks and returns where everything is. Two builders at once wait for each other. */
export async function ensureBinaries(options: BinariesOptions): Promise<Binaries> {
  for (const module of goModules) {
    const directory = binariesDirectory(module, options.cache);
    if (await exists(directory)) continue;
    const lock = join(options.cache, 'locks', `build-${module.name}`);
    const onWait = (): void =>
      options.onProgress({ kind: 'note', what: `waiting for another build of ${module.what}` });
    await withFileLock(lock, { signal: options.signal, onWait }, async () => {
      if (!(await exists(directory))) await buildModule(module, directory, options);
    });
  }
  return locateBinaries(options.cache);
}

/** Where the binaries are once they are built; touches nothing. */
export function locateBinaries(cache: string): Binaries {
  const directoryOf = new Map<string, string>();
  const directories = goModules.map((module) => binariesDirectory(module, cache));
  for (const [index, module] of goModules.entries()) {
    const names = [...module.builds.flatMap((build) => build.outputs), ...Object.keys(module.links ?? {})];
    for (const name of names) directoryOf.set(name, directories[index] as string);
  }
  const path = (name: string): string => {
    const directory = directoryOf.get(name);
    if (directory === undefined) throw new SalvorError(`No Go module of the lab builds ${name}`, { code: 'Internal' });
    return join(directory, name);
  };
  return { path, directories, snapshotCrds: join(path('kubelab'), '..', 'crd') };
}

/** Into a temporary folder first: the final name exists only when everything in it does. */
async function buildModule(module: GoModule, directory: string, options: BinariesOptions): Promise<void> {
  const temporary = `${directory}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  for (const build of module.builds) {
    await step(options.onProgress, `Building ${build.outputs.join(', ')} from Go modules`, () =>
      goBuild(module, build, temporary, options),
    );
  }
  for (const [link, target] of Object.entries(module.links ?? {})) await symlink(target, join(temporary, link));
  for (const files of module.moduleFiles ?? []) {
    const found = await go(['list', '-m', '-f', '{{.Dir}}', files.module], module, options);
    const wanted = (source: string): boolean => files.except?.includes(basename(source)) !== true;
    await cp(join(found.trim(), files.directory), join(temporary, files.to), { recursive: true, filter: wanted });
    // The module cache is read-only, and a copy of its folders would be too.
    await runChecked(['chmod', '-R', 'u+w', join(temporary, files.to)]);
  }
  await rename(temporary, directory);
}

async function goBuild(module: GoModule, build: GoBuild, into: string, options: BinariesOptions): Promise<void> {
  const ldflags = ['-s', '-w', ...(build.stampKubernetesVersion === true ? await kubernetesVersionFlags(module) : [])];
  const single = build.packages.length === 1 && build.outputs.length === 1;
  const output = single ? join(into, build.outputs[0] as string) : `${into}/`;
  const args = [
    'build',
    '-v',
    '-trimpath',
    '-ldflags',
    ldflags.join(' '),
    '-tags',
    (module.tags ?? []).join(','),
    '-o',
    output,
    ...build.packages,
  ];
  await go(args, module, options);
}

async function go(args: readonly string[], module: GoModule, options: BinariesOptions): Promise<string> {
  const started = performance.now();
  let compiled = 0;
  const heartbeat = setInterval(() => {
    const what = `${compiled} packages after ${formatDuration(performance.now() - started)}, still building`;
    options.onProgress({ kind: 'note', what });
  }, heartbeatMs);
  try {
    return await runChecked(['go', ...args], {
      cwd: join(projectDir, module.directory),
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
      signal: options.signal,
      onLine: (line) => (compiled += /^\S+\/\S+$/.test(line) ? 1 : 0),
      hint: 'Check that the Go module proxy can be reached (go env GOPROXY) and try again; what was compiled so far is kept.',
    });
  } finally {
    clearInterval(heartbeat);
  }
}

/** What a release build stamps: without it every component reports v0.0.0 and version skew checks fail. */
async function kubernetesVersionFlags(module: GoModule): Promise<string[]> {
  const goMod = await readFile(join(projectDir, module.directory, 'go.mod'), 'utf8');
  const version = /^\s*k8s\.io\/kubernetes v(\d+)\.(\d+)\.(\d+)/m.exec(goMod);
  if (version === null)
    throw new SalvorError(`${module.directory}/go.mod does not pin k8s.io/kubernetes`, { code: 'Internal' });
  const [, major, minor, patch] = version;
  const set = (name: string, value: string): string => `-X k8s.io/component-base/version.${name}=${value}`;
  return [
    set('gitVersion', `v${major}.${minor}.${patch}`),
    set('gitMajor', String(major)),
    set('gitMinor', String(minor)),
  ];
}
