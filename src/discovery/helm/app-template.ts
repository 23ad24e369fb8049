import type { KubeObject } from '#api/objects';
import { record, text } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { Release } from './releases.ts';
import { claimObject, workloadObject } from './skeletons.ts';

/** Charts whose values are a description of workloads: bjw-s' app-template and those built on the same library. */
export function isAppTemplate({ chart, values }: Release): boolean {
  return chart === 'app-template' || Object.keys(record(values['controllers'])).length > 0;
}

/** Workloads and claims that such values describe. */
export function appTemplate(release: Release): KubeObject[] {
  const controllers = Object.entries(record(release.values['controllers'])).filter(
    ([, controller]) => record(controller)['enabled'] !== false,
  );
  // Before version 2 the values described one workload.
  const described =
    controllers.length > 0 ? controllers : [['main', { containers: { main: release.values } }] as const];
  const persistence = Object.entries(record(release.values['persistence'])).filter(
    ([, one]) => record(one)['enabled'] !== false,
  );
  const workloads = described.map(([name, controller]) =>
    controllerObject(release, { name, controller: record(controller), single: described.length === 1, persistence }),
  );
  const claims = persistence.flatMap(([key, one]) => {
    const fields = record(one);
    const isClaim = (fields['type'] ?? 'persistentVolumeClaim') === 'persistentVolumeClaim' || fields['type'] === 'pvc';
    return isClaim && fields['existingClaim'] === undefined
      ? [claimObject(release, `${release.name}-${key}`, fields)]
      : [];
  });
  return [...workloads, ...claims];
}

interface Controller {
  readonly name: string;
  readonly controller: Fields;
  readonly single: boolean;
  readonly persistence: readonly (readonly [string, unknown])[];
}

function controllerObject(release: Release, { name, controller, single, persistence }: Controller): KubeObject {
  const containers = ['containers', 'initContainers'].map((kind) =>
    Object.entries(record(controller[kind]))
      .filter(([, container]) => record(container)['enabled'] !== false)
      .map(([containerName, container]) =>
        containerOf(release, { controller: name, container: containerName, fields: record(container), persistence }),
      ),
  );
  const templates = Array.isArray(record(controller['statefulset'])['volumeClaimTemplates'])
    ? (record(controller['statefulset'])['volumeClaimTemplates'] as Fields[])
    : [];
  for (const container of containers[0] ?? [])
    container.mounts.push(...templates.flatMap((template) => mountsOf(template, text(template['name']) ?? '')));
  // A pod has only the volumes that one of its containers sees.
  const seen = new Set(containers.flat().flatMap(({ mounts }) => mounts.map((mount) => mount['name'])));
  const kind = text(controller['type'])?.toLowerCase() ?? text(release.values['type']) ?? 'deployment';
  return workloadObject(release, {
    name: single ? release.name : `${release.name}-${name}`,
    kind: templates.length > 0 ? 'StatefulSet' : (kinds[kind] ?? 'Deployment'),
    replicas: controller['replicas'],
    containers: containers[0] ?? [],
    initContainers: containers[1] ?? [],
    volumes: persistence.flatMap(([key, one]) => (seen.has(key) ? volumeOf(release, key, record(one)) : [])),
    claimTemplates: templates.map((template) => ({
      metadata: { name: template['name'] },
      spec: { accessModes: [template['accessMode']], resources: { requests: { storage: template['size'] } } },
    })),
    labels: {
      'app.kubernetes.io/name': release.name,
      'app.kubernetes.io/instance': release.name,
      'app.kubernetes.io/controller': name,
    },
  });
}

const kinds: Readonly<Record<string, string>> = {
  statefulset: 'StatefulSet',
  daemonset: 'DaemonSet',
  cronjob: 'CronJob',
  job: 'Job',
  deployment: 'Deployment',
};

interface ContainerValues {
  readonly controller: string;
  readonly container: string;
  readonly fields: Fields;
  readonly persistence: Controller['persistence'];
}

function containerOf(
  release: Release,
  { controller, container, fields, persistence }: ContainerValues,
): { fields: Fields; mounts: Fields[] } {
  const mounts = persistence.flatMap(([key, one]) => {
    const values = record(one);
    const advanced = record(values['advancedMounts']);
    const isAdvanced = Object.keys(advanced).length > 0;
    const places = isAdvanced
      ? record(advanced[controller])[container]
      : (values['globalMounts'] ?? [
          { path: values['mountPath'], subPath: values['subPath'], readOnly: values['readOnly'] },
        ]);
    return Array.isArray(places) ? (places as Fields[]).flatMap((place) => mountsOf(place, key)) : [];
  });
  return { fields: { name: container === 'main' ? release.name : container, ...fields }, mounts };
}

/** Without a path the chart mounts at the volume's own name. */
function mountsOf(place: Fields, volume: string): Fields[] {
  const path = text(place['path']) ?? text(place['mountPath']) ?? `/${volume}`;
  if (path === '-') return [];
  return [{ name: volume, mountPath: path, subPath: place['subPath'], readOnly: place['readOnly'] }];
}

function volumeOf(release: Release, name: string, fields: Fields): Fields[] {
  switch (text(fields['type']) ?? 'persistentVolumeClaim') {
    case 'persistentVolumeClaim':
    case 'pvc':
      return [
        { name, persistentVolumeClaim: { claimName: text(fields['existingClaim']) ?? `${release.name}-${name}` } },
      ];
    case 'emptyDir':
      return [{ name, emptyDir: { medium: fields['medium'], sizeLimit: fields['sizeLimit'] } }];
    case 'hostPath':
      return [{ name, hostPath: { path: fields['hostPath'] } }];
    case 'nfs':
      return [{ name, nfs: { server: fields['server'], path: fields['path'] } }];
    case 'custom':
      return [{ name, ...record(fields['volumeSpec']) }];
    default:
      // ConfigMaps, Secrets and the like hold nothing of their own.
      return [];
  }
}
