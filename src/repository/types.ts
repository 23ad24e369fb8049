import type { BlobPlace, SharedIndex } from './blob-index.ts';
import type { Packing } from './packing.ts';
import type { KeyHandles } from './seal.ts';

/**
 * What a repository holds, in memory. The bytes on the store are described in FORMAT.md; the source is
 * restic's design document (doc/design.rst of restic), version 2.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** SHA-256 of a blob's plain bytes, 64 lower-case hex digits. Made by `blobId()` only. */
export type BlobId = Branded<'BlobId'>;
/** SHA-256 of a snapshot file as stored, 64 lower-case hex digits. */
export type SnapshotId = Branded<'SnapshotId'>;

export type BlobType = 'data' | 'tree';

/** One entry of a directory. Names and link targets are bytes: Linux does not promise UTF-8. */
export interface TreeNode {
  readonly name: Buffer;
  readonly type: 'file' | 'dir' | 'symlink' | 'dev' | 'chardev' | 'fifo' | 'socket' | 'irregular';
  /** Permission bits with setuid, setgid and sticky, as in stat(2) `st_mode & 0o7777`. */
  readonly mode: number;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string;
  readonly group?: string;
  readonly inode: bigint;
  readonly deviceId: bigint;
  /** Files: bytes. */
  readonly size?: number;
  /** Number of hard links. */
  readonly links?: number;
  readonly linkTarget?: Buffer;
  readonly xattrs?: readonly Xattr[];
  /** Devices: st_rdev. */
  readonly rdev?: bigint;
  /** Files: the blobs whose plain bytes, joined, are the content. */
  readonly content?: readonly BlobId[];
  /** Directories: the tree blob with their entries. */
  readonly subtree?: BlobId;
}

export interface Xattr {
  readonly name: string;
  readonly value: Buffer;
}

/** A snapshot file: one moment, one root tree. restic shows it in `restic snapshots`. */
export interface Snapshot {
  readonly id: SnapshotId;
  /** RFC 3339 with nanoseconds, as stored. */
  readonly time: string;
  readonly tree: BlobId;
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly tags: readonly string[];
  readonly parent?: SnapshotId;
  readonly programVersion?: string;
  /** Of what snapshot this is an altered copy, in whatever repository that is. */
  readonly original?: SnapshotId;
}

/** What a data source needs of the repository. */
export interface BlobSink {
  /**
   * Takes a blob's plain bytes and answers its id. Known blobs are not stored twice. The bytes are not kept after
   * this resolves (the caller may reuse the buffer); it resolves late when uploads are behind: that is the
   * back-pressure. The blob is durable and indexed only after `flush()`.
   */
  saveBlob(type: BlobType, bytes: Uint8Array, signal?: AbortSignal): Promise<SavedBlob>;
  /** Writes a directory as a tree blob: sorts by name (bytes), refuses duplicates. */
  saveTree(nodes: readonly TreeNode[], signal?: AbortSignal): Promise<SavedBlob>;
}

export interface SavedBlob {
  readonly id: BlobId;
  /** False when the repository had it already. */
  readonly isNew: boolean;
  /** Bytes it adds to the store: compressed and encrypted; 0 when not new. */
  readonly storedBytes: number;
}

/** What a reader needs of the repository. Every blob's hash is verified before it is given out. */
export interface BlobSource {
  /**
   * Whether something new may rely on it: false for a blob that only a pack holds which a prune is about to delete.
   * Throws if the index was not read yet; a lock, `refresh` and whatever loads or saves a blob read it.
   */
  hasBlob(type: BlobType, id: BlobId): boolean;
  /** A blob that is damaged or lost in its pack is taken from another one, if an index lists it there. */
  loadBlob(type: BlobType, id: BlobId, signal?: AbortSignal): Promise<Buffer>;
  loadTree(id: BlobId, signal?: AbortSignal): Promise<TreeNode[]>;
}

/** What a restore needs: where blobs lie, and parts of packs as they are, to be opened by several threads. */
export interface PackSource extends BlobSource {
  /** Where it can be read, also if a prune is about to delete it. Undefined if no index lists the blob. */
  findBlob(type: BlobType, id: BlobId): BlobPlace | undefined;
  /** Other packs that hold these blobs, by blob; reads all index files, so it is for the case of damage. */
  findCopies(type: BlobType, damaged: readonly BlobPlace[], signal?: AbortSignal): Promise<Map<BlobId, BlobPlace[]>>;
  /** Sealed bytes of a pack, not verified. Throws `RepositoryCorrupt` if the pack is missing. */
  readPack(packId: string, range: ByteRange, signal?: AbortSignal): Promise<Buffer>;
  /** Reads these trees ahead, as far as they lie together: for who will ask for them one by one. */
  expectTrees(ids: readonly BlobId[], signal?: AbortSignal): void;
  /** What opens the sealed bytes: see seal.ts. */
  readonly keys: KeyHandles;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** An open repository: key found, index loaded. See repository.ts for how to open or create one. */
export interface Repository extends BlobSink, PackSource, AsyncDisposable {
  /** From the config file: 64 hex digits. */
  readonly id: string;
  readonly location: string;
  /** The irreducible polynomial of restic's Rabin chunker, from the config file. */
  readonly chunkerPolynomial: bigint;

  /**
   * Lets this many other threads of the process pack blobs, too. Dispose of it when they have ended; `flush` makes
   * durable what they delivered.
   */
  packing(threads: number, signal?: AbortSignal): Promise<Packing>;

  /**
   * Lists the packs that are in the store already in an index file, and waits for no other: what a run that ends early
   * has uploaded is used by the next. Only while a lock is held.
   */
  indexStored(signal?: AbortSignal): Promise<void>;
  /** Uploads what is pending: packs first, then an index of them. After it, all saved blobs are durable and indexed. */
  flush(signal?: AbortSignal): Promise<void>;
  /** Reads the index, or what appeared since that was done (written by movers, by restic). */
  refresh(signal?: AbortSignal): Promise<void>;
  /** The blobs known now, to be looked up in other threads (`openIndexView`). Dispose it before the repository. */
  shareIndex(signal?: AbortSignal): Promise<SharedIndex>;

  /** Flushes, then writes a snapshot file: packs, index, snapshot, in that order. */
  saveSnapshot(snapshot: Omit<Snapshot, 'id'>, signal?: AbortSignal): Promise<SnapshotId>;
  /** All snapshots, oldest first. */
  snapshots(signal?: AbortSignal): Promise<Snapshot[]>;
  deleteSnapshot(id: SnapshotId, signal?: AbortSignal): Promise<void>;

  /**
   * Takes a lock file as restic does and refreshes it until disposed. Exclusive locks exclude all others, `check` a prune.
   * Throws `RepositoryLocked` naming who holds it. Stale locks are judged as restic does.
   */
  lock(mode: 'shared' | 'check' | 'exclusive', signal?: AbortSignal): Promise<RepositoryLock>;
}

export interface RepositoryLock extends AsyncDisposable {
  /** Aborts if the lock could not be refreshed in time: whoever holds it must stop writing. */
  readonly lost: AbortSignal;
}
