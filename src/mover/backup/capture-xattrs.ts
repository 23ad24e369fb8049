import type { Xattr } from '#repository/types';
import { issueOf, type Issue } from '../issues.ts';
import { printable } from '../names.ts';
import { errnoOf } from '../posix/libc.ts';
import { readXattrs, type XattrTarget } from '../posix/xattrs.ts';

/** The extended attributes of an entry, and what could not be kept of them. `path` is asked for if there is anything to tell. */
export function captureXattrs(
  target: XattrTarget,
  path: () => Buffer,
): { readonly xattrs: readonly Xattr[]; readonly issues: readonly Issue[] } {
  try {
    const { xattrs, unsupportedNames } = readXattrs(target);
    const issues = unsupportedNames.map((name) => {
      const message = `the extended attribute ${printable(name)} has a name that is not UTF-8, which restic's format cannot hold`;
      return { path: printable(path()), code: 'XattrName', message };
    });
    return { xattrs, issues };
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return { xattrs: [], issues: [issueOf(path(), code, error)] };
  }
}
