import type { Random } from './random.ts';

const MiB = 1024 * 1024;
/** The longest name that ext4 takes, in bytes. */
const nameBytesMax = 255;

export interface NewFile {
  readonly name: Buffer;
  readonly content: Buffer;
  /** Written with holes where the content is zero. */
  readonly sparse: boolean;
}

/** Files that a backup gets wrong when it is careless: names, links, holes and sizes. The run makes the names unique. */
export function awkwardFiles(run: string, random: Random): NewFile[] {
  const small = (): Buffer => random.bytes(2000 + random.below(3000));
  const shared = random.bytes(20_000);
  const names = [
    `résumé ${run}.txt`.normalize('NFC'),
    `résumé ${run}.txt`.normalize('NFD'),
    `請求書-${run}.pdf`,
    `🧾 receipt ${run}`,
    ` leading and trailing ${run} `,
    `-rf ${run}`,
    `new\nline ${run}`,
    `"quotes' \\ and $(run) ${run}`,
    `*?[glob] ${run}`,
    `${run}${'é'.repeat(nameBytesMax)}`,
  ].map((name) => shorten(Buffer.from(name)));
  return [
    ...names.map((name) => ({ name, content: small(), sparse: false })),
    { name: notUtf8(run), content: small(), sparse: false },
    { name: Buffer.from(`empty ${run}`), content: Buffer.alloc(0), sparse: false },
    ...['first', 'second', 'third'].map((name) => ({
      name: Buffer.from(`${name} link ${run}`),
      content: shared,
      sparse: false,
    })),
    { name: Buffer.from(`holes ${run}.img`), content: withHoles(64 * MiB, random), sparse: true },
    ...[8, 16, 32].map((size) => ({
      name: Buffer.from(`large ${size} ${run}.bin`),
      content: random.bytes(size * MiB),
      sparse: false,
    })),
  ];
}

/** A name in Latin-1, as old systems left them: its bytes are no UTF-8. */
function notUtf8(run: string): Buffer {
  return Buffer.concat([Buffer.from('caf'), Buffer.from([0xe9, 0xff, 0xfe]), Buffer.from(` ${run}`)]);
}

/** Cut to what a name may have, at the border of a character. */
function shorten(name: Buffer): Buffer {
  let end = Math.min(name.length, nameBytesMax);
  while (end < name.length && ((name[end] ?? 0) & 0xc0) === 0x80) end--;
  return name.subarray(0, end);
}

/** Data at the beginning, in the middle and at the end; zeros between. */
function withHoles(length: number, random: Random): Buffer {
  const content = Buffer.alloc(length);
  const piece = 100_000;
  for (const start of [0, length / 2, length - piece]) random.bytes(piece).copy(content, start);
  return content;
}
