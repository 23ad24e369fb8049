import type { KubeObject } from '#api/objects';
import { record, records, text } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { appTemplate, isAppTemplate } from './app-template.ts';
import type { ChartUse } from './charts.ts';
import { bundledByDefault, programCharts, serverCharts } from './known-charts.ts';
import { releasesOf } from './releases.ts';
import type { Release } from './releases.ts';
import { claimObject, workloadObject } from './skeletons.ts';
import { envOf, storageKeys, storagesOf } from './values.ts';

/** Values are nested a few levels; a bomb of them is not followed. */
const depthMax = 6;
const componentsMax = 60;

/**
 * The workloads and claims that charts make of their values, as far as values tell without rendering: for scanning they
 * are as good as written down, and every one says where it was concluded from.
 */
export function inferFromHelm(objects: readonly KubeObject[], charts: readonly ChartUse[]): KubeObject[] {
  return releasesOf(objects, charts).flatMap((release) => [
    ...(isAppTemplate(release) ? appTemplate(release) : genericChart(release)),
    ...extraObjects(release),
  ]);
}

/** Lists of whole objects that charts pass on as they are. */
function extraObjects({ values, namespace }: Release): KubeObject[] {
  return ['extraObjects', 'extraDeploy', 'extraManifests', 'rawResources', 'resources', 'extraResources'].flatMap(
    (key) =>
      records(values[key])
        .filter((object) => typeof object['kind'] === 'string' && typeof object['apiVersion'] === 'string')
        .map(
          (object) => ({ ...object, metadata: { namespace, ...record(object['metadata']) } }) as unknown as KubeObject,
        ),
  );
}

/** A part of a chart that has a volume or is a known server. */
interface Component {
  readonly path: readonly string[];
  readonly values: Fields;
}

function genericChart(release: Release): KubeObject[] {
  const found: KubeObject[] = [];
  const isKnown = serverCharts[release.chart] !== undefined || programCharts[release.chart] !== undefined;
  const servers: Component[] = [];
  for (const component of componentsOf(release)) {
    if (found.length >= componentsMax) break;
    const objects = componentObjects(release, component);
    found.push(...objects);
    if (objects.length === 0 && isInstalled(component)) servers.push(component);
  }
  // Parts of which nothing was said but that they are wanted; their volumes may have been said one level below.
  for (const component of servers) {
    const known = component.path.at(-1) ?? '';
    if (!found.some((object) => object.metadata.name === nameOf(release, component)))
      found.push(...defaultObjects(release, component, known));
  }
  if (isKnown && !found.some((object) => object.metadata.name === release.name))
    found.push(...defaultObjects(release, { path: [], values: release.values }, release.chart));
  for (const name of bundledByDefault[release.chart] ?? []) {
    const part = record(release.values[name]);
    const there = found.some((object) => object.metadata.name.startsWith(`${release.name}-${name}`));
    if (!there && part['enabled'] !== false)
      found.push(...defaultObjects(release, { path: [name], values: part }, name));
  }
  found.push(...mainWorkload(release, found));
  return found;
}

/** A server as a part of another chart, turned on. */
function isInstalled({ path, values }: Component): boolean {
  return serverCharts[path.at(-1) ?? ''] !== undefined && values['enabled'] === true;
}

/** Every part of the values that says something of storage. */
function* componentsOf(
  release: Release,
  values: Fields = release.values,
  path: readonly string[] = [],
): Generator<Component> {
  if (path.length > depthMax || values['enabled'] === false) return;
  yield { path, values };
  for (const [key, value] of Object.entries(values))
    if (record(value) === value && !storageKeys.has(key)) yield* componentsOf(release, value as Fields, [...path, key]);
}

function componentObjects(release: Release, component: Component): KubeObject[] {
  const storages = storagesOf(component.values);
  const known = knownOf(release, component);
  if (storages.length === 0) return [];
  const { image, port, path } = imageOf(release, component, known);
  const name = nameOf(release, component);
  const claims = storages.map(({ key, fields, size }) => ({
    volume: key,
    claim: text(fields['existingClaim']) ?? `${name}${key === 'data' ? '' : `-${key}`}`,
    mountPath: text(fields['mountPath']) ?? path,
    fields: { ...fields, size } as Fields,
  }));
  const workload = workloadObject(release, {
    name,
    kind: 'Deployment',
    containers: [
      {
        fields: {
          name: component.path.at(-1) ?? release.name,
          image,
          ports: port === undefined ? [] : [{ containerPort: port }],
          ...envOf(component.values),
        },
        mounts: claims.map((claim) => ({ name: claim.volume, mountPath: claim.mountPath })),
      },
    ],
    volumes: claims.map((claim) => ({ name: claim.volume, persistentVolumeClaim: { claimName: claim.claim } })),
    labels: {
      'app.kubernetes.io/instance': release.name,
      'app.kubernetes.io/name': component.path.at(-1) ?? release.chart,
    },
  });
  return [
    workload,
    ...claims
      .filter((claim) => text(claim.fields['existingClaim']) === undefined)
      .map((claim) => claimObject(release, claim.claim, claim.fields)),
  ];
}

