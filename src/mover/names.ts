/** Linux's limit for one name, in bytes (NAME_MAX). */
const nameBytesMax = 255;
const slash = 0x2f;

/**
 * True if the name can only mean an entry of its own directory. A repository is hostile input: a name with `/`, or
 * `..`, would let a restore write outside its target.
 */
export function isSafeName(name: Buffer): boolean {
  if (name.length === 0 || name.length > nameBytesMax) return false;
  if (name.includes(slash) || name.includes(0)) return false;
  const text = name.toString('latin1');
  return text !== '.' && text !== '..';
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A path for people: bytes that are not UTF-8, and control characters, are escaped; what is printed stays one line. The root is `.`. */
export function printable(path: Buffer): string {
  if (path.length === 0) return '.';
  try {
    return escapeControls(utf8.decode(path));
  } catch {
    return escapeControls(path.toString('latin1').replaceAll(/[\x80-\xff]/g, escapeByte));
  }
}

function escapeControls(text: string): string {
  // Controls, line separators and the marks that reorder text on a terminal.
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, escapeByte);
}

function escapeByte(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\x${code.toString(16).padStart(2, '0')}`;
}

/** The path of an entry, relative to the root of the tree. */
export function joinPath(directory: Buffer, name: Buffer): Buffer {
  return directory.length === 0 ? name : Buffer.concat([directory, Buffer.of(slash), name]);
}

/** The order of names in a tree: by bytes. */
export function byBytes(left: Buffer, right: Buffer): number {
  return Buffer.compare(left, right);
}
