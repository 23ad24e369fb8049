import { parseArgs } from 'node:util';
import { SalvorError } from '#shared/errors';

export interface MoverOptions {
  /** Build the peers instead of measuring. */
  readonly prepare: boolean;
  /** Names of rows, or the first part of one; without it all that are not asked for by name only. */
  readonly only: readonly string[] | undefined;
  /** Contestants beside ours; without it all that a row has. */
  readonly against: readonly string[] | undefined;
  readonly runs: number;
  /** Of the size of the data; goals are meant for 1. */
  readonly scale: number;
  /** Paths of peers by their name. */
  readonly peers: ReadonlyMap<string, string>;
}

export const usage = `npm run bench -- mover [--only ROW,...] [--against CONTESTANT,...] [--runs N] [--scale X]
    [--peer NAME=PATH ...] [--json FILE]
npm run bench -- mover --prepare`;

const runsMax = 25;
const scaleMax = 64;

/** Reads the command line; throws `Usage` that says what is wrong. */
export function parseMoverOptions(args: readonly string[]): MoverOptions {
  const { values } = parsed(args);
  return {
    prepare: values.prepare,
    only: names(values.only),
    against: names(values.against),
    runs: within('--runs', values.runs, { min: 1, max: runsMax, whole: true }),
    scale: within('--scale', values.scale, { min: 0.001, max: scaleMax, whole: false }),
    peers: new Map(values.peer.map(parsePeer)),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        prepare: { type: 'boolean', default: false },
        only: { type: 'string' },
        against: { type: 'string' },
        runs: { type: 'string', default: '3' },
        scale: { type: 'string', default: '1' },
        peer: { type: 'string', multiple: true, default: [] },
      },
    });
  } catch (error) {
    throw new SalvorError('The command line is not valid', { code: 'Usage', hint: usage, cause: error });
  }
}

function names(list: string | undefined): string[] | undefined {
  return list?.split(',').filter((name) => name !== '');
}

function within(name: string, text: string, range: { min: number; max: number; whole: boolean }): number {
  const value = Number(text);
  const { min, max, whole } = range;
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const what = whole ? 'a whole number' : 'a number';
  throw new SalvorError(`${name} is ${JSON.stringify(text)}: ${what} from ${min} to ${max} is possible`, {
    code: 'Usage',
    hint: usage,
  });
}

function parsePeer(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new SalvorError(`--peer is ${JSON.stringify(text)}, not NAME=PATH`, { code: 'Usage', hint: usage });
}
