import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { endpointsIn } from '../endpoints.ts';
import type { Endpoint } from '../endpoints.ts';
import { record, text } from '../fields.ts';

/**
 * Takes secrets out of an object before anything else sees it. A Secret keeps the names of its keys, and the addresses
 * that its values name, without credentials; environment variables that look like secrets keep their names; user and
 * password are cut out of every URL, wherever it is.
 */
export interface SecretFacts {
  readonly keys: readonly string[];
  readonly endpoints: readonly { readonly key: string; readonly endpoint: Endpoint }[];
  /** Keys whose values everybody knows, because a program sets them by default. */
  readonly wellKnown: readonly string[];
}

/** Velero's password of file backups, unless somebody sets another (velero.io/docs, "File System Backup"). */
const wellKnownValues: ReadonlySet<string> = new Set(['static-passw0rd']);

const secretName =
  /pass(word|wd|phrase)?|secret|token|credential|private|api_?key|access_?key|encryption_?key|_key$|^key$|dsn/i;
// Bounded, because anybody may write one long word: without bounds the time would grow with its square.
const userInfo = /([a-z][a-z0-9+.-]{0,20}:(?:\/\/)?)[^\s/:@"']{0,200}:[^\s"'@]{0,500}@/gi;
const goMysqlUser = /\b[\w.-]{1,100}:[^\s@"']{1,500}@tcp\(/g;
const passwordPair =
  /\b(password|passwd|pwd|secret|token|requirepass|masterauth)(["']?\s*[=:]\s*["']?|\s+)[^\s"',;&]+/gi;
export const hidden = '(hidden)';

/** A value that is longer than this holds a file, not an address. */
const secretValueCharsMax = 8 * 1024;

export function redact(object: KubeObject): KubeObject {
  if (groupKindOf(object) === 'Secret') return redactSecret(object);
  return redactTree(object) as KubeObject;
}

function redactSecret(object: KubeObject): KubeObject {
  const { data, stringData, ...others } = object;
  const endpoints: { key: string; endpoint: Endpoint }[] = [];
  const values = [
    ...Object.entries(record(data)).map(([key, value]) => [key, decode(text(value) ?? '')] as const),
    ...Object.entries(record(stringData)).map(([key, value]) => [key, text(value) ?? ''] as const),
  ];
  for (const [key, value] of values) {
    if (value.length > secretValueCharsMax) continue;
    for (const endpoint of endpointsIn(value)) endpoints.push({ key, endpoint: { ...endpoint } });
    // A key called "host" says by itself what its value is.
    if (/(^|[_.-])(host|hostname|endpoint|server|address)$/i.test(key) && /^[a-z0-9][a-z0-9.-]*$/i.test(value.trim()))
      endpoints.push({ key, endpoint: { host: value.trim() } });
  }
  const wellKnown = values.filter(([, value]) => wellKnownValues.has(value.trim())).map(([key]) => key);
  const facts: SecretFacts = { keys: values.map(([key]) => key), endpoints, wellKnown };
  return { ...others, facts };
}

/** The facts of a redacted Secret. */
export function secretFacts(secret: KubeObject): SecretFacts {
  return secret['facts'] as SecretFacts;
}

function decode(base64: string): string {
  return base64.length > secretValueCharsMax * 2 ? '' : Buffer.from(base64, 'base64').toString('utf8');
}

function redactTree(value: unknown, key = ''): unknown {
  if (typeof value === 'string')
    return secretName.test(key) && !isReference(key, value) ? redactValue(value) : redactText(value);
  if (Array.isArray(value)) return value.map((item) => redactTree(item, key));
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Record<string, unknown>;
  // {name: POSTGRES_PASSWORD, value: hunter2}: the name of the variable says that the value is a secret.
  const variable = typeof fields['name'] === 'string' && 'value' in fields ? fields['name'] : undefined;
  return Object.fromEntries(
    Object.entries(fields).map(([name, item]) => [
      name,
      redactTree(item, name === 'value' && variable !== undefined ? variable : name),
    ]),
  );
}

/** Fields that name a Secret, not its value: secretName, existingSecret, tokenSecretRef. */
function isReference(key: string, value: string): boolean {
  return (
    /(name|ref|existing\w*|file|path|dir|provider|store|type|mode|key)$/i.test(key) &&
    /^[a-z0-9]([a-z0-9./_-]*[a-z0-9])?$/i.test(value) &&
    !/_/.test(key)
  );
}

/** A DSN in a variable that is a secret still says where the data is. */
function redactValue(value: string): string {
  if (value === '' || /^\$[({]/.test(value)) return value;
  const found = endpointsIn(value).filter((endpoint) => endpoint.scheme !== undefined);
  return found.length === 0 ? hidden : redactText(value);
}

function redactText(value: string): string {
  if (!/[:=@]|pass|secret|token/i.test(value)) return value;
  return value
    .replaceAll(userInfo, `$1${hidden}@`)
    .replaceAll(goMysqlUser, `${hidden}@tcp(`)
    .replaceAll(passwordPair, `$1$2${hidden}`);
}
