import type { Evidence } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { AssetBuilder } from '../builder.ts';
import { at, record, records, text, textMap } from '../fields.ts';
import { secretFacts } from '../snapshot/redact.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import { imagePath } from '../engines/recognize.ts';
import { evidenceOf } from './support.ts';

/** Keys without which something else stays unreadable, and values that are kept in a vault and only named here. */
export function detectKeysAndVaults(builder: AssetBuilder): void {
  for (const secret of builder.index.all('Secret')) secretKey(builder, secret);
  for (const issuer of [
    ...builder.index.all('ClusterIssuer.cert-manager.io'),
    ...builder.index.all('Issuer.cert-manager.io'),
  ])
    issuerKeys(builder, issuer);
  for (const storageClass of builder.index.all('StorageClass.storage.k8s.io')) diskKeys(builder, storageClass);
  sealedSecretsKey(builder);
  sopsKeys(builder);
  for (const object of builder.index.snapshot.objects) vaultValue(builder, object);
}

interface Key {
  readonly namespace: string;
  readonly name: string;
  readonly says: string;
  readonly evidence: Evidence;
}

function addKey(builder: AssetBuilder, { namespace, name, says, evidence }: Key): void {
  const asset = builder.add({
    kind: 'key',
    namespace,
    name,
    title: `key in secret/${name}`,
    workload: `secret/${name}`,
  });
  builder.sign(asset, { means: 'crown-jewel', says, evidence: [evidence], strength: 'strong' });
}

interface SecretPattern {
  /** Names of keys inside the Secret. */
  readonly keys?: RegExp;
  readonly name?: RegExp;
  readonly type?: RegExp;
  readonly says: string;
}

const secretPatterns: readonly SecretPattern[] = [
  {
    keys: /(^|\.)age(key)?$|\.agekey$|^age\.key$|^keys\.txt$|^identity\.agekey$/,
    says: 'opens what SOPS has encrypted',
  },
  { keys: /^sops\.asc$|\.asc$/, name: /sops|gpg|pgp/, says: 'opens what SOPS has encrypted' },
  { name: /vault.*(unseal|root|init)|(unseal|recovery)[-_]?keys?|openbao.*(unseal|init)/, says: 'opens the vault' },
  { keys: /^(vault-root|vault-unseal-\d+|unseal[-_]?key\w*|root[-_]?token)$/, says: 'opens the vault' },
  {
    keys: /^(CRYPTO_KEY_VALUE|encryptionPassphrase|luks[-_]?(key|passphrase)\w*|userKey|adminKey)$/i,
    says: 'opens the disks of encrypted volumes',
  },
  { keys: /^(RESTIC_PASSWORD|KOPIA_PASSWORD|BORG_PASSPHRASE|repository-password|passphrase)$/, says: 'opens backups' },
  {
    name: /^(velero-repo-credentials|k10-(dr-secret|encryption-primary-key)|k10-encryption.*|backup-repo.*)$/,
    says: 'opens backups',
  },
  {
    keys: /^(encryption[-_]?key|(\w+_)?ENCRYPTION_(KEY|PASSWORD|PASSPHRASE|SECRET)|(GF_SECURITY|AUTHENTIK|DJANGO|NETBOX|PAPERLESS)_SECRET_KEY|master[-_]?key|MASTER_KEY|SECRET_KEY_BASE|APP_KEY|appKey|db-encryption-key|fernet-key|webserver-secret-key)$/i,
    says: 'opens fields that a program keeps encrypted in its database',
  },
  { name: /(^|-)rails-secrets?$/, says: 'opens fields that a program keeps encrypted in its database' },
  { keys: /^(root-)?ca[-_.]?key(\.pem)?$/i, says: "signs the certificates of an authority of one's own" },
  { name: /^rook-ceph-mon$|^rook-ceph-admin-keyring$/, says: 'opens the storage of the cluster' },
];

