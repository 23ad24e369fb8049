import { isUtf8 } from 'node:buffer';
import { corrupt } from './corrupt.ts';

/**
 * Text as Go's standard library writes it, so that our tree blobs equal restic's byte for byte: `strconv.Quote` for
 * names, which may be any bytes, and `encoding/json` for strings.
 */

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and of all spaces only U+0020. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

const shortEscapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** `strconv.Quote` without the quotes around it. */
export function quote(bytes: Buffer): string {
  const ascii = bytes.toString('latin1');
  if (plain.test(ascii)) return ascii;
  let quoted = '';
  for (const rune of runesOf(bytes)) quoted += typeof rune === 'number' ? hexByte(rune) : quoteRune(rune);
  return quoted;
}

function quoteRune(rune: string): string {
  const short = shortEscapes[rune];
  if (short !== undefined) return short;
  if (printable.test(rune)) return rune;
  const code = rune.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return hexByte(code);
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}

function hexByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** The code points of UTF-8 text as strings, and bytes that are not UTF-8 as numbers, one by one. */
function* runesOf(bytes: Buffer): Iterable<string | number> {
  if (isUtf8(bytes)) {
    yield* bytes.toString('utf8');
    return;
  }
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const rune = bytes.subarray(at, at + length);
    if (rune.length === length && isUtf8(rune)) {
      yield rune.toString('utf8');
      at += length;
    } else {
      yield first;
      at++;
    }
  }
}

const escape = /\\(?:([abfnrtv"\\])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;
const unescapes = new Map(Object.entries(shortEscapes).map(([rune, escaped]) => [escaped.slice(1), rune]));

/** `strconv.Unquote` of the text in double quotes: the bytes that were quoted. */
export function unquote(text: string): Buffer {
  if (!text.includes('\\') && !text.includes('"')) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('\\', at);
    const end = next === -1 ? text.length : next;
    const run = text.slice(at, end);
    if (run.includes('"')) throw corrupt(`Not a quoted name: ${JSON.stringify(text.slice(0, 80))}`);
    parts.push(Buffer.from(run, 'utf8'));
    at = end;
    if (next === -1) break;
    escape.lastIndex = next;
    const match = escape.exec(text);
    if (match === null) throw corrupt(`Not a quoted name: ${JSON.stringify(text.slice(0, 80))}`);
    parts.push(unescape(match));
    at = escape.lastIndex;
  }
  return Buffer.concat(parts);
}

function unescape(match: RegExpExecArray): Buffer {
  const [, short, hex, octal, unicode, longUnicode] = match;
  if (short !== undefined) return Buffer.from(unescapes.get(short) ?? '');
  const byte = hex === undefined ? Number.parseInt(octal ?? 'x', 8) : Number.parseInt(hex, 16);
  if (byte <= 0xff) return Buffer.from([byte]);
  const code = Number.parseInt(unicode ?? longUnicode ?? 'x', 16);
  const valid = code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
  if (!valid) throw corrupt(`Not a quoted name: it has the escape ${match[0]}`);
  return Buffer.from(String.fromCodePoint(code));
}

const htmlAndSeparators = /[<>&\u2028\u2029]/g;

/** `encoding/json` of a string: as JavaScript, and HTML's characters and line separators escaped. */
export function jsonString(text: string): string {
  return JSON.stringify(text).replace(
    htmlAndSeparators,
    (rune) => `\\u${rune.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `encoding/json` of a Go string of any bytes: each byte that is not UTF-8 becomes U+FFFD, escaped. */
export function jsonStringOfBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return jsonString(bytes.toString('utf8'));
  let text = '';
  for (const rune of runesOf(bytes)) text += typeof rune === 'number' ? '\\ufffd' : jsonString(rune).slice(1, -1);
  return `"${text}"`;
}
