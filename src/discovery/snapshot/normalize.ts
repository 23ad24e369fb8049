import type { KubeObject } from '#api/objects';
import { record, records, text, textMap } from '../fields.ts';

/** An object of the API server is at most 1.5 MiB; one with more fields than this is an alias bomb. */
const fieldsMax = 200_000;
const depthMax = 60;
/** Certificates, dashboards and scripts; what is longer says nothing about data. */
const textCharsMax = 64 * 1024;

/** Fields that are large, or that may repeat secrets, and that nothing here reads. */
const droppedAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'meta.helm.sh/release-manifest',
]);

/** What is done to every text while an object is copied: placeholders are filled in. */
export type TextMapper = (value: string) => string;

export type Normalized =
  | { readonly object: KubeObject }
  /** Not an object of Kubernetes at all: no apiVersion or kind. */
  | { readonly foreign: true }
  | { readonly problem: string };

/**
 * Copies a parsed document into an object that the rest may rely on: names are texts, aliases are unfolded within
 * bounds, no list of managed fields, no huge texts. Objects without a name get the name of their kind.
 */
export function normalize(value: unknown, mapText: TextMapper = (same) => same): Normalized {
  const raw = record(value);
  const apiVersion = text(raw['apiVersion']);
  const kind = text(raw['kind']);
  if (apiVersion === undefined || kind === undefined) return { foreign: true };
  const budget = { fields: fieldsMax };
  let copied: Record<string, unknown>;
  try {
    copied = copy(raw, { budget, mapText }, 0) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof TooLarge)
      return { problem: `${kind} ${text(record(raw['metadata'])['name']) ?? ''}: ${error.message}` };
    throw error;
  }
  const metadata = record(copied['metadata']);
  const name = text(metadata['name']) ?? text(metadata['generateName']) ?? kind.toLowerCase();
  const namespace = text(metadata['namespace']);
  const annotations = Object.fromEntries(
    Object.entries(textMap(metadata['annotations'])).filter(([key]) => !droppedAnnotations.has(key)),
  );
  // What is no text is no namespace.
  const { managedFields: _, namespace: __, ...others } = metadata;
  return {
    object: {
      ...copied,
      apiVersion,
      kind,
      metadata: {
        ...others,
        name,
        ...(namespace === undefined || namespace === '' ? {} : { namespace }),
        labels: textMap(metadata['labels']),
        annotations,
        ownerReferences: owners(metadata['ownerReferences']),
      },
    } as KubeObject,
  };
}

/** References with all that identifies an owner; one without leads nowhere. */
function owners(value: unknown): unknown[] {
  return records(value).filter((owner) =>
    ['apiVersion', 'kind', 'name'].every((field) => typeof owner[field] === 'string'),
  );
}

class TooLarge extends Error {}

interface CopyState {
  readonly budget: { fields: number };
  readonly mapText: TextMapper;
}

function copy(value: unknown, state: CopyState, depth: number): unknown {
  if (typeof value === 'string')
    return state.mapText(value.length > textCharsMax ? value.slice(0, textCharsMax) : value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > depthMax) throw new TooLarge(`nested more than ${depthMax} deep`);
  if (Array.isArray(value)) {
    spend(state, value.length);
    return value.map((item) => copy(item, state, depth + 1));
  }
  const entries = Object.entries(value);
  spend(state, entries.length);
  return Object.fromEntries(entries.map(([key, item]) => [key, copy(item, state, depth + 1)]));
}

function spend(state: CopyState, fields: number): void {
  state.budget.fields -= fields;
  if (state.budget.fields < 0)
    throw new TooLarge(`more than ${fieldsMax} fields, which aliases can make of a small file`);
}
