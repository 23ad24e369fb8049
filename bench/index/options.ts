import { parseArgs } from 'node:util';
import { SalvorError } from '#shared/errors';

export interface IndexOptions {
  /** Millions of blobs, ascending. */
  readonly sizes: readonly number[];
  readonly runs: number;
  /** Path of restic, if not the one that `npm run bench -- mover --prepare` built or Debian's. */
  readonly restic: string | undefined;
}

const usage = `npm run bench -- index [--large] [--runs N] [--peer restic=PATH] [--json FILE]`;
const sizesUsual = [1, 10];
/** Takes 10 GB on the disk for the repository, 10 GB for our scratch files, 7 GB of memory for restic, and a quarter of an hour. */
const sizeLarge = 100;
const runsMax = 25;

/** Reads the command line; throws `Usage`. */
export function parseIndexOptions(args: readonly string[]): IndexOptions {
  const { large, runs, peer } = parsed(args);
  const [name, restic] = peer?.split(/=(.*)/s) ?? [];
  if (peer !== undefined && (name !== 'restic' || restic === undefined || restic === '')) {
    throw wrong(`--peer is ${JSON.stringify(peer)}: restic=PATH is possible`);
  }
  const count = Number(runs);
  if (!(Number.isInteger(count) && count >= 1 && count <= runsMax)) {
    throw wrong(`--runs is ${JSON.stringify(runs)}: a whole number from 1 to ${runsMax} is possible`);
  }
  return { sizes: large ? [...sizesUsual, sizeLarge] : sizesUsual, runs: count, restic };
}

function parsed(args: readonly string[]) {
  try {
    const options = {
      large: { type: 'boolean', default: false },
      runs: { type: 'string', default: '3' },
      peer: { type: 'string' },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw wrong('The command line is not valid', error);
  }
}

function wrong(message: string, cause?: unknown): SalvorError {
  return new SalvorError(message, { code: 'Usage', hint: usage, cause });
}
