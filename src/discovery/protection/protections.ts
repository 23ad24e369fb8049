import type { Protection } from '#api/asset';
import { cloudNativePg } from './cloudnative-pg.ts';
import { databaseOperators } from './database-operators.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { dumpJobs } from './dump-jobs.ts';
import { gemini } from './gemini.ts';
import { k8up } from './k8up.ts';
import { kasten } from './kasten.ts';
import { longhorn } from './longhorn.ts';
import { stash } from './stash.ts';
import { strimzi } from './strimzi.ts';
import { unknownTools } from './unknown-tools.ts';
import { velero } from './velero.ts';
import { volsync } from './volsync.ts';

/** Every tool whose protection is known. */
const detectors: readonly ProtectionDetector[] = [
  velero,
  kasten,
  k8up,
  volsync,
  stash,
  longhorn,
  gemini,
  cloudNativePg,
  databaseOperators,
  strimzi,
  dumpJobs,
  unknownTools,
];

/** What protects the assets of a snapshot already, tool by tool. Pure. */
export function detectProtections(input: ProtectionInput): Protection[] {
  return detectors.flatMap((detector) => detector.detect(input));
}
