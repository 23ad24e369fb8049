import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import { formatLocation, parseLocation } from './location.ts';

test('locations are understood', () => {
  assert.deepEqual(parseLocation('s3://backups'), { kind: 's3', bucket: 'backups', prefix: '', style: 'virtual' });
  assert.deepEqual(parseLocation('s3://backups/team/shop/?region=eu-central-1'), {
    kind: 's3',
    bucket: 'backups',
    prefix: 'team/shop',
    region: 'eu-central-1',
    style: 'virtual',
  });
  assert.deepEqual(parseLocation('s3://b-1.x/p?endpoint=http://10.0.0.1:7070&style=virtual'), {
    kind: 's3',
    bucket: 'b-1.x',
    prefix: 'p',
    endpoint: 'http://10.0.0.1:7070',
    style: 'virtual',
  });
  assert.deepEqual(parseLocation('s3://backups?endpoint=https://minio.example&caFile=/etc/tls/ca.pem'), {
    kind: 's3',
    bucket: 'backups',
    prefix: '',
    endpoint: 'https://minio.example',
    style: 'path',
    caFile: '/etc/tls/ca.pem',
  });
  assert.deepEqual(parseLocation('file:///srv/back%20ups/'), { kind: 'disk', path: '/srv/back ups' });
  assert.deepEqual(parseLocation('/srv//backups/'), { kind: 'disk', path: '/srv/backups' });
});

test('a server of its own is addressed by path unless told otherwise', () => {
  const location = parseLocation('s3://backups?endpoint=https://minio.example');
  assert.equal(location.kind === 's3' && location.style, 'path');
});

test('a location that is wrong is refused with the part that is wrong', () => {
  for (const [text, pattern] of [
    ['', /empty/],
    ['backups', /neither a URL nor an absolute path/],
    ['./backups', /neither a URL nor an absolute path/],
    ['/', /root folder/],
    ['/srv\0', /zero byte/],
    ['http://x/y', /scheme "http"/],
    ['s3://', /name of a bucket/],
    ['s3://UPPER', /name of a bucket: "UPPER"/],
    ['s3://b', /name of a bucket/],
    ['s3://bucket:9000/x', /port/],
    ['s3://bucket/a b', /prefix/],
    ['s3://bucket/a%2e%2e', /prefix/],
    ['s3://bucket?regoin=x', /Unknown setting "regoin"/],
    ['s3://bucket?region=', /region is empty/],
    ['s3://bucket?region=a&region=b', /twice/],
    ['s3://bucket?region=a/b', /region/],
    ['s3://bucket?style=dns', /style is "dns"/],
    ['s3://bucket?endpoint=minio:9000', /neither http nor https/],
    ['s3://bucket?endpoint=minio', /not a URL/],
    ['s3://bucket?endpoint=http://h/path', /more than scheme, host and port/],
    ['s3://bucket?caFile=ca.pem', /caFile is not an absolute path/],
    ['s3://bucket?endpoint=http://h&caFile=/ca.pem', /caFile, but the endpoint is not https/],
    ['s3://bucket#x', /"#"/],
    ['file://host/srv', /three slashes/],
    ['file:///srv?x=y', /settings/],
    ['file:///', /root folder/],
    ['file:///a%2fb', /Not a path/],
  ] as const) {
    assert.throws(() => parseLocation(text), { code: 'InvalidInput', message: pattern }, text);
  }
});

test('credentials in a location are refused, and not repeated', () => {
  for (const text of ['s3://me:hunter2@bucket', 's3://bucket?endpoint=http://me:hunter2@host']) {
    assert.throws(
      () => parseLocation(text),
      (error: unknown) => {
        assert.ok(error instanceof SalvorError);
        assert.equal(error.code, 'InvalidInput');
        assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2/);
        return true;
      },
    );
  }
});

test('any text is either a location or refused as invalid input', () => {
  const text = fc.oneof(
    fc.string(),
    fc.webUrl({ withQueryParameters: true }),
    fc.string().map((rest) => `s3://bucket/${rest}`),
  );
  fc.assert(
    fc.property(text, (value) => {
      try {
        assert.equal(typeof formatLocation(parseLocation(value)), 'string');
      } catch (error) {
        assert.ok(error instanceof SalvorError && error.code === 'InvalidInput', String(error));
      }
    }),
  );
});