/** The chart, or key of values, that names a known server. */
function knownOf(release: Release, { path }: Component): string | undefined {
  const names = [...path].toReversed();
  const named =
    names.find((name) => serverCharts[name] !== undefined) ?? names.find((name) => programCharts[name] !== undefined);
  return (
    named ??
    (path.every((name) =>
      [
        'primary',
        'master',
        'server',
        'replica',
        'controller',
        'broker',
        'auth',
        'singleBinary',
        'architecture',
      ].includes(name),
    ) &&
    (serverCharts[release.chart] !== undefined || programCharts[release.chart] !== undefined)
      ? release.chart
      : undefined)
  );
}

interface ImageFacts {
  readonly image: unknown;
  readonly port?: number;
  readonly path: string;
}

function imageOf(release: Release, { path, values }: Component, known: string | undefined): ImageFacts {
  const server = known === undefined ? undefined : (serverCharts[known] ?? programCharts[known]);
  const image =
    record(values['image'])['repository'] === undefined && typeof values['image'] !== 'string'
      ? (server?.image ?? release.values['image'] ?? path.at(-1) ?? release.chart)
      : values['image'];
  const port = known === undefined ? undefined : serverCharts[known]?.port;
  return { image, ...(port === undefined ? {} : { port }), path: server?.path ?? '/data' };
}

/** What a known chart makes when nobody says anything of its storage. */
function defaultObjects(release: Release, component: Component, known: string): KubeObject[] {
  const chart = serverCharts[known] ?? programCharts[known];
  if (chart === undefined) return [];
  const off = ['persistence', 'persistentVolume', 'primary', 'master', 'server'].some(
    (key) =>
      record(component.values[key])['enabled'] === false ||
      record(record(component.values[key])['persistence'])['enabled'] === false,
  );
  const persistent = chart.persistent && !off;
  const name = nameOf(release, component);
  const port = serverCharts[known]?.port;
  return [
    workloadObject(release, {
      name,
      kind: 'StatefulSet',
      containers: [
        {
          fields: {
            name: known,
            image: chart.image,
            ports: port === undefined ? [] : [{ containerPort: port }],
            ...envOf(component.values),
          },
          mounts: persistent ? [{ name: 'data', mountPath: chart.path }] : [],
        },
      ],
      volumes: [],
      claimTemplates: persistent
        ? [{ metadata: { name: 'data' }, spec: { resources: { requests: { storage: chart.size } } } }]
        : [],
      labels: { 'app.kubernetes.io/instance': release.name, 'app.kubernetes.io/name': known },
    }),
  ];
}

/** Charts name a part after the release, unless the release is named after the chart. */
function nameOf(release: Release, { path, values }: Component): string {
  const full = text(values['fullnameOverride']);
  if (full !== undefined && full !== '') return full;
  const parts = path.filter(
    (part) =>
      !['primary', 'master', 'server', 'controller', 'prometheusSpec', 'alertmanagerSpec', 'singleBinary'].includes(
        part,
      ),
  );
  return [release.name, ...parts].join('-').toLowerCase();
}

/** The program itself, which may have no volume: it says what it uses. */
function mainWorkload(release: Release, found: readonly KubeObject[]): KubeObject[] {
  if (found.some((object) => object.metadata.name === release.name)) return [];
  const { env } = envOf(release.values) as { readonly env: readonly Fields[] };
  if (env.length === 0) return [];
  const image = record(release.values['image'])['repository'] === undefined ? release.chart : release.values['image'];
  return [
    workloadObject(release, {
      name: release.name,
      kind: 'Deployment',
      containers: [{ fields: { name: release.name, image, ...envOf(release.values) }, mounts: [] }],
      volumes: [],
      labels: { 'app.kubernetes.io/instance': release.name, 'app.kubernetes.io/name': release.chart },
    }),
  ];
}
