import { SalvorError } from '#shared/errors';

/** S3 allows 1024 bytes for key and prefix together; ours are below 100. */
const KEY_LENGTH_MAX = 512;

const printableAscii = /^[\x21-\x7e]+$/;

/** Whether it is relative, `/`-separated, printable ASCII without empty, `.` or `..` parts. Other people's objects may not be. */
export function isKey(key: string): boolean {
  const fits = key.length <= KEY_LENGTH_MAX && printableAscii.test(key) && !key.includes('\\');
  return fits && !key.split('/').some((part) => part === '' || part === '.' || part === '..');
}

/** Refuses what is no key. */
export function checkKey(key: string): void {
  if (isKey(key)) return;
  throw new SalvorError(`Not a valid object key: ${JSON.stringify(key.slice(0, 100))}`, { code: 'InvalidInput' });
}

/** Refuses a list prefix that could leave the store: as a key, but it may be empty or end in `/` or mid-name. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}

/** Refuses offsets and lengths that are not whole numbers of bytes. */
export function checkRange(offset: number, length: number | undefined): void {
  const valid = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (valid(offset) && (length === undefined || valid(length))) return;
  throw new SalvorError(`Not a valid byte range: offset ${offset}, length ${length}`, { code: 'InvalidInput' });
}
