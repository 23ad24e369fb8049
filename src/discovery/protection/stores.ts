import type { Evidence, Finding } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { at, record, text } from '../fields.ts';
import type { ServiceMap } from '../services.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ObjectIndex } from '../snapshot/snapshot.ts';
import { secretFacts } from '../snapshot/redact.ts';

/** Where a tool writes its backups. */
interface BackupStore {
  readonly object: KubeObject;
  readonly field: string;
  /** The address of the server; undefined for the cloud's own. */
  readonly endpoint: string | undefined;
}

/** Fields in which tools name the server of their object store, or a claim. */
const places: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'BackupStorageLocation.velero.io': [['config', 's3Url']],
  'Schedule.k8up.io': [
    ['backend', 's3', 'endpoint'],
    ['backend', 'rest', 'url'],
  ],
  'Profile.config.kio.kasten.io': [['locationSpec', 'objectStore', 'endpoint']],
  'BackupTarget.longhorn.io': [['backupTargetURL']],
  'ObjectStore.barmancloud.cnpg.io': [['configuration', 'endpointURL']],
  'Cluster.postgresql.cnpg.io': [['backup', 'barmanObjectStore', 'endpointURL']],
  'Repository.stash.appscode.com': [['backend', 's3', 'endpoint']],
  'BackupStorage.storage.kubestash.com': [['storage', 's3', 'endpoint']],
  'Backup.k8s.mariadb.com': [['storage', 's3', 'endpoint']],
};
/** Fields in which they name a claim of the cluster instead. */
const claims: Readonly<Record<string, readonly string[]>> = {
  'Schedule.k8up.io': ['backend', 'local', 'mountPath'],
  'Profile.config.kio.kasten.io': ['locationSpec', 'fileStore', 'claimName'],
  'Repository.stash.appscode.com': ['backend', 'local'],
};

/** Findings about where backups are kept and how they are locked, which concern no asset alone. */
export function storeFindings(index: ObjectIndex, services: Pick<ServiceMap, 'resolve'>): Finding[] {
  return [
    ...storesOf(index).flatMap((store) => inCluster(store, services)),
    ...inClaims(index),
    ...deletable(index),
    ...keys(index),
  ];
}

function storesOf(index: ObjectIndex): BackupStore[] {
  return Object.entries(places).flatMap(([groupKind, paths]) =>
    index.all(groupKind).flatMap((object) =>
      paths.flatMap((path) => {
        const endpoint = text(at(object['spec'], ...path));
        return endpoint === undefined || endpoint === '' ? [] : [{ object, field: `spec.${path.join('.')}`, endpoint }];
      }),
    ),
  );
}

/** A private address that is no Service may be the rack next door, or the same one. */
const privateAddress = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/;

function inCluster({ object, field, endpoint = '' }: BackupStore, services: Pick<ServiceMap, 'resolve'>): Finding[] {
  const host = hostOf(endpoint);
  const evidence = [evidenceOf(object, field, host)];
  const target = services.resolve(host, object.metadata.namespace ?? '');
  if (target.kind === 'server' || target.kind === 'workload' || /\.svc(\.|$)/.test(host))
    return [
      {
        name: 'StoreInSameCluster',
        severity: 'risk',
        message: `${nameOf(object)} writes backups to ${host}, a server of the same cluster: they are lost together`,
        evidence,
      },
    ];
  return privateAddress.test(host)
    ? [
        {
          name: 'StoreInSameFailureDomain',
          severity: 'warning',
          message: `${nameOf(object)} writes backups to the private address ${host}: make sure that it does not share a room, a power supply or a disk shelf with the cluster`,
          evidence,
        },
      ]
    : [];
}

function hostOf(endpoint: string): string {
  return /^(?:[a-z0-9+-]+:)*(?:\/\/)?(?:[^@/]*@)?([^/:?]+)/i.exec(endpoint)?.[1] ?? endpoint;
}

