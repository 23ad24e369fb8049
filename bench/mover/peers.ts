import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { locateBinaries } from '#lab/setup/binaries';
import { runChecked } from '#lab/setup/run';
import type { BenchmarkContext } from '../benchmark.ts';

/** A program of others that Salvor is compared with, built from source with a pinned version. */
type Peer = GoPeer | CargoPeer;

interface GoPeer {
  readonly name: string;
  readonly version: string;
  readonly from: 'go';
  readonly module: string;
  readonly package: string;
  readonly tags?: string;
}

interface CargoPeer {
  readonly name: string;
  readonly version: string;
  readonly from: 'cargo';
  readonly crate: string;
}

export interface FoundPeer {
  readonly path: string;
  readonly version: string;
}

export interface FoundPeers {
  readonly peers: ReadonlyMap<string, FoundPeer>;
  /** Which are not there, and how to get them. */
  readonly notes: readonly string[];
}

const debianRestic = '/usr/bin/restic';

/** Finds what was given, what was built, and what Debian has; what is missing is named. */
export async function findPeers({ cache }: BenchmarkContext, given: ReadonlyMap<string, string>): Promise<FoundPeers> {
  const peers = new Map<string, FoundPeer>();
  const notes: string[] = [];
  for (const peer of await pinnedPeers()) {
    const path = given.get(peer.name) ?? binaryOf(peer, cache);
    if (existsSync(path)) peers.set(peer.name, { path, version: await versionOf(path) });
    else notes.push(`${peer.name} was not measured: it is not there. Build it with: npm run bench -- mover --prepare`);
  }
  if (!peers.has('restic') && existsSync(debianRestic)) {
    peers.set('restic', { path: debianRestic, version: await versionOf(debianRestic) });
    notes.push('restic is Debian’s old one instead, whose options for speed are too few for the tuned one.');
  }
  const gateway = given.get('versitygw') ?? locateBinaries(dirname(cache)).path('versitygw');
  if (existsSync(gateway)) peers.set('versitygw', { path: gateway, version: '' });
  return { peers, notes };
}

/** Builds the peers that the cache lacks, one after another, at the lowest priority: it takes many minutes. */
export async function buildPeers({ cache, environment, progress, signal }: BenchmarkContext): Promise<void> {
  for (const peer of await pinnedPeers()) {
    const folder = folderOf(peer, cache);
    if (existsSync(folder)) {
      progress(`${peer.name} ${peer.version} is in ${folder}`);
      continue;
    }
    progress(`Building ${peer.name} ${peer.version} ...`);
    const temporary = `${folder}.tmp`;
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await build(peer, temporary, { ...environment, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' }, signal);
    // Under its final name only when it is whole.
    await rename(temporary, folder);
  }
}

async function build(
  peer: Peer,
  folder: string,
  environment: BenchmarkContext['environment'],
  signal: AbortSignal,
): Promise<void> {
  const run = (...argv: string[]): Promise<string> =>
    runChecked(['nice', '-n', '19', ...argv], { cwd: folder, env: environment, signal });
  if (peer.from === 'go') {
    // A module around it: "go install" asks the proxy for things that not every proxy has.
    const required = `module salvor.dev/peer\n\nrequire ${peer.module} v${peer.version}\n`;
    await writeFile(join(folder, 'go.mod'), required);
    await run('go', 'build', '-trimpath', `-tags=${peer.tags ?? ''}`, '-o', peer.name, peer.package);
    return;
  }
  // Without its default features: they are other stores, and its own updates.
  const options = ['--locked', '--no-default-features', `--root=${folder}`, `--version=${peer.version}`];
  await run('cargo', 'install', ...options, peer.crate);
}

async function pinnedPeers(): Promise<readonly Peer[]> {
  return JSON.parse(await readFile(join(import.meta.dirname, 'peers.json'), 'utf8')) as Peer[];
}

function folderOf({ name, version }: Peer, cache: string): string {
  return join(cache, 'peers', `${name}-${version}`);
}

function binaryOf(peer: Peer, cache: string): string {
  return join(folderOf(peer, cache), ...(peer.from === 'cargo' ? ['bin'] : []), peer.name);
}

/** The first number with dots in what the program says of itself. */
async function versionOf(path: string): Promise<string> {
  // restic has a command, the others have an option.
  const said = await runChecked([path, path.includes('restic') ? 'version' : '--version']);
  return /\d+(?:\.\d+)+\S*/.exec(said)?.[0] ?? said.trim();
}
