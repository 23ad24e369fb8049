import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assetIdOf } from '#api/asset';
import type { Asset, AssetKind, Meaning, Sign, VolumeSource } from '#api/asset';
import { changedBy, classify } from './classify.ts';
import { rules } from './rules.ts';

const evidence = [{ object: 'pvc/x', namespace: 'shop', field: 'spec', value: 'v' }];
const sign = (means: Meaning, more: Partial<Sign> = {}): Sign => ({
  means,
  says: `is ${means}`,
  evidence,
  strength: 'strong',
  ...more,
});
const asset = (kind: AssetKind, name: string, signs: readonly Sign[], source: VolumeSource = 'claim'): Asset => ({
  id: assetIdOf('shop', kind, name),
  kind,
  namespace: 'shop',
  name,
  application: 'shop',
  title: name,
  volume: { source, labels: {}, mounts: [] },
  signs,
});
const verdictOf = (wanted: Asset, ...others: Asset[]): string => {
  const judgement = classify([wanted, ...others]).get(wanted.id);
  return `${judgement?.verdict} ${judgement?.rule}${judgement?.of === undefined ? '' : ` ${judgement.of}`}`;
};

const persistent = sign('persistent');
const db = asset('database', 'db', [persistent]);
const files = (of = db.id): Sign => sign('server-files', { of });

const cases: readonly (readonly [string, string, Asset, ...Asset[]])[] = [
  [
    'a claim of which nothing is known is protected: doubt is never resolved otherwise',
    'Protect lasting',
    asset('volume', 'v', [persistent]),
  ],
  ['a database is protected', 'Protect server', db],
  [
    'the volume of a database is worth what the database is, whatever else looks like a cache',
    'Protect volumeOfServer',
    asset('volume', 'v', [persistent, sign('cache'), files()]),
    db,
  ],
  [
    'a database without a volume is still data',
    'Protect server',
    asset('database', 'v', [sign('program-state')], 'emptyDir'),
  ],
  [
    'a server that forgets at every restart is disposable',
    'Disposable notDurable',
    asset('database', 'v', [sign('not-durable'), persistent]),
  ],
  [
    'a standby is derived from what it follows',
    'Derived followsServer shop/database/db',
    asset('database', 'v', [persistent, sign('replica', { of: db.id })]),
    db,
  ],
  [
    'two servers that follow each other are two sources',
    'Protect server',
    asset('database', 'v', [persistent, sign('replica', { of: assetIdOf('shop', 'database', 'w') })]),
    asset('database', 'w', [persistent, sign('replica', { of: assetIdOf('shop', 'database', 'v') })]),
  ],
  [
    'two databases on one volume: the one that matters decides',
    'Protect volumeOfServer',
    asset('volume', 'v', [persistent, files(assetIdOf('shop', 'database', 'c')), files()]),
    asset('database', 'c', [sign('not-durable')]),
    db,
  ],
  [
    'a member of a server is derived only while another member is kept',
    'Derived memberOfServer shop/database/db',
    asset('volume', 'v-1', [persistent, sign('replica', { of: assetIdOf('shop', 'volume', 'v-0') }), files()]),
    asset('volume', 'v-0', [persistent, files()]),
    db,
  ],
  [
    'a member whose kept member is gone is kept itself',
    'Protect volumeOfServer',
    asset('volume', 'v-1', [persistent, sign('replica', { of: assetIdOf('shop', 'volume', 'v-0') }), files()]),
    db,
  ],
  [
    'backups are derived from what they are backups of',
    'Derived backupTarget shop/database/db',
    asset('volume', 'v', [persistent, sign('backup-target', { of: db.id })]),
    db,
  ],
  [
    'the only copy of something outside is no copy too many',
    'Protect lasting',
    asset('volume', 'v', [persistent, sign('backup-target', { of: assetIdOf('shop', 'database', 'rds') })]),
    asset('database', 'rds', [sign('external')]),
  ],
  [
    'backups of something that is not known are kept',
    'Protect lasting',
    asset('volume', 'v', [persistent, sign('backup-target')]),
  ],
  ['a cache on a claim fills again', 'Regenerable cache', asset('volume', 'v', [persistent, sign('cache')])],
  [
    'what was trained here is kept though it lies beside downloads',
    'Protect madeHere',
    asset('volume', 'v', [persistent, sign('download'), sign('trained')]),
  ],
  [
    'an index without its source is kept',
    'Protect lasting',
    asset('volume', 'v', [persistent, sign('index', { of: assetIdOf('shop', 'database', 'gone') })]),
  ],
  ['a volume that nobody uses is not judged', 'Unknown unused', asset('volume', 'v', [persistent, sign('unused')])],
  ['files on an emptyDir are told', 'Unknown endsWithPod', asset('volume', 'v', [sign('user-files')], 'emptyDir')],
  [
    'the word of the user comes first',
    'Disposable optOut',
    asset('volume', 'v', [persistent, sign('opt-out', { says: 'is marked not to be backed up by Velero' })]),
  ],
  [
    'that one tool shall not copy the files of a database says nothing of the database',
    'Protect volumeOfServer',
    asset('volume', 'v', [persistent, files(), sign('opt-out', { says: 'is marked not to be backed up by Velero' })]),
    db,
  ],
  [
    'whoever asks for protection gets it',
    'Protect optIn',
    asset('volume', 'v', [sign('opt-in'), sign('opt-out'), sign('cache')]),
  ],
  ['nothing known is unknown', 'Unknown inDoubt', asset('bucket', 'v', [])],
  ['objects from Git need no backup', 'Regenerable objects', asset('objects', 'objects', [sign('reproducible')])],
  [
    'objects made by hand exist only here',
    'Protect objects',
    asset('objects', 'objects', [sign('reproducible'), sign('hand-made')]),
  ],
  ['a key that opens other data is kept', 'Protect crownJewel', asset('key', 'k', [sign('crown-jewel')])],
];
for (const [story, expected, wanted, ...others] of cases)
  test(story, () => assert.equal(verdictOf(wanted, ...others), expected));

test('every rule says what would change its verdict, and has a name of its own', () => {
  assert.equal(new Set(rules.map((rule) => rule.name)).size, rules.length);
  for (const rule of rules) assert.match(rule.changedBy, /\.$/);
});

test('what is concluded from the values of a chart is less sure', () => {
  const judgement = classify([{ ...db, inferredFrom: 'helmrelease/db' }]).get(db.id);
  assert.equal(judgement?.confidence, 'medium');
  assert.match(judgement === undefined ? '' : changedBy(judgement), /salvor\.dev\/protect=false/);
});
