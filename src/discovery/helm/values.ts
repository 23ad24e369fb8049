import { record, records, text } from '../fields.ts';
import type { Fields } from '../fields.ts';

/** Keys of values that are about storage, and those that never are. */
export const storageKeys = new Set([
  'persistence',
  'persistentVolume',
  'persistentVolumeClaim',
  'dataVolume',
  'dataStorage',
  'storageSpec',
  'storage',
  'volumeClaimTemplate',
  'volumeClaimTemplates',
  'dataStore',
  'resources',
  'affinity',
  'ingress',
  'service',
  'metrics',
]);

/** One volume that values ask for. */
export interface Storage {
  readonly key: string;
  readonly fields: Fields;
  readonly size?: string | undefined;
}

/** What a part says of its volumes: `persistence: {size}`, `persistence: {name: {size}}`, `storageSpec: {volumeClaimTemplate}`. */
export function storagesOf(values: Fields): Storage[] {
  const found: Storage[] = [];
  for (const key of storageKeys) {
    const fields = record(values[key]);
    if (Object.keys(fields).length === 0 || fields['enabled'] === false) continue;
    if (isStorage(fields)) found.push({ key: 'data', fields, size: text(fields['size']) });
    const template = record(
      fields['volumeClaimTemplate'] ?? (key.startsWith('volumeClaimTemplate') ? fields : undefined),
    );
    const size =
      text(record(record(record(template['spec'])['resources'])['requests'])['storage']) ??
      text(record(record(template['resources'])['requests'])['storage']);
    if (size !== undefined)
      found.push({ key: 'data', fields: { storageClass: record(template['spec'])['storageClassName'] }, size });
    if (key !== 'resources' && key !== 'service' && key !== 'ingress')
      for (const [name, part] of Object.entries(fields))
        if (name !== 'volumeClaimTemplate' && isStorage(record(part)) && record(part)['enabled'] !== false)
          found.push({ key: name.toLowerCase(), fields: record(part), size: text(record(part)['size']) });
  }
  return found.filter((one, index) => found.findIndex((other) => other.key === one.key) === index);
}

function isStorage(fields: Fields): boolean {
  return (
    fields['enabled'] === true ||
    ['size', 'existingClaim', 'storageClass', 'storageClassName'].some(
      (field) => text(fields[field]) !== undefined && text(fields[field]) !== '',
    )
  );
}

const addressKey = /(host|hostname|url|uri|endpoint|dsn|server|address|bucket(name)?)$/i;

/** Values that are addresses, as the variables that most charts make of them: they say what the program uses. */
export function envOf(values: Fields): Fields {
  const env: Fields[] = [];
  const collect = (fields: Fields, path: readonly string[]): void => {
    if (path.length > 3 || env.length > 100) return;
    for (const [key, value] of Object.entries(fields)) {
      if (typeof value === 'string' && value !== '' && (addressKey.test(key) || value.includes('://')))
        env.push({
          name: [...path, key]
            .join('_')
            .replaceAll(/[^A-Za-z0-9]/g, '_')
            .toUpperCase(),
          value,
        });
      else if (record(value) === value && !['ingress', 'image', 'service', 'metrics'].includes(key))
        collect(value as Fields, [...path, key]);
    }
  };
  collect(values, []);
  const listed = Array.isArray(values['env']) ? records(values['env']) : [];
  return { env: [...env, ...listed], envFrom: values['envFrom'] ?? [] };
}
