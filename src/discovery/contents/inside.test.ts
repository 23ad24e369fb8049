import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placesOf } from '../snapshot/look-inside.ts';
import { recognizeInside } from './inside.ts';

interface Seen {
  readonly entries: readonly string[];
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  readonly sqlite?: readonly string[];
  readonly partial?: boolean;
}

const told = ({ entries, folders = {}, sqlite = [], partial = false }: Seen): string => {
  const look = { pod: 'p', path: '/x', entries, folders: new Map(Object.entries(folders)), sqlite, partial };
  const found = recognizeInside(look);
  return found === undefined ? 'nothing' : `${found.means}: ${found.says}`;
};

const stories: readonly (readonly [title: string, seen: Seen, expected: RegExp])[] = [
  [
    'a data folder one level down is found',
    { entries: ['pgdata/'], folders: { pgdata: ['PG_VERSION', 'base/', 'global/'] } },
    /^found-data: .*PostgreSQL/,
  ],
  ['a cache beside a database does not hide it', { entries: ['node_modules/', 'ibdata1'] }, /^found-data: .*MySQL/],
  [
    'blocks of Prometheus are told by their names',
    { entries: ['01HZX3Y4W5V6T7S8R9QPNMKJHG/', 'wal/', 'lock'] },
    /time series/,
  ],
  ['a file that begins like SQLite is a database', { entries: ['x.db'], sqlite: ['x.db'] }, /^found-data: .*SQLite/],
  ['nothing but package caches fills again', { entries: ['lost+found/', 'node_modules/', '.npm/'] }, /^cache/],
  ['one other file makes it more than a cache', { entries: ['node_modules/', 'notes.txt'] }, /^nothing$/],
  ['what was not listed to its end is no mere cache', { entries: ['node_modules/'], partial: true }, /^nothing$/],
  [
    'the cache of the hub is downloaded again',
    { entries: ['hub/'], folders: { hub: ['models--acme--m/', 'version.txt'] } },
    /^download/,
  ],
  ['weights that lie about may have been made here', { entries: ['model.safetensors', 'config.json'] }, /^found-data/],
  ['an empty volume is called that', { entries: ['lost+found/'] }, /^found-empty/],
];
for (const [title, seen, expected] of stories) test(title, () => assert.match(told(seen), expected));

test('a claim is looked at where all of it is mounted, in a pod that runs', () => {
  const pod = (name: string, phase: string, mounts: object[]) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'n' },
    spec: {
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'files' } }],
      containers: [{ name: 'c', volumeMounts: mounts }],
    },
    status: { phase },
  });
  const places = placesOf([
    pod('pending', 'Pending', [{ name: 'v', mountPath: '/a' }]),
    pod('part', 'Running', [{ name: 'v', mountPath: '/b', subPath: 'x' }]),
    pod('whole', 'Running', [
      { name: 'v', mountPath: '/c' },
      { name: 'other', mountPath: '/d' },
    ]),
  ]);
  assert.deepEqual(places, [
    { namespace: 'n', claim: 'files', pod: 'whole', container: 'c', path: '/c', partial: false },
  ]);
});
