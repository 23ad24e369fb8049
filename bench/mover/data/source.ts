/** What is backed up in one scenario. */
export interface Source {
  /** The folder that is backed up. */
  readonly path: string;
  /** The volume image in it, if it holds one and nothing else. */
  readonly image?: string;
  readonly bytes: number;
  /** Changes a part of it in place, another one in each round. */
  readonly change: (round: number) => Promise<readonly Extent[]>;
}

/** A part of an image that was written to. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}
