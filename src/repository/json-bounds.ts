import { corrupt } from './corrupt.ts';

/** restic's deepest file, a tree with extended attributes, has 5 levels. */
const DEPTH_MAX = 64;

/** Objects and lists take up to 64 bytes each in memory, and 2 as text. A directory of a million files has 2 million. */
const CONTAINERS_MAX = 4_000_000;

/** Other values take 8 bytes and more in memory, and 2 as text. A directory of a million files has 25 million. */
const VALUES_MAX = 40_000_000;

/** Below this no text grows to more than a few ten MB, and looking would cost as much as parsing. */
const UNCHECKED_BYTES = 1024 * 1024;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [braceOpen, braceClose, bracketOpen, bracketClose] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Refuses JSON that is nested, or has so many values, that parsing it takes tens of times its size: a short compressed
 * file could otherwise end the process, which no error handling survives. Does not judge whether it is JSON.
 */
export function checkStructure(bytes: Uint8Array, what: string): void {
  if (bytes.length <= UNCHECKED_BYTES) return;
  let depth = 0;
  let containers = 0;
  let values = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at + 1);
    else if (byte === comma) values++;
    else if (byte === braceOpen || byte === bracketOpen) {
      containers++;
      depth++;
      if (depth > DEPTH_MAX) break;
    } else if (byte === braceClose || byte === bracketClose) depth--;
  }
  if (depth <= DEPTH_MAX && containers <= CONTAINERS_MAX && values <= VALUES_MAX) return;
  throw corrupt(`${what} has more levels or values than can be taken into memory`);
}

/** Where the quote that ends the string is, or the end. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
