import type { Facts } from '../facts.ts';
import type { FileFact } from '../../services/lib/uploads/storage.ts';
import { each } from '../rule.ts';
import type { Findings, Rule } from '../rule.ts';

function inArea(files: readonly FileFact[], area: FileFact['area']): Map<string, FileFact> {
  return new Map(files.filter((file) => file.area === area).map((file) => [file.path64, file]));
}

/** A path for people: bytes that are no UTF-8 show as replacement characters. */
function nameOf(path64: string): string {
  return JSON.stringify(Buffer.from(path64, 'base64').toString('utf8'));
}

export const uploadsHaveTheirBytes: Rule = {
  name: 'uploadsHaveTheirBytes',
  says: 'the bytes of every stored upload have the size and hash of its row',
  needsJournal: false,
  check: ({ orders, files }: Facts) => {
    const byPath = inArea(files, 'files');
    const stored = orders.uploads.filter((upload) => upload.state === 'stored');
    return each(stored, (upload) => {
      const file = byPath.get(upload.path64);
      if (file === undefined) return `upload ${upload.id} has no file ${nameOf(upload.path64)}`;
      if (file.sizeBytes !== upload.sizeBytes) {
        return `file ${nameOf(upload.path64)} has ${file.sizeBytes} bytes, its row says ${upload.sizeBytes}`;
      }
      return file.sha256 === upload.sha256
        ? undefined
        : `file ${nameOf(upload.path64)} has other bytes than its row says`;
    });
  },
};

export const filesHaveTheirRow: Rule = {
  name: 'filesHaveTheirRow',
  says: 'every file was announced by a row before it was written',
  needsJournal: false,
  check: ({ orders, files }: Facts) => {
    const announced = new Set(orders.uploads.map((upload) => upload.path64));
    return each(inArea(files, 'files').keys(), (path64) =>
      announced.has(path64) ? undefined : `file ${nameOf(path64)} has no row`,
    );
  },
};

export const linksAndAttributesAreKept: Rule = {
  name: 'linksAndAttributesAreKept',
  says: 'every file is a hard link of the one under its hash, with the right count of links and the hash as xattr',
  needsJournal: false,
  check: ({ files }: Facts): Findings => {
    const byHash = inArea(files, 'by-hash');
    const links = new Map<string, number>();
    for (const file of files) links.set(file.inode, (links.get(file.inode) ?? 0) + 1);
    return each(files, (file) => {
      const name = `${file.area}/${nameOf(file.path64)}`;
      const original = byHash.get(Buffer.from(file.sha256).toString('base64'));
      if (original === undefined) return `${name}: nothing is stored under its hash ${file.sha256}`;
      if (original.inode !== file.inode) return `${name} is a copy, not a link of by-hash/${file.sha256}`;
      if (file.links !== links.get(file.inode))
        return `${name} has ${file.links} links, ${links.get(file.inode)} were found`;
      if (file.attribute !== file.sha256) return `${name} has the xattr user.sha256 = ${file.attribute ?? 'none'}`;
      return undefined;
    });
  },
};

export const sparseFilesKeepTheirHoles: Rule = {
  name: 'sparseFilesKeepTheirHoles',
  says: 'files that were written with holes take less room than they are long',
  needsJournal: false,
  check: ({ orders, files }: Facts) => {
    const byPath = inArea(files, 'files');
    const sparse = orders.uploads.filter((upload) => upload.sparse && upload.state === 'stored');
    return each(sparse, (upload) => {
      const file = byPath.get(upload.path64);
      if (file === undefined || file.allocatedBytes < file.sizeBytes) return undefined;
      return `file ${nameOf(upload.path64)} of ${file.sizeBytes} bytes takes ${file.allocatedBytes}`;
    });
  },
};
