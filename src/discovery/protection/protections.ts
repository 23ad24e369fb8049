import type { Protection } from '#api/asset';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { velero } from './velero.ts';

/** Every tool whose protection is known. */
const detectors: readonly ProtectionDetector[] = [velero];

/** What protects the assets of a snapshot already, tool by tool. Pure. */
export function detectProtections(input: ProtectionInput): Protection[] {
  return detectors.flatMap((detector) => detector.detect(input));
}
