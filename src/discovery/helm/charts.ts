import path from 'node:path/posix';
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { record, records, text } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { SourceFile } from '../snapshot/files.ts';

/** A chart in the folder that is scanned: its dependencies and values say what its templates would. */
export interface LocalChart {
  readonly folder: string;
  readonly dependencies: readonly ChartUse[];
  readonly templates: number;
}

/** A chart that another one bundles, or that a kustomization inflates, with its own values. */
export interface ChartUse {
  readonly chart: string;
  readonly release: string;
  readonly namespace: string;
  readonly values: Fields;
}

const schema = CORE_SCHEMA.withTags(mergeTag);
const chartFile = /(^|\/)Chart\.ya?ml$/;
const valuesBytesMax = 2 * 1024 * 1024;

/** The charts of a folder. One that cannot be read is left out: its templates are reported as they are met. */
export function readCharts(files: readonly SourceFile[]): LocalChart[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const valuesAt = (file: string): Fields => {
    const content = byPath.get(file)?.content;
    return content === undefined || content.length > valuesBytesMax ? {} : parse(content);
  };
  return files.flatMap((file) => {
    if (!chartFile.test(file.path)) return [];
    const folder = path.dirname(file.path);
    const chart = parse(file.content);
    const values = valuesAt(path.join(folder, 'values.yaml'));
    // Such a chart is installed under the name of its folder, and mostly into a namespace of that name.
    const name = folder === '.' ? (text(chart['name']) ?? 'chart') : path.basename(folder);
    const dependencies = records(chart['dependencies']).map((one) => ({
      chart: text(one['name']) ?? '',
      release: name,
      namespace: name,
      values: record(values[text(one['alias']) ?? text(one['name']) ?? '']),
    }));
    const inside = folder === '.' ? 'templates/' : `${folder}/templates/`;
    return [{ folder, dependencies, templates: files.filter((one) => one.path.startsWith(inside)).length }];
  });
}

/** Charts that kustomizations inflate (`helmCharts`), with values from a file beside them and inline. */
export function inflatedCharts(files: readonly SourceFile[]): ChartUse[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return files.flatMap((file) => {
    if (!/(^|\/)kustomization\.ya?ml$/.test(file.path) || !file.content.includes('helmCharts:')) return [];
    const kustomization = parse(file.content);
    return records(kustomization['helmCharts']).map((one) => {
      const beside = byPath.get(path.join(path.dirname(file.path), text(one['valuesFile']) ?? ''));
      return {
        chart: text(one['name']) ?? '',
        release: text(one['releaseName']) ?? text(one['name']) ?? '',
        namespace: text(one['namespace']) ?? text(kustomization['namespace']) ?? 'default',
        values: { ...(beside === undefined ? {} : parse(beside.content)), ...record(one['valuesInline']) },
      };
    });
  });
}

/** Files of a chart that are no manifests by themselves. */
export function isChartFile(file: string, charts: readonly LocalChart[]): boolean {
  return charts.some(({ folder }) => {
    const inside = folder === '.' ? '' : `${folder}/`;
    return (
      file.startsWith(`${inside}templates/`) ||
      file.startsWith(`${inside}charts/`) ||
      file.startsWith(`${inside}crds/`) ||
      chartFile.test(file) ||
      file === `${inside}values.yaml`
    );
  });
}

/** Values as a mapping; none if they are no YAML. */
export function parse(content: string): Fields {
  try {
    return record(load(content, { schema, json: true, maxAliases: 1_000 }));
  } catch {
    return {};
  }
}
