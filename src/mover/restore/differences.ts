/** One way in which a restored tree is not what the repository holds. */
export interface Difference {
  /** Relative to the root of the tree, printable; `.` is the root. */
  readonly path: string;
  readonly what: (typeof differenceKinds)[number];
  readonly expected: string;
  readonly found: string;
}

export const differenceKinds = [
  'existence',
  'type',
  'mode',
  'owner',
  'mtime',
  'xattr',
  'linkTarget',
  'hardLinks',
  'device',
  'size',
  'content',
] as const;
