/**
 * Bounds on what is read and written. What comes from a store is not believed: without a bound a small hostile object
 * could take all memory.
 */

const MiB = 1024 * 1024;

/** Packs are closed when they have this many bytes: restic's default, and large enough for object stores. */
export const PACK_BYTES_TARGET = 16 * MiB;

/** restic refuses headers above 16 MiB; at 41 bytes an entry this is 2 MiB. */
export const PACK_BLOBS_MAX = 50_000;

/** restic writes packs up to 128 MiB and one blob more. */
export const PACK_BYTES_MAX = 512 * MiB;

/** restic's bound on a pack's header. */
export const HEADER_BYTES_MAX = 16 * MiB;

/** The largest chunk of a file's content, as restic cuts it. */
export const CHUNK_BYTES_MAX = 8 * MiB;

/** A tree of one directory with a million entries has about 400 MiB, which Node can just hold as text. */
export const BLOB_BYTES_MAX = 400 * MiB;

/** Chunks of restic and rustic have at most 8 MiB; several are in memory at a time. */
export const DATA_BLOB_BYTES_MAX = 32 * MiB;

/**
 * Sealed files, decompressed. restic's indexes have about 8 MiB, merged ones of old versions more; snapshots list the
 * paths they were given; a lock has a few hundred bytes.
 */
export const FILE_BYTES_MAX = { index: 256 * MiB, snapshots: 32 * MiB, locks: MiB } as const;

/** Config and keys: a few hundred bytes each. */
export const SMALL_FILE_BYTES_MAX = MiB;

/** Names of entries: Linux allows 255 bytes, macOS and Windows 255 units of UTF-16. */
export const NAME_BYTES_MAX = 1024;

/** Key files that are tried: each costs about half a second of scrypt. */
export const KEYS_MAX = 64;

/** Blobs in one index file: restic's own bound, 8 MiB of JSON. */
export const INDEX_BLOBS_MAX = 50_000;

/**
 * How long a pack may be in the store without being in an index file, while a run goes on. A run that is killed loses
 * what it uploaded in that time, and every index file is one more to read for all later runs.
 */
export const INDEX_AGE_MS_MAX = 60_000;
