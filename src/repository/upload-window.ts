/** How many uploads run at the same time: what it is, and what it was learned from. */
export interface UploadWindow {
  /** Its whole part counts. */
  readonly size: number;
  /** The quickest upload seen, in milliseconds per MiB; infinite before the first one. */
  readonly quickestMsPerMiB: number;
}

export interface UploadSeen {
  readonly durationMs: number;
  readonly bytes: number;
  /** Uploads that were under way, this one included. */
  readonly running: number;
  readonly uploadsMax: number;
}

/** Two hide the pause between one upload and the next. */
const SIZE_FIRST = 2;
/** Sharing a line among n uploads makes each n times as slow: only what is slower than that is a sign of crowding. */
const CROWDED_FACTOR = 2;
const SHRINK = 0.7;
/** An upload of a few KiB tells about the round trip, not about the line. */
const BYTES_TELLING_MIN = 1024 * 1024;
const MiB = 1024 * 1024;

export function firstWindow(uploadsMax: number): UploadWindow {
  return { size: Math.min(SIZE_FIRST, uploadsMax), quickestMsPerMiB: Number.POSITIVE_INFINITY };
}

/**
 * Grows by one over as many uploads as run, and shrinks by a third when an upload took more than twice its share of the
 * time of the quickest one: a store that is overloaded, or that answered "slow down" and made the retries wait.
 */
export function nextWindow(window: UploadWindow, seen: UploadSeen): UploadWindow {
  if (seen.bytes < BYTES_TELLING_MIN) return window;
  const msPerMiB = seen.durationMs / (seen.bytes / MiB);
  const quickestMsPerMiB = Math.min(window.quickestMsPerMiB, msPerMiB);
  const crowded = msPerMiB > quickestMsPerMiB * seen.running * CROWDED_FACTOR;
  const size = crowded ? window.size * SHRINK : window.size + 1 / window.size;
  return { size: Math.min(Math.max(size, 1), seen.uploadsMax), quickestMsPerMiB };
}
