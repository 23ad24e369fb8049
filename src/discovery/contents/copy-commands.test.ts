import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyCommandsIn } from './copy-commands.ts';

const commands: readonly (readonly [command: string, program: string, ...sources: string[]])[] = [
  ['restic -r s3:far/x backup --exclude /data/tmp /data /etc/app', 'restic', '/data', '/etc/app'],
  ['restic --repo /repo backup /src', 'restic', '/src'],
  ['cd / && kopia snapshot create /data; echo done', 'kopia', '/data'],
  ['borg create ssh://far/./repo::{now} /data', 'borg', '/data'],
  ['rclone sync /photos b2:photos', 'rclone', '/photos'],
  ['rclone --config /config/rclone.conf copy /photos b2:photos --transfers 4', 'rclone', '/photos'],
  ['rsync -a --delete /from/ /to/', 'rsync', '/from/'],
  ['aws s3 sync /data s3://far/data', 'aws s3', '/data'],
  ['tar czf /out/data.tgz -C /data .', 'tar', '/data'],
  ['tar -czf /out/data.tgz /data', 'tar', '/data'],
];
for (const [command, program, ...sources] of commands)
  test(`${command} reads ${sources.join(' and ')}`, () => {
    assert.deepEqual(
      copyCommandsIn(command).map((one) => [one.program, ...one.sources]),
      [[program, ...sources]],
    );
  });

const others: readonly string[] = [
  'rclone sync planet:tiles /tiles',
  'aws s3 sync s3://models /models',
  'restic restore latest --target /data',
  'restic forget --keep-last 3 --prune',
  'restic check',
  'tar xzf /in/data.tgz -C /data',
  'rsync -a rsync://mirror/debian /mirror',
];
for (const command of others)
  test(`${command} copies nothing away`, () => assert.deepEqual(copyCommandsIn(command), []));
