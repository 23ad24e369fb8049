import { at, record, records, text } from '../fields.ts';
import type { ProtectionDetector } from './detector.ts';
import { healthOf, hotCopy, protectionBy } from './doing.ts';
import type { But } from './doing.ts';

const snapshotOnly: But = {
  trouble: 'sameStorage',
  says: 'makes snapshots that stay in the storage system',
  field: 'spec.driver',
  value: 'VolumeSnapshotter',
};

/**
 * Stash's BackupConfigurations and KubeStash's: of a claim, or of a workload, whose claims are then copied as files; of an
 * AppBinding or another resource of a database, by a dump. Source: stash.run/docs and kubestash.com/docs, "BackupConfiguration".
 */
export const stash: ProtectionDetector = {
  tool: 'stash',
  detect: (input) =>
    [
      ...input.index.all('BackupConfiguration.stash.appscode.com'),
      ...input.index.all('BackupConfiguration.core.kubestash.com'),
    ].flatMap((configuration) => {
      const { spec, status, metadata } = configuration;
      const ref = record(at(spec, 'target', 'ref') ?? at(spec, 'target'));
      const [kind, name] = [text(ref['kind']) ?? '', text(ref['name']) ?? ''];
      const namespace = text(ref['namespace']) ?? metadata.namespace;
      const workload = `${kind.toLowerCase()}/${name}`;
      const cron =
        text(at(spec, 'schedule')) ?? text(at(records(at(spec, 'sessions'))[0], 'scheduler', 'schedule')) ?? '';
      const phase = text(at(status, 'phase'));
      return input.assets
        .filter((asset) => {
          if (asset.namespace !== namespace) return false;
          if (kind === 'PersistentVolumeClaim') return asset.kind === 'volume' && asset.volume?.claim === name;
          if (asset.kind === 'volume')
            return (
              asset.volume?.claim !== undefined && asset.volume.mounts.some((mount) => mount.workload === workload)
            );
          return (
            asset.engine !== undefined &&
            (asset.workload === workload || (kind === 'AppBinding' && asset.name === name))
          );
        })
        .map((asset) =>
          protectionBy({
            tool: 'stash',
            object: configuration,
            asset,
            how: asset.kind === 'volume' ? 'copies its files' : 'dumps it',
            field: 'spec.schedule',
            value: cron,
            but: [
              healthOf(input, {
                paused: { field: 'spec.paused', value: at(spec, 'paused') },
                failed: phase === 'Invalid' || phase === 'Failed' ? { field: 'status.phase', value: phase } : undefined,
              }),
              at(spec, 'driver') === 'VolumeSnapshotter' ? snapshotOnly : undefined,
              asset.kind === 'volume' && at(spec, 'driver') !== 'VolumeSnapshotter'
                ? hotCopy(asset, 'spec.target.ref', workload)
                : undefined,
            ],
          }),
        );
    }),
};
