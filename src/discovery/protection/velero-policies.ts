import { load } from 'js-yaml';
import type { Asset } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { parseQuantity } from '#kube/quantity';
import { at, record, records, text, textMap, texts } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { ObjectIndex } from '../snapshot/snapshot.ts';

/** What a resource policy of Velero says of one volume. */
export interface VolumePolicy {
  /** The ConfigMap. */
  readonly name: string;
  /** `unknown`: it is not there, cannot be read, or its conditions cannot be decided. */
  readonly action: 'skip' | 'fs-backup' | 'snapshot' | 'none' | 'unknown';
}

/**
 * The first policy whose conditions all hold decides (velero.io/docs, "Resource filtering", "Resource policies"). Undefined if
 * the schedule has none.
 */
export function policyFor(index: ObjectIndex, schedule: KubeObject, asset: Asset): VolumePolicy | undefined {
  const name = text(at(schedule['spec'], 'template', 'resourcePolicy', 'name'));
  if (name === undefined) return undefined;
  const policies = policiesOf(index.get('ConfigMap', schedule.metadata.namespace ?? '', name));
  if (policies === undefined) return { name, action: 'unknown' };
  for (const policy of policies) {
    const fits = allHold(record(policy['conditions']), asset);
    if (fits === false) continue;
    const type = text(record(policy['action'])['type']);
    const known = type === 'skip' || type === 'fs-backup' || type === 'snapshot';
    return { name, action: fits === true && known ? type : 'unknown' };
  }
  return { name, action: 'none' };
}

function policiesOf(configMap: KubeObject | undefined): readonly Fields[] | undefined {
  const [content] = Object.values(textMap(configMap?.['data']));
  if (content === undefined) return undefined;
  try {
    return records(record(load(content))['volumePolicies']);
  } catch {
    return undefined;
  }
}

/** Undefined if one of them cannot be decided and none is false. */
function allHold(conditions: Fields, asset: Asset): boolean | undefined {
  const answers = new Set(Object.entries(conditions).map(([name, wanted]) => holds(name, wanted, asset)));
  if (answers.has(false)) return false;
  return answers.has(undefined) ? undefined : true;
}

function holds(name: string, wanted: unknown, { volume, sizeBytes }: Asset): boolean | undefined {
  switch (name) {
    case 'storageClass':
      return volume?.storageClass === undefined ? undefined : texts(wanted).includes(volume.storageClass);
    case 'capacity':
      return sizeBytes === undefined ? undefined : isWithin(text(wanted) ?? '', sizeBytes);
    case 'csi': {
      const driver = text(record(wanted)['driver']);
      return volume?.driver === undefined ? undefined : driver === undefined || driver === volume.driver;
    }
    case 'nfs':
      return volume?.driver === undefined ? undefined : volume.driver === 'nfs';
    case 'volumeTypes':
      return volume?.driver === undefined ? undefined : texts(wanted).includes(volume.driver);
    case 'pvcLabels':
      return Object.entries(textMap(wanted)).every(([key, value]) => volume?.labels[key] === value);
    case 'pvcPhase':
      return volume?.phase === undefined ? undefined : texts(wanted).includes(volume.phase);
    default:
      return undefined;
  }
}

/** `10Gi,100Gi`; either side may be empty. */
function isWithin(range: string, bytes: number): boolean {
  const [low = '', high = ''] = range.split(',').map((one) => one.trim());
  const least = low === '' ? 0 : parseQuantity(low);
  const most = high === '' ? Infinity : parseQuantity(high);
  return bytes >= least && bytes <= most;
}
