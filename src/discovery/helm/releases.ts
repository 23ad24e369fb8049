import type { KubeObject } from '#api/objects';
import { groupKindOf } from '#api/objects';
import { at, record, records, text, textMap } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { parse } from './charts.ts';
import type { ChartUse } from './charts.ts';

/** One installation of a chart, with the values that are known without rendering it. */
export interface Release {
  readonly name: string;
  readonly namespace: string;
  /** The chart's own name: `postgresql`, `app-template`. */
  readonly chart: string;
  readonly values: Fields;
  /** The object that says so: `helmrelease/plex`. */
  readonly from: string;
}

/** The releases that Flux, Argo CD, k3s, kustomizations and charts that bundle others describe. */
export function releasesOf(objects: readonly KubeObject[], charts: readonly ChartUse[]): Release[] {
  const byName = new Map(
    objects.map((object) => [`${object.kind}/${object.metadata.namespace ?? ''}/${object.metadata.name}`, object]),
  );
  const find: Find = (kind, namespace, name) => byName.get(`${kind}/${namespace}/${name}`);
  return [
    ...objects.flatMap((object) => releasesOfObject(object, find)).map(withNames),
    ...charts.map(({ chart, release, namespace, values }) => ({
      name: release,
      namespace,
      chart,
      values,
      from: `chart ${release}`,
    })),
  ];
}

/** Nested deeper than values of any chart; a bomb of them is not followed. */
const fillDepthMax = 32;
const releasePlaceholder = /\{\{-?\s*\.Release\.(Name|Namespace)\s*-?\}\}/g;

/** Values may name the release itself, as charts that pass them through `tpl` allow. */
function withNames(release: Release): Release {
  const fill = (value: unknown, depth = 0): unknown => {
    if (depth > fillDepthMax) return value;
    if (typeof value === 'string')
      return value.replaceAll(releasePlaceholder, (_, field) => (field === 'Name' ? release.name : release.namespace));
    if (Array.isArray(value)) return value.map((one) => fill(one, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one, depth + 1)]));
  };
  return { ...release, values: record(fill(release.values)) };
}

type Find = (kind: string, namespace: string, name: string) => KubeObject | undefined;

function releasesOfObject(object: KubeObject, find: Find): Release[] {
  const { name, namespace = '' } = object.metadata;
  const from = `${object.kind.toLowerCase()}/${name}`;
  switch (groupKindOf(object)) {
    case 'HelmRelease.helm.toolkit.fluxcd.io': {
      const spec = record(object['spec']);
      return [
        {
          name: text(spec['releaseName']) ?? name,
          namespace: text(spec['targetNamespace']) ?? namespace,
          chart: fluxChart(spec, namespace, find),
          values: merged(valuesFrom(spec, namespace, find), record(spec['values'])),
          from,
        },
      ];
    }
    case 'HelmChart.helm.cattle.io':
    case 'HelmChartConfig.helm.cattle.io': {
      const spec = record(object['spec']);
      const values = merged(parse(text(spec['valuesContent']) ?? ''), textMap(spec['set']));
      return [
        {
          name,
          namespace: text(spec['targetNamespace']) ?? namespace,
          chart: lastSegment(text(spec['chart']) ?? name),
          values,
          from,
        },
      ];
    }
    case 'Application.argoproj.io': {
      const spec = record(object['spec']);
      const sources = [spec['source'], ...records(spec['sources'])]
        .map(record)
        .filter((source) => source['chart'] !== undefined);
      return sources.map((source) => ({
        name: text(at(source, 'helm', 'releaseName')) ?? name,
        namespace: text(at(spec, 'destination', 'namespace')) ?? namespace,
        chart: lastSegment(text(source['chart']) ?? ''),
        values: merged(parse(text(at(source, 'helm', 'values')) ?? ''), record(at(source, 'helm', 'valuesObject'))),
        from,
      }));
    }
    default:
      return [];
  }
}

function fluxChart(spec: Fields, namespace: string, find: Find): string {
  const named = text(at(spec, 'chart', 'spec', 'chart'));
  if (named !== undefined) return lastSegment(named);
  const ref = record(spec['chartRef']);
  const name = text(ref['name']) ?? '';
  const repository = find(text(ref['kind']) ?? 'OCIRepository', text(ref['namespace']) ?? namespace, name);
  return lastSegment(text(at(repository?.['spec'], 'url')) ?? text(at(repository?.['spec'], 'chart')) ?? name);
}

function valuesFrom(spec: Fields, namespace: string, find: Find): Fields {
  let values: Fields = {};
  for (const source of records(spec['valuesFrom'])) {
    const configMap =
      source['kind'] === 'ConfigMap' ? find('ConfigMap', namespace, text(source['name']) ?? '') : undefined;
    values = merged(values, parse(textMap(configMap?.['data'])[text(source['valuesKey']) ?? 'values.yaml'] ?? ''));
  }
  return values;
}

/** The first with what the second says otherwise, as Helm merges values. */
export function merged(first: Fields, second: Fields): Fields {
  const result: Record<string, unknown> = { ...first };
  for (const [key, value] of Object.entries(second)) {
    const before = result[key];
    const both = record(before) === before && record(value) === value;
    result[key] = both ? merged(before as Fields, value as Fields) : value;
  }
  return result;
}

function lastSegment(path: string): string {
  return path.replace(/\/$/, '').split('/').at(-1) ?? path;
}
