import type { AssetKind } from '#api/asset';

/**
 * By what a server is known when nobody says its name: every table of this folder is a list of these. No single field
 * decides but the image and the program that is run; the others count together.
 */
export interface EngineSpec {
  readonly name: string;
  readonly kind: Extract<AssetKind, 'database' | 'queue' | 'bucket'>;
  /** The image's path without registry, tag and digest. */
  readonly image: RegExp;
  /** The program of the server, in a command or a script. */
  readonly program: RegExp;
  /** Arguments with which the same image does something that keeps no data of its own. */
  readonly otherRole?: RegExp;
  readonly ports: readonly number[];
  /** Folders where it keeps its data by default. */
  readonly dataPath: RegExp;
  /** Names of variables that only its server reads. */
  readonly variable?: RegExp;
  /** In settings, commands or scripts: this one follows another server. */
  readonly replica?: RegExp;
  /** Names of variables that hold the address of the server that is followed. */
  readonly primaryHost?: RegExp;
  /** In settings, commands or scripts: the members of the workload know each other, and each holds all of the data. */
  readonly fullCopies?: RegExp;
  /**
   * - `always`: keeps nothing, whatever volume it has
   * - `without-volume`: with no volume it loses everything at each restart, so nothing can rely on it
   */
  readonly volatile?: 'always' | 'without-volume';
  /** Settings under which it writes nothing to disk. */
  readonly volatileSettings?: RegExp;
  /** Settings under which it keeps what it is told, whatever else is said. */
  readonly durableSettings?: RegExp;
}
