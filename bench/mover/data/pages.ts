import type { Random } from './random.ts';

/** Pages as PostgreSQL keeps them: what most volumes that are worth a backup are full of. */
export const pageBytes = 8192;

const headerBytes = 24;
const itemBytes = 4;
const tupleHeaderBytes = 24;

/** One page into `target` at `offset`, which holds zeros there. */
type Page = (target: Buffer, offset: number) => void;

export interface Pages {
  /** Fills with pages of one of three tables: wide rows full of blanks, rows with words, an index. */
  readonly fillTable: (target: Buffer) => void;
  /** A single page of one of the two tables with rows. */
  readonly row: Page;
}

/** Of 10 pieces of a volume 4 are accounts, 4 are orders, 2 are an index: zstd makes 3.8 bytes to one of them. */
const accountsOfTen = 4;
const ordersOfTen = 8;

export function createPages(random: Random): Pages {
  const counters = { lsn: 1, transaction: 1000, account: 1, order: 1, key: 1 };
  const words = createWords(random);

  const header = (target: Buffer, offset: number, shape: { items: number; bytes: number }): number[] => {
    const { items, bytes } = shape;
    counters.lsn += random.below(300);
    target.writeUInt32LE(counters.lsn, offset + 4);
    target.writeUInt16LE(random.below(65_536), offset + 8); // checksum
    target.writeUInt16LE(headerBytes + itemBytes * items, offset + 12); // lower
    target.writeUInt16LE(pageBytes - items * bytes, offset + 14); // upper
    target.writeUInt16LE(pageBytes, offset + 16); // special
    target.writeUInt16LE(0x2004, offset + 18); // page size and version
    return Array.from({ length: items }, (_, item) => {
      const at = pageBytes - (item + 1) * bytes;
      target.writeUInt32LE((at | (1 << 15) | (bytes << 17)) >>> 0, offset + headerBytes + itemBytes * item);
      return offset + at;
    });
  };

  const tuple = (target: Buffer, at: number): number => {
    if (random.below(8) === 0) counters.transaction++;
    target.writeUInt32LE(counters.transaction, at);
    target.writeUInt32LE(random.below(10) === 0 ? counters.transaction + 5 : 0, at + 4);
    target.writeUInt32LE(random.below(1 << 20), at + 12);
    target.writeUInt16LE(random.below(60), at + 16);
    target.writeUInt16LE(4, at + 18);
    target.writeUInt16LE(0x0902, at + 20);
    target.writeUInt8(tupleHeaderBytes, at + 22);
    return at + tupleHeaderBytes;
  };

  const accounts: Page = (target, offset) => {
    for (const start of header(target, offset, { items: 61, bytes: 128 })) {
      const at = tuple(target, start);
      target.writeUInt32LE(counters.account++, at);
      target.writeUInt32LE(Math.trunc(counters.account / 100_000), at + 4);
      target.writeInt32LE(random.below(100_000) - 50_000, at + 8);
      target.writeUInt8(0xab, at + 12);
      target.fill(' ', at + 13, at + 13 + 84);
    }
  };

  const orders: Page = (target, offset) => {
    const bytes = 500;
    for (const start of header(target, offset, { items: 16, bytes })) {
      let at = tuple(target, start);
      target.writeUInt32LE(counters.order++, at);
      at += 8;
      for (let field = 0; field < 4; field++, at += 4) target.writeUInt32LE(random.below(2 ** 32), at);
      target.writeUInt32LE(0x2a000000 + counters.order * 7 + random.below(1024), at);
      target.writeUInt32LE(random.below(1_000_000), at + 8);
      words.fill(target, at + 12, start + bytes - 12);
    }
  };

  const index: Page = (target, offset) => {
    for (const at of header(target, offset, { items: 300, bytes: 16 })) {
      target.writeUInt32LE(random.below(1 << 24), at);
      target.writeUInt16LE(random.below(60), at + 4);
      target.writeUInt16LE(16, at + 6);
      counters.key += 1 + random.below(3);
      target.writeUInt32LE(counters.key, at + 8);
    }
  };

  return {
    row: (target, offset) => (random.below(2) === 0 ? orders : accounts)(target, offset),
    fillTable(target) {
      const kind = random.below(10);
      const page = kind < accountsOfTen ? accounts : kind < ordersOfTen ? orders : index;
      target.fill(0);
      for (let offset = 0; offset < target.length; offset += pageBytes) page(target, offset);
    },
  };
}

export interface Words {
  /** Writes words from `start`, as many as end before `end`. */
  readonly fill: (target: Buffer, start: number, end: number) => void;
}

const consonants = 'bcdfghjklmnprstvz';
const vowels = 'aeiou';
/** Few words are frequent, many are rare, as in any language: the product of two numbers below this. */
const wordsRoot = 64;

/** A language of its own of 4,096 words. */
export function createWords(random: Random): Words {
  const letter = (of: string): string => of.charAt(random.below(of.length));
  const syllables = (count: number): string =>
    Array.from({ length: count }, () => letter(consonants) + letter(vowels)).join('');
  const words = Array.from({ length: wordsRoot ** 2 }, () => Buffer.from(`${syllables(2 + random.below(3))} `));
  return {
    fill(target, start, end) {
      for (let at = start; ;) {
        const word = words[random.below(wordsRoot) * random.below(wordsRoot)] as Buffer;
        if (at + word.length > end) return;
        target.set(word, at);
        at += word.length;
      }
    },
  };
}
