import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimit } from '#shared/async';
import { readJson, writeFileAtomic } from '../setup/files.ts';
import { runChecked } from '../setup/run.ts';
import type { Layout } from './layout.ts';

/** Longer than any lab lives, so that a kept one never fails because of its age. */
const validDays = 3650;
/** openssl is quick: more at once would not help on two cores. */
const parallel = 4;

interface Certificate {
  /** The base name of NAME.crt and NAME.key. */
  readonly name: string;
  readonly user: string;
  readonly group?: string;
  readonly usage: 'serverAuth' | 'clientAuth' | 'serverAuth,clientAuth';
  readonly alternativeNames?: string;
}

/** Users that talk to the API server: the certificate names them. Those without a role of their own are administrators. */
export const apiUsers = {
  admin: { user: 'lab-admin', group: 'system:masters' },
  init: { user: 'lab-init', group: 'system:masters' },
  'kube-controller-manager': { user: 'system:kube-controller-manager' },
  'kube-scheduler': { user: 'system:kube-scheduler' },
  'kube-proxy': { user: 'system:kube-proxy' },
  coredns: { user: 'lab-coredns', group: 'system:masters' },
  csi: { user: 'lab-csi', group: 'system:masters' },
} as const satisfies Record<string, { user: string; group?: string }>;

/** Makes the lab's own certificate authority and every certificate under it, once: the next call finds them. */
export async function ensureCertificates(layout: Layout, signal?: AbortSignal): Promise<void> {
  const certificates = certificatesOf(layout);
  const stamp = createHash('sha256').update(JSON.stringify(certificates)).digest('hex');
  const stampFile = join(layout.pki, 'made-for.json');
  if ((await readJson<string>(stampFile)) === stamp) return;
  await rm(layout.pki, { recursive: true, force: true });
  await mkdir(layout.pki, { recursive: true, mode: 0o700 });
  const at = (file: string): string => join(layout.pki, file);
  await issue(
    [
      '-subj',
      '/CN=salvor-lab-ca',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    ],
    at('ca'),
    signal,
  );
  await mapLimit(
    certificates,
    parallel,
    async (certificate, stop) => {
      const names = certificate.alternativeNames;
      await issue(
        [
          '-CA',
          at('ca.crt'),
          '-CAkey',
          at('ca.key'),
          '-subj',
          `${certificate.group === undefined ? '' : `/O=${certificate.group}`}/CN=${certificate.user}`,
          '-addext',
          'basicConstraints=critical,CA:FALSE',
          '-addext',
          'keyUsage=critical,digitalSignature',
          '-addext',
          `extendedKeyUsage=${certificate.usage}`,
          ...(names === undefined ? [] : ['-addext', `subjectAltName=${names}`]),
        ],
        at(certificate.name),
        stop,
      );
    },
    signal,
  );
  await writeServiceAccountKeys(layout);
  await writeFileAtomic(stampFile, JSON.stringify(stamp));
}

function certificatesOf(layout: Layout): Certificate[] {
  const kubernetes = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
  ];
  const addresses = ['127.0.0.1', layout.nodeIp, layout.apiServiceIp];
  const names = [...kubernetes.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)].join(',');
  return [
    { name: 'apiserver', user: 'kube-apiserver', usage: 'serverAuth', alternativeNames: names },
    {
      name: 'apiserver-kubelet-client',
      user: 'kube-apiserver-kubelet-client',
      group: 'system:masters',
      usage: 'clientAuth',
    },
    { name: 'front-proxy', user: 'front-proxy-client', usage: 'clientAuth' },
    {
      name: 'kubelet',
      user: `system:node:${layout.nodeName}`,
      group: 'system:nodes',
      usage: 'serverAuth,clientAuth',
      alternativeNames: `DNS:${layout.nodeName},IP:${layout.nodeIp},IP:127.0.0.1`,
    },
    ...Object.entries(apiUsers).map(([name, who]) => ({ name, ...who, usage: 'clientAuth' as const })),
  ];
}

/** One key and certificate: BASE.key (readable by root only) and BASE.crt. */
async function issue(args: readonly string[], base: string, signal: AbortSignal | undefined): Promise<void> {
  const common = [
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    String(validDays),
    '-config',
    '/dev/null',
  ];
  await runChecked(['openssl', 'req', ...common, ...args, '-keyout', `${base}.key`, '-out', `${base}.crt`], { signal });
}

/** What signs the tokens of service accounts. */
async function writeServiceAccountKeys(layout: Layout): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await writeFileAtomic(join(layout.pki, 'service-accounts.key'), privateKey, 0o600);
  await writeFileAtomic(join(layout.pki, 'service-accounts.pub'), publicKey);
}
