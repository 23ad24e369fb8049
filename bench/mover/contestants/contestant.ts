import type { Usage } from '../../measure/command.ts';
import type { Extent, Source } from '../data/source.ts';

/** A program with its options: Salvor's mover, or a peer. */
export interface Contestant {
  readonly name: string;
  /** The program's version, and the options that make it this contestant. */
  readonly what: string;
  /** Only what compresses is compared with us: the others trade space for time. */
  readonly compresses: boolean;
  /** A new repository of its own. */
  readonly enter: (seat: Seat) => Promise<Entry>;
}

/** Where a contestant takes part, and with what. */
export interface Seat {
  readonly source: Source;
  /** An empty folder for caches and configuration; a repository on disk is a folder in it, too. */
  readonly folder: string;
  readonly place: Place;
  readonly signal: AbortSignal;
}

/** Where a repository lies. */
export type Place = { readonly kind: 'disk'; readonly path: string } | BucketPlace;

export interface BucketPlace {
  readonly kind: 'bucket';
  /** `http://HOST:PORT` */
  readonly endpoint: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The folder in which the server keeps what is under the prefix. */
  readonly path: string;
}

/** A contestant with a repository: every call is one run of its program. */
export interface Entry {
  /** Backs the source up, again if it was before. `changed` is what was written since the backup before, if that is known. */
  readonly backup: (changed: readonly Extent[]) => Promise<Usage>;
  /** Restores the last backup into an empty folder. Answers where the source's entries are then. */
  readonly restore: (target: string) => Promise<Usage & { readonly path: string }>;
  /** Lets an independent program read everything that was written, where the contestant is ours. */
  readonly check?: () => Promise<void>;
}

/** Of every repository: nothing here is secret. */
export const repositoryPassword = 'benchmark';

/** What a program gets of the environment: no settings of whoever runs the benchmark. */
export function baseEnvironment(folder: string): Record<string, string> {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder, TZ: 'UTC' };
}
