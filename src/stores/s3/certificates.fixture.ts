import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** For tests: an authority made by openssl, and the certificate of a server at 127.0.0.1 that it signed. */
export interface Certificates {
  /** PEM files. */
  readonly caFile: string;
  readonly certificate: string;
  readonly key: string;
  readonly remove: () => Promise<void>;
}

/** Makes them in a folder of their own. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-tls-'));
  const [caFile, caKey] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
  const [certificate, key] = [join(folder, 'server.pem'), join(folder, 'server.key')];
  const fresh = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const openssl = async (args: readonly string[]): Promise<void> => {
    await promisify(execFile)('openssl', [...fresh, ...args]);
  };
  await openssl(['-keyout', caKey, '-out', caFile, '-subj', '/CN=Salvor test authority']);
  const signed = ['-CA', caFile, '-CAkey', caKey, '-subj', '/CN=s3', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await openssl(['-keyout', key, '-out', certificate, ...signed, '-addext', 'basicConstraints=critical,CA:FALSE']);
  return { caFile, certificate, key, remove: async () => rm(folder, { recursive: true, force: true }) };
}
