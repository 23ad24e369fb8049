import type { KubeObject } from '#api/objects';
import type { LocalChart } from './charts.ts';
export function inferFromHelm(_objects: readonly KubeObject[], _charts: readonly LocalChart[]): KubeObject[] {
  return [];
}
