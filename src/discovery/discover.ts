import type { Asset, AssetId, Relation } from '#api/asset';
import { AssetBuilder } from './builder.ts';
import { detectContents } from './contents/contents.ts';
import { detectInside } from './contents/inside.ts';
import { detectPreferences } from './contents/preferences.ts';
import { detectAskedStorage } from './detectors/asked-storage.ts';
import { detectBuckets } from './detectors/buckets.ts';
import { detectObjects } from './detectors/cluster-objects.ts';
import { detectAllowedUses } from './detectors/network-policies.ts';
import { detectCopies } from './detectors/copies.ts';
import { detectExternal } from './detectors/external.ts';
import { detectKeysAndVaults } from './detectors/keys-and-vaults.ts';
import { detectMachines } from './detectors/machines.ts';
import { detectOperators } from './detectors/operators.ts';
import { detectServedModels } from './detectors/served-models.ts';
import { detectServers } from './detectors/servers.ts';
import { detectUses } from './detectors/uses.ts';
import { detectVolumes } from './detectors/volumes.ts';
import { ServiceMap } from './services.ts';
import { indexObjects } from './snapshot/snapshot.ts';
import type { ObjectIndex, Snapshot } from './snapshot/snapshot.ts';
import { workloadsOf } from './workloads.ts';
import type { Workload } from './workloads.ts';

/** Everything that was found, before anything is judged. */
export interface Discovery {
  readonly index: ObjectIndex;
  readonly services: ServiceMap;
  readonly workloads: readonly Workload[];
  readonly assets: readonly Asset[];
  readonly relations: readonly Relation[];
}

/** Finds every piece of data that a snapshot names, what is seen of it, and how they depend on each other. Pure. */
export function discover(snapshot: Snapshot): Discovery {
  const index = indexObjects(snapshot);
  const builder = new AssetBuilder(index, workloadsOf(index));
  const services = new ServiceMap(builder);
  detectVolumes(builder);
  detectMachines(builder);
  detectOperators(builder, services);
  detectServers(builder);
  detectCopies(builder, services);
  detectUses(builder, services);
  detectAllowedUses(builder);
  detectExternal(builder, services);
  detectBuckets(builder, services);
  detectServedModels(builder);
  detectKeysAndVaults(builder);
  detectAskedStorage(builder);
  detectContents(builder);
  detectInside(builder);
  detectPreferences(builder);
  detectObjects(builder);
  if (snapshot.usedBytes !== undefined) addUsedBytes(builder, snapshot.usedBytes);
  return { index, services, workloads: builder.workloads, assets: builder.build(), relations: builder.relations() };
}

/** What was measured of a claim, and for a server the sum over its claims if all of them were measured. */
function addUsedBytes(builder: AssetBuilder, usedBytes: ReadonlyMap<string, number>): void {
  const usedBy = (id: AssetId): number | undefined => {
    const draft = builder.get(id);
    return draft?.volume?.claim === undefined ? undefined : usedBytes.get(`${draft.namespace}/${draft.volume.claim}`);
  };
  for (const [id, draft] of builder.all()) {
    const used =
      draft.kind === 'volume' ? [usedBy(id)] : builder.relationsFrom(id, 'holds').map(({ to }) => usedBy(to));
    const known = used.filter((bytes) => bytes !== undefined);
    if (known.length > 0 && known.length === used.length)
      builder.update(id, { usedBytes: known.reduce((sum, bytes) => sum + bytes, 0) });
  }
}