function inClaims(index: ObjectIndex): Finding[] {
  return Object.entries(claims).flatMap(([groupKind, path]) =>
    index.all(groupKind).flatMap((object): Finding[] => {
      const claim = at(object['spec'], ...path);
      if (claim === undefined) return [];
      const field = `spec.${path.join('.')}`;
      return [
        {
          name: 'StoreInSameCluster',
          severity: 'risk',
          message: `${nameOf(object)} writes backups to a volume of the same cluster: they are lost together`,
          evidence: [evidenceOf(object, field, text(claim) ?? 'a volume')],
        },
      ];
    }),
  );
}

/** Kinds that stand for a place of backups, and the field that says how long nobody can delete there, where there is one. */
const immutability: Readonly<Record<string, readonly string[] | undefined>> = {
  'BackupStorageLocation.velero.io': undefined,
  'Profile.config.kio.kasten.io': ['locationSpec', 'objectStore', 'protectionPeriod'],
  'ObjectStore.barmancloud.cnpg.io': undefined,
  'BackupTarget.longhorn.io': undefined,
  'BackupStorage.storage.kubestash.com': undefined,
};

/** Only a note: whether a bucket locks its objects is known outside of the cluster. */
function deletable(index: ObjectIndex): Finding[] {
  return Object.entries(immutability).flatMap(([groupKind, path]) =>
    index.all(groupKind).flatMap((object): Finding[] => {
      const period = path === undefined ? undefined : text(at(object['spec'], ...path));
      if (period !== undefined && period !== '' && period !== '0') return [];
      const message = `nothing here shows that backups in ${nameOf(object)} cannot be deleted: whoever takes over the cluster may take them, too, unless the bucket locks its objects`;
      const field = path === undefined ? 'spec' : `spec.${path.join('.')}`;
      return [{ name: 'NoImmutability', severity: 'note', message, evidence: [evidenceOf(object, field, 'not set')] }];
    }),
  );
}

/** Keys in Secrets that open repositories of backups, by the tools that put them there. */
const repositoryKeys = /^(repository-password|RESTIC_PASSWORD|KOPIA_PASSWORD|BORG_PASSPHRASE)$/;

function keys(index: ObjectIndex): Finding[] {
  return index.all('Secret').flatMap((secret): Finding[] => {
    const facts = secretFacts(secret);
    const key = facts.keys.find((one) => repositoryKeys.test(one));
    if (key === undefined) return [];
    const where = `secret/${secret.metadata.name} in ${secret.metadata.namespace ?? ''}`;
    const evidence = [evidenceOf(secret, 'data', key)];
    const isKnown: Finding[] = facts.wellKnown.includes(key)
      ? [
          {
            name: 'DefaultRepositoryPassword',
            severity: 'risk',
            message: `${where} holds the password that every installation has by default: whoever reads the bucket reads the backups`,
            evidence,
          },
        ]
      : [];
    return [...isKnown, ...(isKeptElsewhere(index, secret) ? [] : [onlyHere(where, evidence)])];
  });
}

function onlyHere(where: string, evidence: readonly Evidence[]): Finding {
  return {
    name: 'KeyOnlyInCluster',
    severity: 'warning',
    message: `${where} opens backups, and nothing shows that it is kept elsewhere: without it they cannot be read`,
    evidence,
  };
}

/** Made from a vault, from an encrypted form in Git, or by a tool that manages what is in Git. */
function isKeptElsewhere(index: ObjectIndex, { metadata }: KubeObject): boolean {
  const owners = metadata.ownerReferences?.map((owner) => owner.kind) ?? [];
  if (owners.some((kind) => /^(ExternalSecret|SealedSecret|VaultStaticSecret|SopsSecret|OnePasswordItem)$/.test(kind)))
    return true;
  const namespace = metadata.namespace ?? '';
  return (
    metadata.labels?.['kustomize.toolkit.fluxcd.io/name'] !== undefined ||
    ['ExternalSecret.external-secrets.io', 'SealedSecret.bitnami.com'].some((groupKind) =>
      index
        .inNamespace(groupKind, namespace)
        .some((one) => (text(record(at(one['spec'], 'target'))['name']) ?? one.metadata.name) === metadata.name),
    )
  );
}

function evidenceOf(object: KubeObject, field: string, value: string): Evidence {
  return { object: nameOf(object), namespace: object.metadata.namespace ?? '', field, value };
}
