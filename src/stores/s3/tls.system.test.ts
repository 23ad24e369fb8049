import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { openStore } from '../open.ts';
import { storeContract } from '../store.contract.ts';
import type { Store } from '../store.ts';
import { makeCertificates } from './certificates.fixture.ts';
import type { Certificates } from './certificates.fixture.ts';
import { credentials, startGateway, startRclone } from './gateway.fixture.ts';
import type { Gateway } from './gateway.fixture.ts';

const bin = process.env['SALVOR_LAB_BIN'];

const servers = { versitygw: startGateway, rclone: startRclone };

/** Gives up after one attempt: what these tests want to see is the first error. */
async function open(endpoint: string, caFile?: string): Promise<Store> {
  const settings = caFile === undefined ? '' : `&caFile=${encodeURIComponent(caFile)}`;
  return openStore({ location: `s3://bucket/tls?endpoint=${endpoint}${settings}`, credentials, firstAttemptsMax: 1 });
}

for (const [name, start] of Object.entries(servers)) {
  storeContract(
    `S3 (${name}) over TLS with an authority of its own`,
    async () => {
      const tls = await makeCertificates();
      const server = await start(bin, { tls });
      return {
        store: await open(server.endpoint, tls.caFile),
        dispose: async () => {
          await server.stop();
          await tls.remove();
        },
      };
    },
    { lacks: { 'object lock': 'its bucket was made without' } },
  );

  describe(`the certificate of ${name}`, () => {
    let tls: Certificates;
    let other: Certificates;
    let server: Gateway;
    before(async () => {
      [tls, other] = await Promise.all([makeCertificates(), makeCertificates()]);
      server = await start(bin, { tls });
    });
    after(async () => {
      await server?.stop();
      await Promise.all([tls?.remove(), other?.remove()]);
    });

    const refused = async (endpoint: string, caFile: string | undefined): Promise<SalvorError> => {
      await using store = disposable(await open(endpoint, caFile));
      const error: unknown = await store.get('a').catch((reason: unknown) => reason);
      assert.ok(error instanceof SalvorError, String(error));
      assert.deepEqual([error.code, error.retryable], ['StoreUnreachable', false], error.message);
      return error;
    };

    test('is not trusted without its authority, and the error says how to trust it', async () => {
      assert.match(`${(await refused(server.endpoint, undefined)).hint}`, /\?caFile=/);
    });

    test('is not trusted with another authority, and the error names the file', async () => {
      assert.ok(`${(await refused(server.endpoint, other.caFile)).hint}`.includes(`caFile ${other.caFile}`));
    });

    test('is for its own name only', async () => {
      const elsewhere = server.endpoint.replace('127.0.0.1', 'localhost');
      assert.match(`${(await refused(elsewhere, tls.caFile)).hint}`, /another host/);
    });
  });
}

test('https to a server without TLS is named, and http to one with it is among what is to be checked', async () => {
  const tls = await makeCertificates();
  const [plain, secure] = await Promise.all([startGateway(bin), startGateway(bin, { tls })]);
  try {
    for (const [endpoint, hint] of [
      [plain.endpoint.replace('http:', 'https:'), /does not speak TLS: use http:/],
      [secure.endpoint.replace('https:', 'http:'), /http or https/],
    ] as const) {
      await using store = disposable(await open(endpoint));
      const error: unknown = await store.get('a').catch((reason: unknown) => reason);
      assert.ok(error instanceof SalvorError, String(error));
      assert.match(`${error.hint}`, hint, `${error.code} ${error.message}`);
    }
  } finally {
    await Promise.all([plain.stop(), secure.stop(), tls.remove()]);
  }
});

function disposable(store: Store): Store & AsyncDisposable {
  return { ...store, [Symbol.asyncDispose]: async () => store.close() };
}
