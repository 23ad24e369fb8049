import { at, text } from '../fields.ts';
import type { ProtectionDetector } from './detector.ts';
import { healthOf, hotCopy, protectionBy } from './doing.ts';
import type { But } from './doing.ts';

const movers = ['restic', 'kopia', 'rclone', 'syncthing', 'rsync', 'rsyncTLS', 'external'] as const;

/**
 * VolSync's ReplicationSources, one per claim. `copyMethod: Direct` reads the live volume, the others a snapshot or clone.
 * syncthing and rsync keep another live copy and no history. Source: volsync.readthedocs.io, "ReplicationSource".
 */
export const volsync: ProtectionDetector = {
  tool: 'volsync',
  detect: (input) =>
    input.index.all('ReplicationSource.volsync.backube').flatMap((source) => {
      const { spec, status } = source;
      const claim = text(at(spec, 'sourcePVC'));
      const mover = movers.find((one) => at(spec, one) !== undefined);
      if (mover === undefined) return [];
      const field = `spec.${mover}`;
      const method = text(at(spec, mover, 'copyMethod'));
      const live: But | undefined =
        mover === 'syncthing' || mover === 'rsync' || mover === 'rsyncTLS'
          ? {
              trouble: 'incomplete',
              says: 'keeps a second live copy, to which what is deleted or damaged here is copied as well',
              field,
              value: mover,
            }
          : undefined;
      const result = text(at(status, 'latestMoverStatus', 'result'));
      return input.assets
        .filter(
          (asset) =>
            asset.kind === 'volume' && asset.namespace === source.metadata.namespace && asset.volume?.claim === claim,
        )
        .map((asset) =>
          protectionBy({
            tool: 'volsync',
            object: source,
            asset,
            how: `copies it with ${mover}`,
            field: 'spec.trigger',
            value: text(at(spec, 'trigger', 'schedule')) ?? text(at(spec, 'trigger', 'manual')) ?? 'always',
            but: [
              healthOf(input, {
                paused: { field: 'spec.paused', value: at(spec, 'paused') },
                succeeded: { field: 'status.lastSyncTime', value: text(at(status, 'lastSyncTime')) },
                failed: result === 'Failed' ? { field: 'status.latestMoverStatus.result', value: result } : undefined,
              }),
              live,
              method === 'Direct' || method === 'None' || mover === 'syncthing'
                ? hotCopy(asset, `${field}.copyMethod`, method ?? mover)
                : undefined,
            ],
          }),
        );
    }),
};
