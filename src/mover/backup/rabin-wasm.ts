import { polynomialDegree, rabinTables, windowBytes, type RabinTables } from './rabin.ts';

/**
 * The hot loop of the chunker as WebAssembly, because 64-bit arithmetic in JavaScript is ten times slower. The module
 * is assembled here from its few instructions, so that its source is in the tree. In text form:
 *
 *   (module (memory (export "memory") PAGES) (global $digest (export "digest") (mut i64) (i64.const 0))
 *     (func (export "scan") (param $at i32) (param $end i32) (result i32) (local $d i64)
 *       (local.set $d (global.get $digest))
 *       (block $done (loop $next
 *         (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
 *         ;; $at is the byte that leaves the window, $at + 64 the one that enters it
 *         (local.set $d (i64.xor (local.get $d) (out[load8_u $at])))
 *         (local.set $d (i64.xor (i64.or (i64.shl (local.get $d) 8) (load8_u offset=64 $at)) (mod[$d >> 45])))
 *         (local.set $at (i32.add (local.get $at) 1))
 *         (br_if $next (i64.ne (i64.and (local.get $d) MASK) 0))
 *         (return (local.get $at))))
 *       (global.set $digest (local.get $d))
 *       (i32.const 0)))
 */
export interface RabinScanner {
  readonly tables: RabinTables;
  /** The memory to put input into. */
  readonly buffer: Uint8Array<ArrayBuffer>;
  /**
   * Slides the window over buffer[from, to), starting from the digest of the 64 bytes before it, and answers the
   * position after the first byte where the digest's low 20 bits are 0, or 0 if there is none (then `resume` goes on).
   */
  start(initial: bigint, from: number, to: number): number;
  /** Goes on where the last call ended without a cut. */
  resume(from: number, to: number): number;
}

/** The average distance of cuts is 2^20 bytes. */
export const splitMask = (1n << 20n) - 1n;

const pageBytes = 65_536;
const outAddress = 0;
const modAddress = 2048;
/** The first page holds the tables. */
const bufferAddress = pageBytes;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly digest: { value: bigint };
  readonly scan: (from: number, to: number) => number;
}

/** The part of WebAssembly used here; its types come with TypeScript's DOM library only, which we do not load. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}
const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;

export function createRabinScanner(polynomial: bigint, bufferBytes: number): RabinScanner {
  const tables = rabinTables(polynomial);
  const pages = 1 + Math.ceil(bufferBytes / pageBytes);
  const { memory, digest, scan } = new Instance(new Module(assemble(pages))).exports as Exports;
  const { buffer } = memory;
  new BigUint64Array(buffer, outAddress, 256).set(tables.out);
  new BigUint64Array(buffer, modAddress, 256).set(tables.mod);
  const base = bufferAddress - windowBytes;
  const resume = (from: number, to: number): number => {
    const found = scan(base + from, base + to);
    return found === 0 ? 0 : found - base;
  };
  return {
    tables,
    buffer: new Uint8Array(buffer, bufferAddress, bufferBytes),
    start: (initial, from, to) => {
      digest.value = initial;
      return resume(from, to);
    },
    resume,
  };
}

const i32 = 0x7f;
const i64 = 0x7e;
const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  branch: (depth: number) => [0x0c, depth],
  branchIf: (depth: number) => [0x0d, depth],
  return: [0x0f],
  get: (local: number) => [0x20, local],
  set: (local: number) => [0x21, local],
  digestGet: [0x23, 0],
  digestSet: [0x24, 0],
  /** Zero-extended byte at the address on the stack plus the offset. */
  byteAsI32: (offset: number) => [0x2d, 0, ...leb(offset)],
  byteAsI64: (offset: number) => [0x31, 0, ...leb(offset)],
  i64Load: (offset: number) => [0x29, 3, ...leb(offset)],
  i32Const: (value: number) => [0x41, ...signedLeb(BigInt(value))],
  i64Const: (value: bigint) => [0x42, ...signedLeb(value)],
  i32GeU: [0x4f],
  i64Ne: [0x52],
  i32Add: [0x6a],
  i32Shl: [0x74],
  i64And: [0x83],
  i64Or: [0x84],
  i64Xor: [0x85],
  i64Shl: [0x86],
  i64ShrU: [0x88],
  i32WrapI64: [0xa7],
} as const;

const at = 0;
const end = 1;
const d = 2;

/** An entry of a table of 8-byte values, by the index on the stack. */
const tableEntry = (address: number): number[] => [...op.i32Const(3), ...op.i32Shl, ...op.i64Load(address)];

const scanBody = [
  [op.digestGet, op.set(d)],
  [op.block, op.loop],
  [op.get(at), op.get(end), op.i32GeU, op.branchIf(1)],
  [op.get(d), op.get(at), op.byteAsI32(0), tableEntry(outAddress), op.i64Xor, op.set(d)],
  [op.get(d), op.i64Const(8n), op.i64Shl, op.get(at), op.byteAsI64(windowBytes), op.i64Or],
  [op.get(d), op.i64Const(polynomialDegree - 8n), op.i64ShrU, op.i32WrapI64, tableEntry(modAddress)],
  [op.i64Xor, op.set(d)],
  [op.get(at), op.i32Const(1), op.i32Add, op.set(at)],
  [op.get(d), op.i64Const(splitMask), op.i64And, op.i64Const(0n), op.i64Ne, op.branchIf(0)],
  [op.get(at), op.return],
  [op.end, op.end],
  [op.get(d), op.digestSet],
  [op.i32Const(0), op.end],
].flat(2);

/** "\0asm" and the version of the binary format. */
const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

function assemble(pages: number): Uint8Array<ArrayBuffer> {
  const scan = [1, 1, i64, ...scanBody];
  return Uint8Array.from([
    ...header,
    ...section(1, [1, 0x60, 2, i32, i32, 1, i32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, ...leb(pages), ...leb(pages)]),
    ...section(6, [1, i64, 1, ...op.i64Const(0n), ...op.end]),
    ...section(7, [3, ...exported('memory', 2), ...exported('digest', 3), ...exported('scan', 0)]),
    ...section(10, [1, ...leb(scan.length), ...scan]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function exported(name: string, kind: number): number[] {
  return [name.length, ...Buffer.from(name), kind, 0];
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

function signedLeb(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}
