/**
 * How the image of a volume lies in a repository: a file of blocks of one size, or, for a large one, a folder of such
 * files, each in a folder of its own. So an incremental rewrites the lists of the parts that changed, not of all.
 * How stock restic gives the image back: `src/repository/FORMAT.md`, "Images".
 */
export interface ImageLayout {
  readonly blockBytes: number;
  /** Bytes of every segment but the last, or of the whole image. */
  readonly segmentBytes: number;
  /** Whether each segment has a folder of its own. */
  readonly isDivided: boolean;
}

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const TiB = 2 ** 40;

/** Above this, larger blocks: the index of an image of 4 TiB has as many entries as a restore can hold at hand. */
const smallBlocksBytesMax = 4 * TiB;
/** Above this an image is divided: below, the list of its blocks has 18 MB at most. */
const wholeBytesMax = 256 * GiB;
const segmentBytes = GiB;

/** The layout of an image of that size. It must never change for a size: incrementals compare block by block. */
export function imageLayout(imageBytes: number): ImageLayout {
  return {
    blockBytes: imageBytes > smallBlocksBytesMax ? 4 * MiB : MiB,
    segmentBytes: imageBytes > wholeBytesMax ? segmentBytes : imageBytes,
    isDivided: imageBytes > wholeBytesMax,
  };
}

/** One file of an image. */
export interface ImageSegment {
  /** So that names in their order are the image in its order. */
  readonly name: string;
  /** Of its first byte in the image. */
  readonly start: number;
  readonly bytes: number;
}

const nameDigits = 6;

/** The files of an image, in order. An empty image is one empty file. */
export function* imageSegments(imageBytes: number): Generator<ImageSegment> {
  const { segmentBytes: step } = imageLayout(imageBytes);
  let start = 0;
  do {
    const name = String(step === 0 ? 0 : start / step).padStart(nameDigits, '0');
    yield { name, start, bytes: Math.min(step, imageBytes - start) };
    start += step;
  } while (start < imageBytes);
}
