import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import { node } from './fixtures.ts';
import { blobId } from './ids.ts';
import { decodeTree, encodeTree } from './tree.ts';
import type { TreeNode } from './types.ts';

const id = blobId(Buffer.from('some blob'));

test('a tree is written byte for byte as restic writes it', () => {
  const tree = encodeTree([
    node('link', { type: 'symlink', mode: 0o777, linkTarget: Buffer.from('a<b'), links: 1 }),
    node('file', {
      type: 'file',
      mode: 0o4755,
      user: 'root',
      group: 'root',
      deviceId: 2049n,
      size: 3,
      links: 2,
      xattrs: [{ name: 'user.note', value: Buffer.from('hi') }],
      content: [id],
    }),
    node('dir', { type: 'dir', mode: 0o1777, subtree: id }),
  ]);
  const times = ['mtime', 'atime', 'ctime'].map((name) => `"${name}":"2023-11-14T22:13:20.123456789Z"`).join(',');
  assert.equal(
    tree.toString(),
    `{"nodes":[{"name":"dir","type":"dir","mode":2148532735,${times},"uid":0,"gid":0,"inode":7,"content":null,"subtree":"${id}"},` +
      `{"name":"file","type":"file","mode":8389101,${times},"uid":0,"gid":0,"user":"root","group":"root","inode":7,"device_id":2049,` +
      `"size":3,"links":2,"extended_attributes":[{"name":"user.note","value":"aGk="}],"content":["${id}"]},` +
      `{"name":"link","type":"symlink","mode":134218239,${times},"uid":0,"gid":0,"inode":7,"links":1,"linktarget":"a\\u003cb","content":null}]}\n`,
  );
  assert.equal(encodeTree([]).toString(), '{"nodes":[]}\n');
});

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const timeNs = fc.bigInt({ min: -62_135_596_800_000_000_000n, max: 253_402_300_799_000_000_000n });
const bytes = (minLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength: 40 }).map((value) => Buffer.from(value));
const entryName = bytes(1).filter(
  (name) => !name.includes(0) && !name.includes('/') && name.toString() !== '.' && name.toString() !== '..',
);

const common = fc.record({
  name: entryName,
  mode: fc.nat({ max: 0o7777 }),
  mtimeNs: timeNs,
  atimeNs: timeNs,
  ctimeNs: timeNs,
  uid: fc.nat({ max: 2 ** 32 - 1 }),
  gid: fc.nat({ max: 2 ** 32 - 1 }),
  inode: uint64,
  deviceId: uint64,
});
// Linux has no zero byte in names and targets.
const xattrName = fc.string({ unit: 'binary' }).filter((name) => !name.includes('\0'));
const linkTarget = bytes(1).filter((target) => !target.includes(0));
const byType: fc.Arbitrary<Partial<TreeNode> & Pick<TreeNode, 'type'>> = fc.oneof(
  fc.record({
    type: fc.constant('file' as const),
    size: fc.nat(),
    links: fc.integer({ min: 1, max: 9 }),
    content: fc.array(bytes(0).map(blobId), { maxLength: 4 }),
    xattrs: fc.array(fc.record({ name: xattrName, value: bytes(0) }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 3,
    }),
    user: fc.string({ unit: 'binary', minLength: 1 }),
  }),
  fc.record({ type: fc.constant('dir' as const), subtree: bytes(0).map(blobId) }),
  fc.record({ type: fc.constant('symlink' as const), linkTarget }),
  fc.record({
    type: fc.constantFrom('dev' as const, 'chardev' as const),
    rdev: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ type: fc.constantFrom('fifo' as const, 'socket' as const, 'irregular' as const) }),
);

test('any nodes survive, sorted by the bytes of their names', () => {
  const nodes = fc.uniqueArray(
    fc.tuple(common, byType).map(([one, other]): TreeNode => ({ ...one, ...other })),
    { selector: (one) => one.name.toString('hex'), maxLength: 8 },
  );
  fc.assert(
    fc.property(nodes, (value) => {
      const sorted = [...value].sort((left, right) => Buffer.compare(left.name, right.name));
      const encoded = encodeTree(value);
      assert.deepEqual(decodeTree(encoded, id), sorted);
      assert.deepEqual(encodeTree(sorted.reverse()), encoded);
    }),
  );
});

