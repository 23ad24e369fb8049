import type { Unseen } from '#api/asset';
import type { KubeClient } from '#kube/client';
import { mapLimit } from '#shared/async';
import { isAbort, messageOf } from '#shared/errors';
import { at, integer, records, text } from '../fields.ts';
import { groupKindOf } from '#api/objects';
import type { Snapshot } from './snapshot.ts';

/** Each kubelet measures for itself; more at once only queue in the API server, which passes the question on. */
const nodesMax = 6;

/**
 * Adds how many bytes each mounted claim really uses, as the kubelets measure it (`stats/summary`). Reads only, and needs
 * `get` on `nodes/proxy`; a node that does not answer is told, and its volumes keep the size that was asked for.
 */
export async function measureUsedBytes(client: KubeClient, snapshot: Snapshot, signal: AbortSignal): Promise<Snapshot> {
  const nodes = snapshot.objects
    .filter((object) => groupKindOf(object) === 'Node')
    .map(({ metadata }) => metadata.name);
  const usedBytes = new Map<string, number>();
  const unseen: Unseen[] =
    nodes.length > 0 ? [] : [{ what: 'used bytes', reason: 'no node may be listed', hides: 'detail' }];
  await mapLimit(
    nodes,
    nodesMax,
    async (node, both) => {
      try {
        const path = `/api/v1/nodes/${encodeURIComponent(node)}/proxy/stats/summary`;
        for (const [claim, bytes] of claimsIn(await client.request({ method: 'GET', path, signal: both })))
          usedBytes.set(claim, bytes);
      } catch (error) {
        if (isAbort(error)) throw error;
        unseen.push({ what: `used bytes on node ${node}`, reason: messageOf(error), hides: 'detail' });
      }
    },
    signal,
  );
  return { ...snapshot, usedBytes, unseen: [...snapshot.unseen, ...unseen] };
}

/** `NAMESPACE/CLAIM` and its bytes, for every mounted claim of a summary. */
function claimsIn(summary: unknown): (readonly [string, number])[] {
  return records(at(summary, 'pods')).flatMap((pod) =>
    records(pod['volume']).flatMap((volume) => {
      const name = text(at(volume, 'pvcRef', 'name'));
      const bytes = integer(volume['usedBytes']);
      return name === undefined || bytes === undefined
        ? []
        : [[`${text(at(volume, 'pvcRef', 'namespace')) ?? ''}/${name}`, bytes] as const];
    }),
  );
}
