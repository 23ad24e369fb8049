import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { backupTree } from '#mover/backup/backup-tree';
import { makeNode, setTimes } from '#mover/posix/files';
import { writeXattr } from '#mover/posix/xattrs';
import { createRepository } from '#repository/repository';
import { openDiskStore } from '#stores/disk/disk-store';
import { entriesOf } from './entries.ts';
import type { GoldenEntry, GoldenSnapshot, Manifest } from './entries.ts';

/**
 * Makes a golden repository and its manifest; see README.md. Needs root, acl and libcap2-bin.
 *
 *     node tests/golden/make.ts NAME --version 1|2 [--restic PATH] [--compression auto|off|max]
 */

const here = dirname(fileURLToPath(import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { version: { type: 'string' }, restic: { type: 'string' }, compression: { type: 'string' } },
});
const [name = 'unnamed'] = positionals;
const version = values.version === '1' ? 1 : 2;
const password = 'golden, and known to everybody';
const hostname = 'golden-host';
const repository = join(here, name);
/** Its name is in restic's trees. */
const source = '/srv/golden';

rmSync(source, { recursive: true, force: true });
rmSync(repository, { recursive: true, force: true });
makeSource();
const firstEntries = entriesOf(source);
const writer = values.restic === undefined ? await salvorWriter() : resticWriter(values.restic);
const first = await writer.save(['first'], firstEntries);
changeSource();
const second = await writer.save(['second', 'changed'], entriesOf(source));
const manifest: Manifest = { writer: writer.name, password, version, snapshots: [first, second] };
writeFileSync(`${repository}.json`, `${JSON.stringify(manifest, undefined, 2)}\n`);
rmSync(source, { recursive: true });

interface Writer {
  readonly name: string;
  save(tags: string[], entries: GoldenEntry[]): Promise<GoldenSnapshot>;
}

async function salvorWriter(): Promise<Writer> {
  const identity = { hostname, username: 'root', uid: 0, gid: 0, pid: 1 };
  const kdf = { N: 1024, r: 8, p: 1 };
  const into = await createRepository(await openDiskStore(repository), { password, identity, kdf, version });
  const { signal } = new AbortController();
  const { chunkerPolynomial } = into;
  return {
    name: 'salvor 0.1.0',
    async save(tags, entries) {
      const { tree, issues } = await backupTree({ root: source, sink: into, chunkerPolynomial, signal });
      if (issues.length > 0) throw new Error(`The source was not read whole: ${JSON.stringify(issues)}`);
      const who = { hostname, username: 'root', uid: 0, gid: 0 };
      const time = new Date().toISOString();
      const id = await into.saveSnapshot({ time, tree, paths: [source], tags, programVersion: 'salvor 0.1.0', ...who });
      return { id, hostname, tags, root: '/', entries };
    },
  };
}

function resticWriter(program: string): Writer {
  const env = { PATH: process.env['PATH'], HOME: '/root', RESTIC_PASSWORD: password, TZ: 'UTC' };
  const restic = (...args: string[]): string =>
    execFileSync(program, ['--no-cache', '-r', repository, ...args], { env, encoding: 'utf8' });
  restic('init', '--repository-version', String(version));
  const compression = values.compression === undefined ? [] : ['--compression', values.compression];
  return {
    name: execFileSync(program, ['version'], { encoding: 'utf8' }).split(' ').slice(0, 2).join(' '),
    async save(tags, entries) {
      const tagged = tags.flatMap((tag) => ['--tag', tag]);
      restic(...compression, 'backup', '--host', hostname, ...tagged, source);
      const listed = JSON.parse(restic('snapshots', '--json')) as { id: string }[];
      // restic leaves sockets out.
      const kept = entries.filter(({ type }) => type !== 'socket');
      return { id: listed.at(-1)?.id ?? '', hostname, tags, root: source, entries: kept };
    },
  };
}

/** Everything that Linux keeps of files, in small; what compresses well may be larger, but not where nothing is compressed. */
function makeSource(): void {
  const at = (path: string): string => join(source, path);
  const compresses = version === 2 && values.compression !== 'off';
  mkdirSync(at('dir/empty'), { recursive: true });
  writeFileSync(at('text'), 'a line of text\n'.repeat(300));
  writeFileSync(at('empty'), '');
  writeFileSync(at('random'), noise(20_000));
  if (compresses) {
    writeFileSync(at('chunks'), noise(3000).toString('hex').repeat(400));
    writeFileSync(at('sparse'), 'start');
    truncateSync(at('sparse'), 3_000_000);
    appendFileSync(at('sparse'), 'end');
  }
  linkSync(at('text'), at('dir/hard link'));
  symlinkSync('../text', at('dir/link'));
  // restic before 0.17 would lose it.
  if (!name.startsWith('restic-0.14')) symlinkSync(Buffer.of(0xff, 0xfe), at('dir/link to bytes'));
  writeFileSync(Buffer.concat([Buffer.from(at('latin-')), Buffer.of(0xe9, 0xff)]), 'a name that is not UTF-8');
  writeFileSync(at('größe 日本 ☃ "quoted" \\ \n \t'), 'a name that is');
  makeNode(Buffer.from(at('dir/fifo')), 'fifo', 0n);
  makeNode(Buffer.from(at('dir/socket')), 'socket', 0n);
  makeNode(Buffer.from(at('dir/null')), 'chardev', 0x103n);
  makeNode(Buffer.from(at('dir/disk')), 'dev', 0x700n);
  writeXattr(Buffer.from(at('text')), { name: 'user.note', value: Buffer.from([0, 1, 255]) });
  writeFileSync(at('capable'), 'x', { mode: 0o755 });
  chownSync(at('capable'), 1234, 5678);
  execFileSync('setcap', ['cap_net_bind_service+ep', at('capable')]);
  execFileSync('setfacl', ['-m', 'u:4242:rw', at('random')]);
  execFileSync('setfacl', ['-m', 'd:u:4242:rx', at('dir/empty')]);
  chmodSync(at('empty'), 0o4750);
  chmodSync(at('dir/empty'), 0o3711);
  setTimes(Buffer.from(at('text')), 1n, 1_700_000_000_123_456_789n);
  setTimes(Buffer.from(at('empty')), 1n, -1n);
  setTimes(Buffer.from(at('dir/link')), 1n, 1_600_000_000_000_000_001n);
  setTimes(Buffer.from(at('dir/empty')), 1n, 4_000_000_000_500_000_000n);
}

function changeSource(): void {
  writeFileSync(join(source, 'text'), 'another text\n'.repeat(300));
  rmSync(join(source, 'random'));
  mkdirSync(join(source, 'new'));
}

/** Bytes without a pattern, the same at every run. */
function noise(bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, index) => hash('sha256', String(index), 'buffer'));
  return Buffer.concat(blocks).subarray(0, bytes);
}
