import { parseArgs } from 'node:util';
import { SalvorError } from '#shared/errors';

export interface ScanOptions {
  /** Of the size that the goals are meant for. */
  readonly scale: number;
  readonly runs: number;
  /** Times the size, ascending: how time and memory grow. */
  readonly growth: readonly number[];
}

const usage = 'npm run bench -- scan [--growth] [--scale X] [--runs N] [--json FILE]';
const runsMax = 25;
const scaleMax = 8;

/** Reads the command line; throws `Usage`. */
export function parseScanOptions(args: readonly string[]): ScanOptions {
  const { growth, scale, runs } = parsed(args);
  const [factor, count] = [Number(scale), Number(runs)];
  if (!(factor >= 0.001 && factor <= scaleMax))
    throw wrong(`--scale is ${JSON.stringify(scale)}: a number from 0.001 to ${scaleMax} is possible`);
  if (!(Number.isInteger(count) && count >= 1 && count <= runsMax))
    throw wrong(`--runs is ${JSON.stringify(runs)}: a whole number from 1 to ${runsMax} is possible`);
  return { scale: factor, runs: count, growth: growth ? [1, 2, 4] : [1] };
}

function parsed(args: readonly string[]) {
  try {
    const options = {
      growth: { type: 'boolean', default: false },
      scale: { type: 'string', default: '1' },
      runs: { type: 'string', default: '3' },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw wrong('The command line is not valid', error);
  }
}

function wrong(message: string, cause?: unknown): SalvorError {
  return new SalvorError(message, { code: 'Usage', hint: usage, cause });
}
