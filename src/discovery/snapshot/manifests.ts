import type { Readable } from 'node:stream';
import type { Unseen } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { at, record, text } from '../fields.ts';
import { inferFromHelm } from '../helm/infer.ts';
import { inflatedCharts, isChartFile, readCharts } from '../helm/charts.ts';
import { parseFile } from './documents.ts';
import type { Document } from './documents.ts';
import { readSource } from './files.ts';
import type { SourceFile } from './files.ts';
import { isFluxKustomization, isKustomization, place } from './kustomize.ts';
import type { PlacedDocument } from './kustomize.ts';
import { normalize } from './normalize.ts';
import { redact } from './redact.ts';
import type { Snapshot } from './snapshot.ts';

/** Definitions and pictures of dashboards are the larger part of many repositories, and say nothing about data. */
const skippedKinds = /^\s{0,4}kind:\s*["']?(CustomResourceDefinition|GrafanaDashboard|PrometheusRule)["']?\s*$/m;
const hasKind = /\bkind["']?\s*:/;
/** Kinds that belong to no namespace: a kustomization gives them none. */
const clusterKinds = new Set([
  'Namespace',
  'PersistentVolume',
  'StorageClass',
  'ClusterRole',
  'ClusterRoleBinding',
  'ClusterIssuer',
  'ClusterSecretStore',
  'ClusterExternalSecret',
  'PriorityClass',
  'IngressClass',
  'CustomResourceDefinition',
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'APIService',
  'Node',
  'VolumeSnapshotClass',
  'RuntimeClass',
  'CSIDriver',
]);
/** Where kubectl puts what names no namespace. */
const defaultNamespace = 'default';

/** Reads manifests from a folder, a file or stdin (`-`). What cannot be read is said, and the rest is scanned. */
export async function snapshotOfManifests(from: string, stdin: Readable, signal: AbortSignal): Promise<Snapshot> {
  const source = await readSource(from, stdin, signal);
  const snapshot = snapshotOfFiles(source.files);
  const name = from === '-' ? 'stdin' : from;
  return { ...snapshot, source: name, unseen: [...source.skipped.map(hidingData), ...snapshot.unseen] };
}

/** The snapshot that files describe. Pure. */
export function snapshotOfFiles(files: readonly SourceFile[]): Snapshot {
  const unseen: Unseen[] = [];
  const documents: Document[] = [];
  const charts = readCharts(files);
  const templates = new Map<string, number>();
  for (const file of files) {
    if (isChartFile(file.path, charts)) continue;
    const parsed = parseFile(
      file.path,
      file.content,
      (document) => isKustomization(file.path) || (hasKind.test(document) && !skippedKinds.test(document)),
    );
    documents.push(...parsed.documents);
    unseen.push(...parsed.problems.map(hidingData));
    if (parsed.templates > 0) templates.set(file.path, parsed.templates);
  }
  for (const chart of charts)
    if (chart.templates > 0)
      unseen.push({
        what: chart.folder,
        reason: `is a Helm chart: its ${chart.templates} templates are not rendered`,
        hides: 'data',
      });
  for (const [file, count] of templates)
    unseen.push({
      what: file,
      reason: `holds ${count === 1 ? 'a template' : `${count} templates`} that only Helm can read`,
      hides: 'data',
    });
  const placement = place(documents, new Map(files.map((file) => [file.path, file.content])));
  if (placement.patches.length > 0)
    unseen.push({
      what: `${placement.patches.length} patches`,
      reason: `are not applied: ${placement.patches.slice(0, 3).join(', ')}`,
      hides: 'detail',
    });
  const objects = new Map<string, KubeObject>();
  const add = (object: KubeObject): void => {
    objects.set(`${groupKindOf(object)}|${object.metadata.namespace ?? ''}|${object.metadata.name}`, object);
  };
  for (const document of placement.placed) {
    const normalized = normalize(document.value, document.mapText);
    if ('problem' in normalized) unseen.push({ what: document.file, reason: normalized.problem, hides: 'data' });
    else if ('object' in normalized) add(placed(normalized.object, document));
  }
  for (const object of inferFromHelm(
    [...objects.values()],
    [...charts.flatMap((chart) => chart.dependencies), ...inflatedCharts(files)],
  )) {
    const normalized = normalize(object);
    if ('object' in normalized) {
      const key = `${groupKindOf(normalized.object)}|${normalized.object.metadata.namespace ?? ''}|${normalized.object.metadata.name}`;
      // What is written down is surer than what a chart is thought to make.
      if (!objects.has(key)) add(normalized.object);
    }
  }
  return {
    source: 'manifests',
    kind: isDump(objects) ? 'cluster' : 'manifests',
    objects: [...objects.values()].map(redact),
    unseen,
  };
}

function hidingData(problem: Pick<Unseen, 'what' | 'reason'>): Unseen {
  return { ...problem, hides: 'data' };
}

/** Gives an object the namespace and name that its overlay gives it. */
function placed(object: KubeObject, document: PlacedDocument): KubeObject {
  if (clusterKinds.has(object.kind)) return object;
  const own = isFluxKustomization(document) || document.namespace === undefined;
  const namespace =
    (own ? object.metadata.namespace : document.namespace) ??
    object.metadata.namespace ??
    document.namespace ??
    defaultNamespace;
  return { ...object, metadata: { ...object.metadata, name: document.rename(object.metadata.name), namespace } };
}

/** A dump of a cluster has what only the API server gives: then what is missing does not exist. */
function isDump(objects: ReadonlyMap<string, KubeObject>): boolean {
  let dumped = 0;
  for (const object of objects.values())
    if (
      text(at(object, 'metadata', 'uid')) !== undefined &&
      record(object['metadata'])['resourceVersion'] !== undefined
    )
      dumped++;
  return objects.size > 0 && dumped > objects.size / 2;
}
