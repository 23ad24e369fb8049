import type { KubeObject } from '#api/objects';
import { groupKindOf } from '#api/objects';
import type { Fields } from '../fields.ts';
import { at, record, text } from '../fields.ts';
import type { ProtectionDetector } from './detector.ts';
import { protectionBy } from './doing.ts';

/** What resources of tools that make backups are called. */
const kindName =
  /^(\w*Backup\w*|\w*Snapshot(Policy|Schedule|Group|Plan|Job)|ReplicationSource|\w*ProtectionPolicy|DataProtection\w*)$/;
/** Results and places, which name claims as well and copy nothing by themselves; and what other files here judge. */
const otherKinds =
  /(Storage|Location|Repository|Restore|Content|Class|Target|Session)s?$|^(VolumeSnapshot|VolumeGroupSnapshot)|\.(velero\.io|kasten\.io|k8up\.io|appuio\.ch|volsync\.backube|appscode\.com|kubestash\.com|longhorn\.io|fairwinds\.com|cnpg\.io|mariadb\.com|percona\.com|k8ssandra\.io|salvor\.dev|snapshot\.storage\.k8s\.io)$/;
/** Fields in which they name a claim, as a text or as an object with a name. */
const claimField = /^(source)?(pvc|claim|persistentvolumeclaim)(name|ref)?$/i;
const depthMax = 8;

/**
 * Resources of tools that nobody listed here, which look like backups and name a claim of their namespace. Whether they copy it well
 * is not known, so it is never called protected by them.
 */
export const unknownTools: ProtectionDetector = {
  tool: 'unknown',
  detect: ({ index, assets }) =>
    index.snapshot.objects.filter(looksLikeBackups).flatMap((object) => {
      const claims = new Map(claimsIn(record(object['spec']), 'spec', 0));
      return assets.flatMap((asset) => {
        const claim = asset.kind === 'volume' ? asset.volume?.claim : undefined;
        const field = claim === undefined ? undefined : claims.get(claim);
        if (field === undefined || claim === undefined || asset.namespace !== object.metadata.namespace) return [];
        const but = {
          trouble: 'filtered',
          says: `names it, and is of a tool that this scan does not know (${object.apiVersion})`,
          field,
          value: claim,
        } as const;
        return protectionBy({ tool: 'unknown', object, asset, how: 'names it', field, value: claim, but: [but] });
      });
    }),
};

function looksLikeBackups(object: KubeObject): boolean {
  return kindName.test(object.kind) && !otherKinds.test(object.kind) && !otherKinds.test(groupKindOf(object));
}

function* claimsIn(fields: Fields, path: string, depth: number): Generator<[claim: string, field: string]> {
  if (depth > depthMax) return;
  for (const [name, value] of Object.entries(fields)) {
    const field = `${path}.${name}`;
    const claim = claimField.test(name) ? (text(value) ?? text(at(value, 'name'))) : undefined;
    if (claim !== undefined) yield [claim, field];
    if (typeof value === 'object' && value !== null) yield* claimsIn(value as Fields, field, depth + 1);
  }
}