function secretKey(builder: AssetBuilder, secret: KubeObject): void {
  const { name, namespace = '', labels = {} } = secret.metadata;
  if (labels['sealedsecrets.bitnami.com/sealed-secrets-key'] !== undefined) {
    addKey(builder, {
      namespace,
      name,
      says: 'opens every SealedSecret',
      evidence: evidenceOf(secret, 'metadata.labels', 'sealedsecrets.bitnami.com/sealed-secrets-key'),
    });
    return;
  }
  const { keys } = secretFacts(secret);
  for (const pattern of secretPatterns) {
    const key = pattern.keys === undefined ? undefined : keys.find((one) => pattern.keys?.test(one));
    const byName = pattern.name?.test(name) === true;
    const fits =
      pattern.keys !== undefined && pattern.name !== undefined
        ? byName && key !== undefined
        : byName || key !== undefined;
    if (!fits) continue;
    addKey(builder, {
      namespace,
      name,
      says: pattern.says,
      evidence: evidenceOf(secret, key === undefined ? 'metadata.name' : 'data', key ?? name),
    });
    return;
  }
}

/** A class of encrypted volumes names the Secret that opens them (parameters of the CSI provisioner and node calls). */
function diskKeys(builder: AssetBuilder, storageClass: KubeObject): void {
  const parameters = textMap(storageClass['parameters']);
  if (!Object.entries(parameters).some(([name, value]) => /encrypt/i.test(name) && value === 'true')) return;
  for (const call of ['node-stage', 'node-publish', 'provisioner']) {
    const field = `csi.storage.k8s.io/${call}-secret-name`;
    const name = parameters[field];
    const namespace = parameters[`csi.storage.k8s.io/${call}-secret-namespace`] ?? '';
    // A name with a placeholder is another one for each claim.
    if (name === undefined || /\$\{/.test(`${name}${namespace}`)) continue;
    if (builder.find(namespace, 'key', name) === undefined)
      addKey(builder, {
        namespace,
        name,
        says: 'opens the disks of encrypted volumes',
        evidence: evidenceOf(storageClass, `parameters[${field}]`, name),
      });
  }
}

/** The account at the certificate authority, and the key of an authority of one's own. */
function issuerKeys(builder: AssetBuilder, issuer: KubeObject): void {
  const namespace = issuer.metadata.namespace ?? 'cert-manager';
  const account = text(at(issuer['spec'], 'acme', 'privateKeySecretRef', 'name'));
  const authority = text(at(issuer['spec'], 'ca', 'secretName'));
  if (account !== undefined)
    addKey(builder, {
      namespace,
      name: account,
      says: 'is the account at the certificate authority',
      evidence: evidenceOf(issuer, 'spec.acme.privateKeySecretRef.name', account),
    });
  if (authority !== undefined)
    addKey(builder, {
      namespace,
      name: authority,
      says: 'signs the certificates of this cluster',
      evidence: evidenceOf(issuer, 'spec.ca.secretName', authority),
    });
}

/** In manifests the controller is there and its key is not: it makes the key when it starts. */
function sealedSecretsKey(builder: AssetBuilder): void {
  for (const [, draft] of builder.all('key'))
    if (
      builder.index.get('Secret', draft.namespace, draft.name)?.metadata.labels?.[
        'sealedsecrets.bitnami.com/sealed-secrets-key'
      ] !== undefined
    )
      return;
  const controller = builder.workloads.find((workload) =>
    workload.containers.some((container) => /(^|\/)sealed-secrets(-controller)?$/.test(imagePath(container.image))),
  );
  const [sealed] = builder.index.all('SealedSecret.bitnami.com');
  if (controller === undefined && sealed === undefined) return;
  const evidence =
    controller === undefined && sealed !== undefined ? evidenceOf(sealed, 'kind', 'SealedSecret') : undefined;
  addKey(builder, {
    namespace: controller?.namespace ?? 'kube-system',
    name: 'sealed-secrets-key',
    says: 'opens every SealedSecret',
    evidence: evidence ?? {
      object: controller?.name ?? '',
      namespace: controller?.namespace ?? '',
      field: 'image',
      value: 'sealed-secrets-controller',
    },
  });
}

/** Who decrypts with SOPS has the key in a Secret, which no repository may hold. */
function sopsKeys(builder: AssetBuilder): void {
  for (const object of builder.index.all('Kustomization.kustomize.toolkit.fluxcd.io')) {
    const name = text(at(object['spec'], 'decryption', 'secretRef', 'name'));
    const namespace = object.metadata.namespace ?? 'flux-system';
    if (name !== undefined && builder.find(namespace, 'key', name) === undefined)
      addKey(builder, {
        namespace,
        name,
        says: 'opens what SOPS has encrypted',
        evidence: evidenceOf(object, 'spec.decryption.secretRef.name', name),
      });
  }
  if ([...builder.all('key')].some(([id]) => builder.signsOf(id).some((sign) => sign.says.includes('SOPS')))) return;
  const encrypted = builder.index.snapshot.objects.find((object) => record(object['sops'])['mac'] !== undefined);
  if (encrypted === undefined) return;
  const name = Array.isArray(record(encrypted['sops'])['age']) ? 'sops-age' : 'sops-key';
  addKey(builder, {
    namespace: '',
    name,
    says: 'opens what SOPS has encrypted',
    evidence: evidenceOf(encrypted, 'sops', 'encrypted with SOPS'),
  });
}

function vaultValue(builder: AssetBuilder, object: KubeObject): void {
  const groupKind = groupKindOf(object);
  const { name, namespace = '' } = object.metadata;
  const where = vaultOf(builder, object, groupKind);
  if (where === undefined) return;
  const asset = builder.add({
    kind: 'vault',
    namespace,
    name,
    title: `values of ${nameOf(object)} in ${where.vault}`,
    workload: nameOf(object),
    host: where.vault,
  });
  builder.sign(asset, {
    means: 'vault-value',
    says: `is kept in ${where.vault}, and only named here`,
    evidence: [where.evidence],
    strength: 'strong',
  });
}

function vaultOf(
  builder: AssetBuilder,
  object: KubeObject,
  groupKind: string,
): { readonly vault: string; readonly evidence: Evidence } | undefined {
  const { namespace = '' } = object.metadata;
  switch (groupKind) {
    case 'ExternalSecret.external-secrets.io':
    case 'ClusterExternalSecret.external-secrets.io': {
      const ref = record(
        at(object['spec'], 'secretStoreRef') ?? at(object['spec'], 'externalSecretSpec', 'secretStoreRef'),
      );
      const store = text(ref['name']) ?? 'its store';
      const kind = text(ref['kind']) ?? 'SecretStore';
      const found = builder.index.get(`${kind}.external-secrets.io`, kind === 'SecretStore' ? namespace : '', store);
      const provider = found === undefined ? undefined : providerOf(found);
      return {
        vault: provider === undefined ? store : `${store} (${provider})`,
        evidence: evidenceOf(object, 'spec.secretStoreRef.name', store),
      };
    }
    case 'SecretStore.external-secrets.io':
    case 'ClusterSecretStore.external-secrets.io': {
      const provider = providerOf(object) ?? 'a vault';
      return { vault: provider, evidence: evidenceOf(object, 'spec.provider', provider) };
    }
    case 'SecretProviderClass.secrets-store.csi.x-k8s.io': {
      const provider = text(at(object['spec'], 'provider')) ?? 'a vault';
      return { vault: provider, evidence: evidenceOf(object, 'spec.provider', provider) };
    }
    case 'VaultStaticSecret.secrets.hashicorp.com':
    case 'VaultDynamicSecret.secrets.hashicorp.com':
    case 'VaultSecret.ricoberger.de':
    case 'OnePasswordItem.onepassword.com':
    case 'InfisicalSecret.secrets.infisical.com':
    case 'BitwardenSecret.k8s.bitwarden.com':
    case 'DopplerSecret.secrets.doppler.com':
    case 'AzureKeyVaultSecret.spv.no':
      return { vault: object.kind, evidence: evidenceOf(object, 'kind', object.kind) };
    default:
      return undefined;
  }
}

function providerOf(store: KubeObject): string | undefined {
  const provider = record(at(store['spec'], 'provider'));
  const [name] = Object.keys(provider);
  if (name === undefined) return undefined;
  const details = record(provider[name]);
  const host =
    text(details['server']) ??
    text(details['connectHost']) ??
    text(details['vaultUrl']) ??
    text(details['host']) ??
    records(details['host'])[0];
  return typeof host === 'string' ? `${name} at ${host.replace(/^https?:\/\//, '')}` : name;
}
