import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  assert as check,
  boolean,
  constant,
  constantFrom,
  dictionary,
  double,
  integer,
  letrec,
  oneof,
  property,
  string,
} from 'fast-check';
import { parse } from 'yaml';
import { manifestYaml } from './manifest-yaml.ts';

/** kubectl reads YAML 1.1, everybody else 1.2. */
function readBack(yaml: string): unknown[] {
  return (['1.1', '1.2'] as const).map((version) => parse(yaml, { version, maxAliasCount: 0 }) as unknown);
}

function assertKept(value: unknown): void {
  const yaml = manifestYaml(value);
  for (const read of readBack(yaml)) assert.deepEqual(read, value, yaml);
}

test('an object reads as people write it', () => {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'web', labels: { 'app.kubernetes.io/name': 'web', version: '1.10' }, finalizers: [] },
    data: { 'app.conf': 'a: 1\nb: "2"\n\n  indented\n', empty: '', motto: 'yes', plain: 'two words, no more' },
    list: [{ name: 'a', ports: [80, 443] }, 'b', ['c', []], {}, null],
  };
  assert.equal(
    manifestYaml(object),
    `apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  labels:
    app.kubernetes.io/name: web
    version: "1.10"
  finalizers: []
data:
  app.conf: |
    a: 1
    b: "2"

      indented
  empty: ""
  motto: "yes"
  plain: two words, no more
list:
- name: a
  ports:
  - 80
  - 443
- b
- - c
  - []
- {}
- null
`,
  );
  assertKept(object);
});

test('texts that YAML would take for something else stay texts', () => {
  const texts =
    'yes No ON off y N true FALSE null ~ 1 1_000 0x1f 0777 1e3 e0 E-1 .inf -.INF .nan 12:30:45 2026-11-25 = << ! & * # - ? : , [ { | > % @ ` - ? |- --- ...';
  const awkward = [
    'a: b',
    'a #b',
    ' a',
    'a ',
    '\t',
    'a\tb',
    '- a',
    '"a"',
    "'a'",
    'a\r\nb',
    'a\n',
    '\na',
    'a\n\n',
    ' a\nb',
    'a \nb',
    'a\n---\nb',
  ];
  const odd = [
    '\u0000',
    '\u0007\n',
    '\u0085',
    '\u00a0',
    '\u2028',
    '\ufeffa',
    '\ud800',
    '🦭\nü',
    'ü',
    'a\u2028\nb',
    'x\n...\ny\n',
    '%YAML\n1',
  ];
  for (const text of [...texts.split(' '), ...awkward, ...odd]) {
    assertKept({ a: text, [text]: [text, { [text]: text }, [text]] });
    assertKept([text]);
    assertKept(text);
  }
});

test('whatever JSON can say comes back equal', () => {
  // YAML readers make a prototype of this name into a field or drop it; no Kubernetes object has it.
  const keys = oneof(string(), string({ unit: 'binary' })).filter((key) => key !== '__proto__');
  const texts = oneof(
    string(),
    string({ unit: 'binary' }),
    array(oneof(string(), constantFrom('', ' ', '- a', 'k: v', '#', '\t')), { maxLength: 6 }).map((lines) =>
      lines.join('\n'),
    ),
  );
  const value = letrec((tie) => ({
    any: oneof(
      { depthSize: 'small' },
      texts,
      integer(),
      double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
      boolean(),
      constant(null),
      array(tie('any'), { maxLength: 4 }),
      dictionary(keys, tie('any'), { maxKeys: 4 }).map((object) => ({ ...object })),
    ),
  })).any;
  check(
    property(value, (given) => assertKept(given)),
    { numRuns: 500 },
  );
});

test('fields without a value are left out, as in JSON', () => {
  assert.equal(manifestYaml({ a: undefined, b: { c: undefined }, d: [undefined] }), 'b: {}\nd:\n- null\n');
});
