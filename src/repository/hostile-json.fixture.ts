import * as fc from 'fast-check';

/** For tests: JSON texts that are like a sound one but for one place. */

/** Levels that a recursive reader does not survive. */
const deep = 20_000;

/** Values that readers trip over, as JSON text. */
const wrongTypes = ['null', 'true', '[]', '{}', '[null]', '[[]]', '[{}]', '""', '"x"', '"data"', '"tree"'];
const nodeTypes = ['"dir"', '"file"', '"symlink"', '"socket"', '"irregular"', '"__proto__"'];
const counts = ['0', '-0', '-1', '1.5', '1e400', '-1e400', '1e-400', '65536', '4294967295', '4294967296', '1e15'];
const wide = ['9007199254740993', '18446744073709551615', '18446744073709551616', `1${'0'.repeat(400)}`];
const paths = ['"."', '".."', '"/"', '"../../escape"', '"/etc/passwd"', '"a/b"', '"a\\u0000b"'];
const quoted = ['"\\\\x00"', '"\\\\x2f"', '"\\\\"', '"\\\\u002e."', '"\\\\U00110000"'];
const texts = ['"\\ud800"', '"\\u202e\\u001b[2J"', `"${'n'.repeat(70_000)}"`, '"AAA="', '"===="'];
const ids = ['0'.repeat(64), 'f'.repeat(64), 'A'.repeat(64), '0'.repeat(63)].map((id) => `"${id}"`);
const times = ['9999-12-31T23:59:59.9+99:99', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z'].map((at) => `"${at}"`);
const prototypes = [
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"length":4294967295}',
];
const nested = [`${'['.repeat(deep)}${']'.repeat(deep)}`, `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`];
const broken = ['', '{', 'NaN', 'undefined', '1,2', '"', '\u0000', "'x'"];
const hostileValues = [
  wrongTypes,
  nodeTypes,
  counts,
  wide,
  paths,
  quoted,
  texts,
  ids,
  times,
  prototypes,
  nested,
  broken,
];

type Place = readonly (string | number)[];

/** Where the replacement goes; in no sound text. */
const MARK = '@here@';

/** The text with one value exchanged, removed, doubled under its name, or joined by an unknown one. */
export function hostileJson(sound: string): fc.Arbitrary<string> {
  const root: unknown = JSON.parse(sound);
  const places = [...placesIn(root, [])];
  const value = fc.oneof(fc.constantFrom(...hostileValues.flat()), fc.json({ maxDepth: 2 }));
  const change = fc.constantFrom('exchange', 'exchange', 'exchange', 'remove', 'double', 'add');
  return fc.tuple(fc.constantFrom(...places), value, change).map(([place, hostile, how]) => {
    const name = place.at(-1);
    switch (how) {
      case 'remove':
        return JSON.stringify(changed(root, place, undefined));
      case 'double':
        return typeof name === 'string'
          ? marked(root, place, `${hostile},${JSON.stringify(name)}:${hostile}`)
          : marked(root, place, `${hostile},${hostile}`);
      case 'add':
        return marked(root, place, `{"__proto__":${hostile},"unknown":${hostile}}`);
      case 'exchange':
        return marked(root, place, hostile);
      default:
        return how satisfies never;
    }
  });
}

function marked(root: unknown, place: Place, text: string): string {
  return JSON.stringify(changed(root, place, MARK)).replace(JSON.stringify(MARK), () => text);
}

function* placesIn(value: unknown, place: Place): Iterable<Place> {
  yield place;
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    yield* placesIn(inner, [...place, Array.isArray(value) ? Number(name) : name]);
  }
}

/** A copy in which another value is at the place; `undefined` removes it. */
function changed(value: unknown, place: Place, to: unknown): unknown {
  const [name, ...rest] = place;
  if (name === undefined) return to ?? null;
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, index) => {
      if (index !== name) return [item];
      return rest.length === 0 && to === undefined ? [] : [changed(item, rest, to)];
    });
  }
  const fields = { ...(value as Record<string, unknown>) };
  if (rest.length === 0 && to === undefined) delete fields[name];
  else fields[name] = changed(fields[name], rest, to);
  return fields;
}
