import type { Rule } from './rule.ts';
import { backupTarget } from './rules/backup-target.ts';
import { cache } from './rules/cache.ts';
import { crownJewel } from './rules/crown-jewel.ts';
import { downloaded } from './rules/downloaded.ts';
import { elsewhere } from './rules/elsewhere.ts';
import { endsWithPod } from './rules/ends-with-pod.ts';
import { followsServer } from './rules/follows-server.ts';
import { foundInside } from './rules/found-inside.ts';
import { inDoubt } from './rules/in-doubt.ts';
import { lasting } from './rules/lasting.ts';
import { machineDisk } from './rules/machine-disk.ts';
import { madeFromAsset } from './rules/made-from-asset.ts';
import { madeHere } from './rules/made-here.ts';
import { memberOfServer } from './rules/member-of-server.ts';
import { nodeFolder } from './rules/node-folder.ts';
import { notDurable } from './rules/not-durable.ts';
import { objects } from './rules/objects.ts';
import { ofTheNode } from './rules/of-the-node.ts';
import { optIn } from './rules/opt-in.ts';
import { optOut } from './rules/opt-out.ts';
import { scratch } from './rules/scratch.ts';
import { server } from './rules/server.ts';
import { unused } from './rules/unused.ts';
import { volumeOfServer } from './rules/volume-of-server.ts';

/**
 * How a verdict is found: the first rule that answers decides. The user's word comes first; then what is elsewhere; then
 * what is certainly data; only then what can be made again; and what is left outlives its pods or is in doubt.
 */
export const rules: readonly Rule[] = [
  optIn,
  optOut,
  elsewhere,
  crownJewel,
  objects,
  followsServer,
  notDurable,
  server,
  memberOfServer,
  volumeOfServer,
  machineDisk,
  madeHere,
  foundInside,
  ofTheNode,
  backupTarget,
  downloaded,
  scratch,
  cache,
  madeFromAsset,
  endsWithPod,
  unused,
  nodeFolder,
  lasting,
  inDoubt,
];
