import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** `salvor repo ...` beside the stock restic on one repository: what one says and does, the other sees. */

const program = fileURLToPath(new URL('../../bin/salvor.ts', import.meta.url));
const restics = ['restic', join(process.env['SALVOR_LAB_BIN'] ?? '', 'restic')];
const big = randomBytes(3_000_000);
let base: string;
const at = (name: string): string => join(base, name);

interface Answer {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function run(program_: string, args: readonly string[], env: Record<string, string> = {}): Answer {
  const environment = { PATH: process.env['PATH'] ?? '', HOME: base, TZ: 'UTC', ...env };
  const { status, stdout, stderr } = spawnSync(program_, args, { env: environment, maxBuffer: 2 ** 26 });
  return { code: status, stdout, stderr: stderr.toString() };
}

function salvor(...args: string[]): Answer {
  return run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    program,
    'repo',
    ...args,
    '--store',
    at('repository'),
  ]);
}

function restic(path: string, keyFile: string, ...args: string[]): string {
  const answer = run(path, ['--no-cache', '-q', '-r', at('repository'), ...args], { RESTIC_PASSWORD_FILE: keyFile });
  assert.equal(answer.code, 0, answer.stderr);
  return answer.stdout.toString();
}

const key = (): string[] => ['--key-file', at('key')];

before(async () => {
  base = await mkdtemp(join(tmpdir(), 'salvor-repo-'));
  await mkdir(at('source/sub'), { recursive: true });
  await writeFile(at('source/big'), big);
  await writeFile(at('source/sub/copy'), big);
  await writeFile(at('source/line\u001b[2Jbreak'), 'hostile name');
  assert.equal(salvor('init', ...key()).code, 0);
  for (const path of restics) restic(path, at('key'), 'backup', at('source'));
});
after(async () => rm(base, { recursive: true, force: true }));

test('snapshots and files are listed, and names that move the cursor do not', () => {
  const listed = salvor('ls', ...key(), '-o', 'name');
  assert.equal(listed.stdout.toString().trim().split('\n').length, restics.length, listed.stderr);
  const files = salvor('ls', 'latest', '-R', ...key());
  assert.equal(files.code, 0, files.stderr);
  assert.match(files.stdout.toString(), /source\/sub\/copy/);
  assert.ok(!files.stdout.includes('\u001b'));
  assert.equal(salvor('ls', 'latest:/nowhere', ...key()).code, 4);
});

test('one file comes out as it went in, and goes over no other', async () => {
  const dumped = salvor('dump', `latest:${at('source/sub/copy')}`, ...key());
  assert.ok(dumped.stdout.equals(big), dumped.stderr);
  const target = ['--target', at('dumped'), ...key()];
  assert.equal(salvor('dump', `latest:${at('source/big')}`, ...target).code, 0);
  assert.ok((await readFile(at('dumped'))).equals(big));
  assert.equal(salvor('dump', `latest:${at('source/big')}`, ...target).code, 5);
});

test('the same bytes are stored once, and the numbers say so', () => {
  const { code, stdout, stderr } = salvor('stats', ...key(), '-o', 'json');
  assert.equal(code, 0, stderr);
  const stats = JSON.parse(stdout.toString()) as {
    files: number;
    bytes: number;
    uniqueBytes: number;
    deduplication: number;
  };
  assert.equal(stats.files, 3 * restics.length);
  assert.ok(stats.uniqueBytes < big.length + 100_000);
  assert.ok(stats.deduplication > 3);
});

test('a part of the data is read, or all of it, and damage ends with an exit code and the pack by name', async () => {
  assert.equal(salvor('check', '--read-data', ...key()).code, 0);
  assert.equal(salvor('check', '--read-data-subset', '1/2', ...key()).code, 0);
  const names = run('find', [at('repository/data'), '-type', 'f', '-size', '+1M', '-printf', '%p']).stdout.toString();
  const pack = await readFile(names);
  const spoiled = Buffer.from(pack);
  spoiled.writeUInt8(spoiled.readUInt8(1000) ^ 1, 1000);
  await writeFile(names, spoiled);
  try {
    assert.equal(salvor('check', ...key()).code, 0);
    const found = salvor('check', '--read-data', ...key());
    assert.equal(found.code, 10);
    assert.match(found.stdout.toString(), new RegExp(`data/../${names.slice(-64).slice(0, 8)}`));
    const told = JSON.parse(salvor('check', '--read-data', '-o', 'json', ...key()).stdout.toString()) as {
      hits: { paths: string[] }[];
    };
    assert.equal(told.hits.length, restics.length);
    for (const { paths } of told.hits)
      for (const name of ['source/big', 'source/sub/copy'])
        assert.ok(
          paths.some((path) => path.endsWith(name)),
          name,
        );
  } finally {
    await writeFile(names, pack);
  }
});

test('keys that one adds the other uses, and a rotation leaves the old one without power', () => {
  assert.equal(salvor('keys', 'add', '--new-key-file', at('second'), ...key()).code, 0);
  for (const path of restics) assert.match(restic(path, at('second'), 'snapshots', '--json'), /"short_id"/);
  const rotated = salvor('keys', 'rotate', '--key-file', at('second'), '--new-key-file', at('third'));
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.equal(salvor('keys', 'list', '--key-file', at('second')).code, 12);
  const left = JSON.parse(salvor('keys', 'list', ...key(), '-o', 'json').stdout.toString()) as {
    keys: { id: string }[];
  };
  assert.equal(left.keys.length, 2);
  for (const path of restics)
    assert.match(restic(path, at('third'), 'key', 'list'), new RegExp(left.keys[0]!.id.slice(0, 8)));
  for (const path of restics) restic(path, at('third'), 'check', '--read-data');
});

test('another repository with another key gets the snapshots, and restic reads them there', () => {
  const to = ['--store', at('elsewhere'), '--key-file', at('other')];
  const options = ['--disable-warning=ExperimentalWarning', program, 'repo'];
  assert.equal(run(process.execPath, [...options, 'init', ...to]).code, 0);
  const from = ['--from', at('repository'), '--from-key-file', at('key')];
  const copied = run(process.execPath, [...options, 'copy', ...from, ...to]);
  assert.equal(copied.code, 0, copied.stderr);
  for (const path of restics) {
    const checked = run(path, ['--no-cache', '-r', at('elsewhere'), 'check', '--read-data'], {
      RESTIC_PASSWORD_FILE: at('other'),
    });
    assert.equal(checked.code, 0, checked.stderr);
  }
});
