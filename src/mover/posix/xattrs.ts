import type { Xattr } from '#repository/types';
import { checked, cString, errnoOf, libc } from './libc.ts';

/** An open file or directory by descriptor, or anything by path (never following a symlink at its end). */
export type XattrTarget = number | Buffer;

/** An attribute whose value need not be a Buffer: it may come from another thread. */
export interface XattrBytes {
  readonly name: string;
  readonly value: Uint8Array;
}

/** The kernel's limit for one value and for the list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const kernelMaxBytes = 65_536;
/** Shared, because every call here is synchronous and copies what it keeps. */
const scratch = Buffer.alloc(kernelMaxBytes);

/** All extended attributes, sorted by name, and the names that could not be kept because they are not UTF-8. */
export interface XattrsRead {
  readonly xattrs: readonly Xattr[];
  readonly unsupportedNames: readonly Buffer[];
}

/** Reads all attributes. A file system without attributes has none. */
export function readXattrs(target: XattrTarget): XattrsRead {
  const xattrs: Xattr[] = [];
  const unsupportedNames: Buffer[] = [];
  for (const name of listNames(target)) {
    const text = name.toString('utf8');
    if (!Buffer.from(text).equals(name)) {
      unsupportedNames.push(name);
      continue;
    }
    const value = readValue(target, name);
    if (value !== undefined) xattrs.push({ name: text, value });
  }
  xattrs.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { xattrs, unsupportedNames };
}

/** The names of all attributes that are UTF-8. */
export function listXattrs(target: XattrTarget): string[] {
  return listNames(target).map((name) => name.toString('utf8'));
}

function listNames(target: XattrTarget): Buffer[] {
  const raw =
    typeof target === 'number'
      ? libc().flistxattr(target, scratch, scratch.length)
      : libc().llistxattr(cString(target), scratch, scratch.length);
  try {
    return splitNames(Buffer.from(scratch.subarray(0, checked(raw, 'listxattr'))));
  } catch (error) {
    if (errnoOf(error) === 'ENOTSUP' || errnoOf(error) === 'EOPNOTSUPP') return [];
    throw error;
  }
}

function splitNames(list: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let start = 0; start < list.length;) {
    const end = list.indexOf(0, start);
    names.push(list.subarray(start, end));
    start = end + 1;
  }
  return names;
}

/** Undefined when the attribute has just been removed. */
function readValue(target: XattrTarget, name: Buffer): Buffer | undefined {
  const raw =
    typeof target === 'number'
      ? libc().fgetxattr(target, cString(name), scratch, scratch.length)
      : libc().lgetxattr(cString(target), cString(name), scratch, scratch.length);
  try {
    return Buffer.from(scratch.subarray(0, checked(raw, 'getxattr')));
  } catch (error) {
    if (errnoOf(error) === 'ENODATA') return undefined;
    throw error;
  }
}

/** Creates or replaces one attribute. */
export function writeXattr(target: XattrTarget, xattr: XattrBytes): void {
  const { name, value } = xattr;
  const result =
    typeof target === 'number'
      ? libc().fsetxattr(target, cString(name), value, value.length, 0)
      : libc().lsetxattr(cString(target), cString(name), value, value.length, 0);
  checked(result, `setxattr ${name}`);
}

/** Removes one attribute; removing what is not there is not an error. */
export function removeXattr(target: XattrTarget, name: string): void {
  const result =
    typeof target === 'number'
      ? libc().fremovexattr(target, cString(name))
      : libc().lremovexattr(cString(target), cString(name));
  try {
    checked(result, `removexattr ${name}`);
  } catch (error) {
    if (errnoOf(error) !== 'ENODATA') throw error;
  }
}
