/**
 * Text of other people as it may be printed: names, images and reasons come from objects that anyone can make. Control
 * characters (terminal escapes among them), marks that turn the direction of writing and invisible characters become
 * visible; line breaks become spaces.
 */
export function plain(text: string): string {
  return text.replaceAll(/[\t\n\r]+/g, ' ').replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

/** One escape for each UTF-16 unit: that is how JSON writes them, too. */
function escapeCharacter(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** JSON that any terminal may show: what `plain` would escape is escaped as JSON does, so that nothing is lost. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

/** A value with every text in it made plain, for formats that have no such escapes. */
export function plainTree(value: unknown): unknown {
  if (typeof value === 'string') return plain(value);
  if (Array.isArray(value)) return value.map(plainTree);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [plain(key), plainTree(item)]));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The same inside of HTML, also inside of a quoted attribute. */
export function html(text: string): string {
  return plain(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** One cell of CSV (RFC 4180). A cell that a spreadsheet would run as a formula is made text. */
export function csvCell(text: string): string {
  const safe = plain(text);
  const inert = /^[=+\-@]/.test(safe) ? `'${safe}` : safe;
  return /[",]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
