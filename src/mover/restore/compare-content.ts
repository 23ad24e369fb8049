import { plainBytes } from '#repository/pack';
import type { PackSource, TreeNode } from '#repository/types';
import { createByteGate } from './byte-gate.ts';
import type { ComparedBlob, NamedFile, FileAnswer } from './compare-job.ts';
import type { ComparedMetadata } from './compare-metadata.ts';
import { isRestoredXattr } from '../metadata.ts';
import type { RestoreThreads } from './restore-threads.ts';
import { createWorkSet } from './work-set.ts';
import { zeroBlobBytes } from './zero-blobs.ts';

/** Compares files with the repository, in jobs for several threads: many small files in one, a large file in several. */
export interface FileComparer extends AsyncDisposable {
  /** Resolves late when reading is behind. */
  compare(file: FileToCompare): Promise<void>;
  /** Begins with what is wanted so far, and waits until some of it is done. */
  readonly makeRoom: () => Promise<void>;
  /** Resolves when all is answered; throws what ended the run. */
  finish(): Promise<void>;
}

export interface FileToCompare {
  readonly node: TreeNode;
  /** For the system call. */
  readonly place: Buffer;
  /** Told once for each part of the file. */
  readonly onPart: (answer: FileAnswer, part: NamedFile) => void;
  /** Told after the last part. */
  readonly onEnd: () => Promise<void>;
}

const jobBytesMax = 8 * 1024 * 1024;
const jobFilesMax = 256;
/** What is given to the threads and not answered. */
const bytesInFlightMax = 64 * 1024 * 1024;

interface Part {
  readonly file: NamedFile;
  readonly answered: (answer: FileAnswer) => Promise<void>;
}

export interface FileComparerOptions {
  readonly source: Pick<PackSource, 'findBlob'>;
  readonly threads: RestoreThreads;
  readonly signal: AbortSignal;
}

export function createFileComparer({ source, threads, signal }: FileComparerOptions): FileComparer {
  const work = createWorkSet(signal);
  const gate = createByteGate(bytesInFlightMax);
  let parts: Part[] = [];
  let bytes = 0;

  const startJob = async (): Promise<void> => {
    work.signal.throwIfAborted();
    const job = parts;
    // Also what is not read costs something: a job of empty files must not pass for nothing.
    const weight = bytes + job.length;
    parts = [];
    bytes = 0;
    if (job.length === 0) return;
    await gate.enter(weight, work.signal);
    const files = job.map(({ file }) => file);
    const done = async (): Promise<void> => {
      const answers = await threads.compare({ kind: 'compare', files }, weight);
      for (const [index, answer] of answers.entries()) await job[index]?.answered(answer);
    };
    work.add(done().finally(() => gate.leave(weight)));
  };

  return {
    compare: async (file) => {
      let left = 1;
      const end = async (): Promise<void> => {
        left--;
        if (left === 0) await file.onEnd();
      };
      for (const part of partsOf(file, source)) {
        left++;
        const answered = async (answer: FileAnswer): Promise<void> => {
          file.onPart(answer, part);
          await end();
        };
        parts.push({ file: part, answered });
        bytes += part.blobs.reduce((sum, blob) => sum + blob.bytes, 0);
        if (bytes >= jobBytesMax || parts.length >= jobFilesMax) await startJob();
      }
      await end();
    },
    makeRoom: async () => {
      await startJob();
      await work.progress();
    },
    finish: async () => {
      await startJob();
      await work.finish();
    },
    [Symbol.asyncDispose]: async () => work[Symbol.asyncDispose](),
  };
}

function* partsOf({ node, place }: FileToCompare, source: FileComparerOptions['source']): Generator<NamedFile> {
  const common = { path: place.toString('latin1'), size: node.size ?? 0 };
  let blobs: ComparedBlob[] = [];
  let position = 0;
  let end = 0;
  const part = (): NamedFile => ({
    ...common,
    ...(position === 0 ? { metadata: comparedMetadata(node) } : {}),
    position,
    blobs,
  });
  for (const id of node.content ?? []) {
    const found = source.findBlob('data', id);
    // A blob that is in no index has no length: what it was cannot be compared.
    const bytes = zeroBlobBytes(id) ?? (found === undefined ? 0 : plainBytes(found));
    blobs.push({ id, bytes });
    end += bytes;
    if (end - position < jobBytesMax) continue;
    yield part();
    blobs = [];
    position = end;
  }
  if (blobs.length > 0 || position === 0) yield part();
}

/** In memory of its own: a view would take along all that lies around it when it goes to a thread. */
function comparedMetadata({ type, mode, uid, gid, mtimeNs, xattrs = [] }: TreeNode): ComparedMetadata {
  const copied = xattrs.filter(isRestoredXattr).map(({ name, value }) => ({ name, value: new Uint8Array(value) }));
  return { type, mode, uid, gid, mtimeNs, ...(copied.length === 0 ? {} : { xattrs: copied }) };
}
