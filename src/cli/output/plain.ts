/**
 * Text of other people as it may be printed: names, images and reasons come from objects that anyone can make. Control
 * characters (terminal escapes among them), marks that turn the direction of writing and invisible characters become
 * visible; line breaks become spaces.
 */
export function plain(text: string): string {
  return text.replaceAll(/[\t\n\r]+/g, ' ').replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
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
