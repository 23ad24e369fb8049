/** The names by which people call a recovery point. */
const recoveryPointNames = new Set(['recoverypoints', 'recoverypoint', 'points', 'point', 'rp']);

export function isRecoveryPoint(kind: string): boolean {
  return recoveryPointNames.has(kind.toLowerCase());
}
