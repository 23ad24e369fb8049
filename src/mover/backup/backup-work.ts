import { openThreadPacker, type PackingGrant, type ThreadPack } from '#repository/packing';
import type { IndexView } from '#repository/blob-lookup';
import { createCaptureWork, type CaptureJob } from './capture-job.ts';
import { createCaptureTarget } from './capture-target.ts';
import { readBlocking } from './read-content.ts';

/** What a thread of a backup is started with. */
export interface BackupSetup {
  readonly grant: PackingGrant;
  /** Hexadecimal: a bigint of the repository's config. */
  readonly chunkerPolynomial: string;
}

/** Besides capturing, a thread delivers its unfinished packs, and takes a newer index. */
export type BackupJob = CaptureJob | { readonly kind: 'flush' } | { readonly kind: 'renew'; readonly index: IndexView };

/** What a thread says that answers no job. */
export type BackupMessage =
  | { readonly kind: 'pack'; readonly pack: ThreadPack }
  | { readonly kind: 'read'; readonly bytes: number };

/** Bytes between two messages about progress. */
const progressBytes = 32 * 1024 * 1024;

/** The work of a thread: read, cut, hash, compress, seal and pack. */
export function createBackupWork(
  setup: BackupSetup,
  tell: (message: BackupMessage) => void,
): (job: BackupJob) => unknown {
  const packer = openThreadPacker(setup.grant, (pack) => tell({ kind: 'pack', pack }));
  let untold = 0;
  const capture = createCaptureWork(
    createCaptureTarget({
      chunkerPolynomial: BigInt(`0x${setup.chunkerPolynomial}`),
      save: (bytes) => packer.save(bytes),
      bytesOf: (id) => packer.bytesOf(id),
      readAt: readBlocking,
      // A thread is ended from outside.
      signal: new AbortController().signal,
      onBytes: (bytes) => {
        untold += bytes;
        if (untold < progressBytes) return;
        tell({ kind: 'read', bytes: untold });
        untold = 0;
      },
    }),
  );
  return (job) => {
    switch (job.kind) {
      case 'flush':
        return packer.flush();
      case 'renew':
        return packer.renew(job.index);
      case 'count':
      case 'entries':
      case 'blocks':
        return capture(job);
      default:
        return job satisfies never;
    }
  };
}
