import path from 'node:path/posix';
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { record, records, text } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { SourceFile } from '../snapshot/files.ts';

/** A chart in the folder that is scanned: its dependencies and values say what its templates would. */
export interface LocalChart {
  readonly folder: string;
  readonly name: string;
  readonly dependencies: readonly { readonly chart: string; readonly valuesKey: string }[];
  readonly values: Fields;
  readonly templates: number;
}

const schema = CORE_SCHEMA.withTags(mergeTag);
const chartFile = /(^|\/)Chart\.ya?ml$/;
const valuesBytesMax = 2 * 1024 * 1024;

/** The charts of a folder. One that cannot be read is left out: its templates are reported as they are met. */
export function readCharts(files: readonly SourceFile[]): LocalChart[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return files.flatMap((file) => {
    if (!chartFile.test(file.path)) return [];
    const folder = path.dirname(file.path);
    const chart = parse(file.content);
    const values = byPath.get(folder === '.' ? 'values.yaml' : `${folder}/values.yaml`);
    const inside = folder === '.' ? 'templates/' : `${folder}/templates/`;
    return [
      {
        folder,
        name: text(chart['name']) ?? path.basename(folder),
        dependencies: records(chart['dependencies']).map((one) => ({
          chart: text(one['name']) ?? '',
          valuesKey: text(one['alias']) ?? text(one['name']) ?? '',
        })),
        values: values === undefined || values.content.length > valuesBytesMax ? {} : parse(values.content),
        templates: files.filter((one) => one.path.startsWith(inside)).length,
      },
    ];
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
