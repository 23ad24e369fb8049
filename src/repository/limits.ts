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

/** Chunks have at most 8 MiB; a tree of one directory with a million entries about 400 MiB, which Node can just hold as text. */
export const BLOB_BYTES_MAX = 400 * MiB;

/** An index, a snapshot or a lock, decompressed. restic's indexes have about 8 MiB, merged ones of old versions more. */
export const FILE_BYTES_MAX = 256 * MiB;

/** Config and keys: a few hundred bytes each. */
export const SMALL_FILE_BYTES_MAX = MiB;

/** Key files that are tried: each costs about half a second of scrypt. */
export const KEYS_MAX = 64;

/** Blobs in one index file: restic's own bound, 8 MiB of JSON. */
export const INDEX_BLOBS_MAX = 50_000;
