import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Facts } from './preflight.mjs';

const good: Facts = {
  system: { id: 'debian', version: '12', name: 'Debian GNU/Linux 12 (bookworm)', isDebianLike: true },
  npmVersion: '10.0.0',
  npmReachable: { ok: true },
  isRoot: true,
  hasNodeLibrary: true,
  goVersion: 'go1.26.8',
  goReachable: { ok: true },
  aptReachable: { ok: true },
  disks: [{ path: '/var/lib', freeGiB: 50 }],
  isWarm: false,
};

test('a machine with everything passes without a word', () => {
  assert.deepEqual(judge(good, 'lab'), { failures: [], warnings: [] });
});

const broken: readonly (readonly [string, Partial<Facts>, RegExp])[] = [
  ['a user who is not root', { isRoot: false }, /not root/],
  ['no npm', { npmVersion: undefined }, /npm is not installed/],
  ['no Go', { goVersion: undefined }, /Go is not installed/],
  ['an old Go', { goVersion: 'go1.25.9' }, /go1\.25\.9; 1\.26 is needed/],
  ['a full disk', { disks: [{ path: '/var/lib', freeGiB: 19.9 }] }, /19\.9 GiB free; 20 are needed/],
  ['a full disk though the caches are warm', { isWarm: true, disks: [{ path: '/c', freeGiB: 7 }] }, /8 are needed/],
  [
    'no npm registry',
    { npmReachable: { ok: false, reason: 'ENOTFOUND' } },
    /npm registry cannot be reached \(ENOTFOUND\)/,
  ],
  ['no Go module proxy', { goReachable: { ok: false } }, /Go module proxy cannot be reached/],
  [
    'no Debian mirror',
    { aptReachable: { ok: false, reason: 'timeout' } },
    /Debian mirror cannot be reached \(timeout\)/,
  ],
  [
    'another system',
    { system: { id: 'fedora', version: '44', name: 'Fedora', isDebianLike: false } },
    /Debian 12 is needed/,
  ],
];

for (const [what, facts, problem] of broken) {
  test(`${what} is named with a remedy, each in one line`, () => {
    const { failures } = judge({ ...good, ...facts }, 'lab');
    assert.equal(failures.length, 1);
    assert.match(failures[0]!.problem, problem);
    assert.doesNotMatch(`${failures[0]!.problem}${failures[0]!.remedy}`, /\n/);
    assert.ok(failures[0]!.remedy.length > 10);
  });
}

test('everything that is missing is named at once, not one thing per run', () => {
  assert.equal(
    judge({ ...good, isRoot: false, goVersion: undefined, npmVersion: undefined }, 'lab').failures.length,
    3,
  );
});

test('a Debian-like system is warned about and not refused', () => {
  const system = { id: 'ubuntu', version: '24.04', name: 'Ubuntu 24.04', isDebianLike: true };
  const { failures, warnings } = judge({ ...good, system }, 'lab');
  assert.equal(failures.length, 0);
  assert.match(warnings.join('\n'), /Ubuntu 24\.04; only Debian 12 is tested/);
});

test('unit tests need neither root nor Go nor disk', () => {
  const { failures } = judge({ ...good, isRoot: false, goVersion: undefined, disks: [] }, 'unit');
  assert.deepEqual(failures, []);
});

test('the library that Node 26 needs is asked of the user only where it cannot be installed', () => {
  assert.equal(judge({ ...good, hasNodeLibrary: false }, 'unit').failures.length, 0);
  assert.match(judge({ ...good, hasNodeLibrary: false, isRoot: false }, 'unit').failures[0]!.problem, /libatomic/);
});
