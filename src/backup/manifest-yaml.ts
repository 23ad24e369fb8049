/**
 * Kubernetes objects as YAML, quickly: an application has tens of thousands of them, and a general YAML library takes
 * half a millisecond for each. What is written is the part of YAML that versions 1.1 (kubectl) and 1.2 read alike: block
 * mappings and sequences, literal blocks for texts of several lines, and whatever is doubtful in JSON's quotes.
 * Sources: yaml.org/spec/1.2.2, sections 5, 7.3 and 8.1; yaml.org/type for what 1.1 takes for a boolean, number or date.
 */
export function manifestYaml(value: unknown): string {
  const lines: string[] = [];
  write(lines, value, { lead: '', indent: '' });
  return `${lines.join('\n')}\n`;
}

/** Where a value begins: `lead` is what its first line starts with, `indent` what further lines of a collection do. */
interface Place {
  readonly lead: string;
  readonly indent: string;
}

function write(lines: string[], value: unknown, place: Place): void {
  if (Array.isArray(value) && value.length > 0) writeSequence(lines, value, place);
  else if (isMapping(value)) writeMapping(lines, value, place);
  else if (typeof value === 'string' && isLiteral(value)) writeLiteral(lines, value, place);
  else lines.push(`${place.lead}${scalar(value)}`);
}

function writeMapping(lines: string[], value: Readonly<Record<string, unknown>>, { lead, indent }: Place): void {
  let start = lead;
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined) continue;
    writeEntry(lines, entry, { lead: `${start}${plainOrQuoted(key)}:`, indent });
    start = indent;
  }
}

/** Collections begin on the line after their key: a mapping further in, a sequence at the same column, as kubectl writes them. */
function writeEntry(lines: string[], entry: unknown, { lead, indent }: Place): void {
  const inner = `${indent}  `;
  if (Array.isArray(entry) && entry.length > 0) {
    lines.push(lead);
    writeSequence(lines, entry, { lead: indent, indent });
  } else if (isMapping(entry)) {
    lines.push(lead);
    writeMapping(lines, entry, { lead: inner, indent: inner });
  } else write(lines, entry, { lead: `${lead} `, indent: inner });
}

function writeSequence(lines: string[], value: readonly unknown[], { lead, indent }: Place): void {
  let start = lead;
  for (const entry of value) {
    write(lines, entry === undefined ? null : entry, { lead: `${start}- `, indent: `${indent}  ` });
    start = indent;
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).some((entry) => entry !== undefined)
  );
}

/** A literal block keeps all characters as they are, so only texts that every reader shows alike are written as one. */
const literal = /^(?! |\t|\n)[\n\t\x20-\x7e\xa1-\u2027\u202a-\ud7ff]+$/;

function isLiteral(text: string): boolean {
  return text.includes('\n') && literal.test(text) && !/[ \t](\n|$)/.test(text) && !text.endsWith('\n\n');
}

function writeLiteral(lines: string[], text: string, { lead, indent }: Place): void {
  const ends = text.endsWith('\n');
  lines.push(`${lead}|${ends ? '' : '-'}`);
  const inner = indent === '' ? '  ' : indent;
  for (const line of (ends ? text.slice(0, -1) : text).split('\n')) lines.push(line === '' ? '' : `${inner}${line}`);
}

function scalar(value: unknown): string {
  if (typeof value === 'string') return plainOrQuoted(value);
  return JSON.stringify(value) ?? 'null';
}

/** Names, labels, versions and paths: a letter, slash or underscore first, and nothing that YAML gives a meaning to. */
const plain = /^[A-Za-z_/][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+(),;-]+)*$/;
/** What YAML 1.1 or 1.2 reads as something else than a text, in any case of its letters. */
const reserved = /^(?:true|false|yes|no|on|off|y|n|null|e[-+]?\d+)$/i;

function plainOrQuoted(text: string): string {
  return plain.test(text) && !reserved.test(text) ? text : quoted(text);
}

/** JSON's quotes are YAML's, but for characters that JSON leaves as they are and YAML does not print. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
