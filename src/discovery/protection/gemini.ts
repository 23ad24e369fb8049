import { at, record, text } from '../fields.ts';
import type { ProtectionDetector } from './detector.ts';
import { protectionBy } from './doing.ts';

/** Gemini's SnapshotGroups: CSI snapshots of one claim on a schedule. Source: github.com/FairwindsOps/gemini, README. */
export const gemini: ProtectionDetector = {
  tool: 'gemini',
  detect: ({ index, assets }) =>
    index.all('SnapshotGroup.gemini.fairwinds.com').flatMap((group) => {
      const claim = text(at(group['spec'], 'persistentVolumeClaim', 'claimName')) ?? group.metadata.name;
      const every = JSON.stringify(record(group['spec'])['schedule'] ?? []);
      return assets
        .filter(
          (asset) =>
            asset.kind === 'volume' && asset.namespace === group.metadata.namespace && asset.volume?.claim === claim,
        )
        .map((asset) =>
          protectionBy({
            tool: 'gemini',
            object: group,
            asset,
            how: 'makes snapshots of it',
            field: 'spec.schedule',
            value: every.slice(0, 200),
            but: [
              {
                trouble: 'sameStorage',
                says: 'makes snapshots that stay in the storage system, and are lost with it',
                field: 'spec.persistentVolumeClaim.claimName',
                value: claim,
              },
            ],
          }),
        );
    }),
};