test('names that could not be directory entries are neither written nor read', () => {
  for (const name of ['', '.', '..', 'a/b', '/', 'a\0b']) {
    assert.throws(() => encodeTree([node(name, { type: 'fifo' })]), { code: 'InvalidInput' });
    const forged = encodeTree([node('NAME', { type: 'fifo' })])
      .toString()
      .replace('NAME', name.replace('\0', '\\\\x00'));
    assert.throws(() => decodeTree(Buffer.from(forged), id), { code: 'RepositoryCorrupt' }, name);
  }
  const twice = node('same', { type: 'fifo' });
  assert.throws(() => encodeTree([twice, twice]), { code: 'InvalidInput' });
  const one = encodeTree([twice]).toString().trim().slice('{"nodes":['.length, -2);
  assert.throws(() => decodeTree(Buffer.from(`{"nodes":[${one},${one}]}`), id), { code: 'RepositoryCorrupt' });
});

test('fields of other versions and an empty list of nodes are no trouble', () => {
  assert.deepEqual(decodeTree(Buffer.from('{"nodes":null}'), id), []);
  const text = encodeTree([node('a', { type: 'file' })]).toString();
  const extended = text.replace('"uid"', '"generic_attributes":{"x":[1]},"error":"e","uid"');
  assert.deepEqual(decodeTree(Buffer.from(extended), id), decodeTree(Buffer.from(text), id));
});

test('whatever a hostile tree holds is an error with a code, never a crash', () => {
  const text = encodeTree([
    node('f', { type: 'file', content: [id], size: 3 }),
    node('d', { type: 'dir', subtree: id }),
  ]).toString();
  const refused = (forged: string): void => {
    assert.throws(() => decodeTree(Buffer.from(forged, 'latin1'), id), { code: 'RepositoryCorrupt' }, forged);
  };
  for (const [from, to] of [
    ['"type":"file"', '"type":"__proto__"'],
    ['"type":"file"', '"type":7'],
    ['"size":3', '"size":-3'],
    ['"size":3', '"size":1e300'],
    ['"uid":0', '"uid":4294967296'],
    ['"inode":7', '"inode":18446744073709551616'],
    ['"inode":7', '"inode":"7"'],
    [`"content":["${id}"]`, '"content":["../../etc"]'],
    [`"content":["${id}"]`, '"content":{}'],
    [`,"subtree":"${id}"`, ''],
    ['2023-11-14T22:13:20', '2023-99-14T22:13:20'],
    ['"name":"f"', '"name":"f\\\\q"'],
    ['"name":"f"', '"name":"f\xff"'],
  ] as const) {
    refused(text.replace(from, to));
  }
  for (const junk of ['', 'null', '[]', '7', '{"nodes":[null]}', '{"nodes":[[]]}', '{"nodes":{}}', '{"nodes":[{}]}'])
    refused(junk);
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 255 }), (at, byte) => {
      const damaged = Buffer.from(text);
      damaged[at % damaged.length] = byte;
      try {
        decodeTree(damaged, id);
      } catch (error) {
        assert.ok(error instanceof SalvorError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('what a writer does not know and leaves out is what Go takes for it: zero', () => {
  const [stdin] = decodeTree(Buffer.from('{"nodes":[{"name":"stdin","type":"file","mode":0}]}'), id);
  assert.deepEqual([stdin?.uid, stdin?.gid, stdin?.size, stdin?.content], [0, 0, 0, []]);
  assert.equal(stdin?.mtimeNs, -62_135_596_800_000_000_000n);
});

test('a zero byte, which would end names early in system calls, is refused in link targets and attribute names', () => {
  const text = encodeTree([
    node('l', {
      type: 'symlink',
      linkTarget: Buffer.from('away'),
      xattrs: [{ name: 'user.x', value: Buffer.alloc(0) }],
    }),
  ]).toString();
  for (const [from, to] of [
    ['"linktarget":"away"', '"linktarget":"a\\u0000y"'],
    ['"linktarget":"away"', '"linktarget":"away","linktarget_raw":"AA=="'],
    ['"user.x"', '"user.\\u0000x"'],
  ] as const) {
    assert.throws(() => decodeTree(Buffer.from(text.replace(from, to)), id), { message: /has a zero byte/ });
  }
});
