import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { withCode } from '../store.contract.ts';
import { bodyOf, fail, listen, quickTiming, withServer } from './scripted-server.fixture.ts';
import type { Answer } from './scripted-server.fixture.ts';

const folder = await mkdtemp(join(tmpdir(), 'salvor-credentials-'));
const tokenFile = join(folder, 'token');
const credentialsFile = join(folder, 'credentials');
const environment = { ...process.env };

/** The environment that the SDK's default chain reads: with nothing of this machine's, and this. */
function setEnvironment(values: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, {
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    AWS_EC2_METADATA_DISABLED: 'true',
    ...values,
  });
}

after(async () => {
  process.env = environment;
  await rm(folder, { recursive: true, force: true });
});

/** An S3 server that takes requests of this key only, and says why not. */
function accepting(isGood: (accessKeyId: string, sessionToken: string | undefined) => boolean, seen: string[]): Answer {
  return (request, response) => {
    const accessKeyId = /Credential=([^/]*)/.exec(String(request.headers.authorization))?.[1] ?? '';
    const sessionToken = request.headers['x-amz-security-token']?.toString();
    seen.push(accessKeyId);
    if (isGood(accessKeyId, sessionToken)) response.end('x');
    else fail(response, 400, 'ExpiredToken');
  };
}

/** A fake of AWS's token service: what it answers is scripted, because there is none to be had here. */
async function withSts(answer: Answer, run: () => Promise<void>): Promise<void> {
  await using server = await listen(answer);
  setEnvironment({
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${server.port}`,
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/salvor',
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_REGION: 'eu-west-3',
  });
  await run();
}

function sessionXml(accessKeyId: string): string {
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  return (
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>' +
    `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>` +
    `<SessionToken>session of ${accessKeyId}</SessionToken><Expiration>${expiration}</Expiration></Credentials>` +
    '</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>'
  );
}

describe('credentials of a web identity (IRSA)', () => {
  before(async () => writeFile(tokenFile, 'token-of-the-pod'));

  test('the token of the pod is exchanged for a session, and requests carry it', async () => {
    const asked: URLSearchParams[] = [];
    const seen: string[] = [];
    await withSts(
      async (request, response) => {
        asked.push(new URLSearchParams((await bodyOf(request)).toString()));
        response.end(sessionXml('ASIA1'));
      },
      async () =>
        withServer(
          accepting((key, session) => key === 'ASIA1' && session === 'session of ASIA1', seen),
          async (store) => {
            await store.get('a');
            await store.get('a');
          },
          { credentials: undefined },
        ),
    );
    assert.deepEqual(
      asked.map((query) => ['Action', 'RoleArn', 'WebIdentityToken'].map((name) => query.get(name))),
      [['AssumeRoleWithWebIdentity', 'arn:aws:iam::123456789012:role/salvor', 'token-of-the-pod']],
    );
    assert.deepEqual(seen, ['ASIA1', 'ASIA1']);
  });

  test('a session that ends in the middle of a run is renewed, once for all calls that notice', async () => {
    let sessions = 0;
    let good = 'ASIA1';
    const seen: string[] = [];
    await withSts(
      (request, response) => request.resume().on('end', () => response.end(sessionXml(`ASIA${++sessions}`))),
      async () =>
        withServer(
          accepting((key) => key === good, seen),
          async (store) => {
            await store.get('a');
            good = 'ASIA2';
            await Promise.all([store.get('a'), store.get('b'), store.get('c')]);
          },
          { credentials: undefined },
        ),
    );
    assert.equal(sessions, 2);
    assert.deepEqual(seen.toSorted(), ['ASIA1', 'ASIA1', 'ASIA1', 'ASIA1', 'ASIA2', 'ASIA2', 'ASIA2']);
  });

  test('a role that may not be taken is the reason that is given', async () => {
    await withSts(
      (request, response) => {
        request.resume();
        response.writeHead(403);
        response.end(
          '<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>',
        );
      },
      async () =>
        withServer(
          (_request, response) => response.end('x'),
          async (store) => {
            await assert.rejects(store.get('a'), (error: unknown) => {
              assert.ok(error instanceof SalvorError);
              assert.deepEqual([error.code, error.retryable], ['StoreAccessDenied', false]);
              assert.match(error.message, /credentials .*sts:AssumeRoleWithWebIdentity/);
              return true;
            });
          },
          { credentials: undefined },
        ),
    );
  });

  test('a token service that is ill or silent does not hang the caller, and may be asked again', async () => {
    for (const answer of [(_request, response) => response.writeHead(500).end(), () => {}] satisfies Answer[]) {
      await withSts(answer, async () =>
        withServer(
          (_request, response) => response.end('x'),
          async (store) => {
            await assert.rejects(store.get('a'), (error: unknown) => {
              assert.ok(error instanceof SalvorError);
              assert.deepEqual([error.code, error.retryable], ['StoreUnreachable', true], error.message);
              return true;
            });
          },
          { credentials: undefined, timing: { ...quickTiming, callMs: 300 } },
        ),
      );
    }
  });
});

test('session credentials that were given and end in the middle are the reason, after one request', async () => {
  const seen: string[] = [];
  const credentials = { accessKeyId: 'ASIA1', secretAccessKey: 'x', sessionToken: 'over' };
  await withServer(
    accepting(() => false, seen),
    async (store) => {
      await assert.rejects(store.get('a'), (error: unknown) => {
        assert.ok(error instanceof SalvorError && error.code === 'StoreAccessDenied');
        assert.match(`${error.hint}`, /have expired/);
        return true;
      });
    },
    { credentials },
  );
  assert.deepEqual(seen, ['ASIA1']);
});

test('a credentials file that was replaced while we run is read again', async () => {
  const write = async (key: string): Promise<void> =>
    writeFile(
      credentialsFile,
      `[default]\naws_access_key_id=${key}\naws_secret_access_key=x\naws_session_token=t-${key}\n`,
    );
  setEnvironment({ AWS_SHARED_CREDENTIALS_FILE: credentialsFile });
  let good = 'ASIA1';
  await write(good);
  const seen: string[] = [];
  await withServer(
    accepting((key) => key === good, seen),
    async (store) => {
      await store.get('a');
      good = 'ASIA2';
      await write(good);
      await store.get('a');
    },
    { credentials: undefined },
  );
  assert.deepEqual(seen, ['ASIA1', 'ASIA1', 'ASIA2']);
});

test('where there are no credentials at all, that is said, and how to give some', async () => {
  setEnvironment({});
  await withServer(
    (_request, response) => response.end('x'),
    async (store) => {
      await assert.rejects(store.get('a'), (error: unknown) => {
        assert.ok(withCode('StoreAccessDenied')(error) && error instanceof SalvorError);
        assert.match(`${error.hint}`, /access key/);
        return true;
      });
    },
    { credentials: undefined },
  );
});
