/** A missing prerequisite, and what to do about it, one line each. */
export interface Failure {
  readonly problem: string;
  readonly remedy: string;
}
export interface Verdict {
  readonly failures: Failure[];
  readonly warnings: string[];
}
export type Need = 'unit' | 'lab';
export interface Reachable {
  readonly ok: boolean;
  readonly reason?: string | undefined;
}
/** For need "unit" only the first four are known. */
export interface Facts {
  readonly system: {
    readonly id: string;
    readonly version: string;
    readonly name: string;
    readonly isDebianLike: boolean;
  };
  readonly npmVersion: string | undefined;
  readonly npmReachable: Reachable;
  readonly isRoot: boolean;
  readonly hasNodeLibrary: boolean;
  readonly goVersion?: string | undefined;
  readonly goReachable?: Reachable;
  readonly aptReachable?: Reachable;
  readonly disks?: readonly { readonly path: string; readonly freeGiB: number }[];
  readonly isWarm?: boolean;
}
export declare function checkPrerequisites(options: {
  readonly need: Need;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}): Promise<Verdict>;
export declare function judge(facts: Facts, need: Need): Verdict;
/** Installs libatomic1 if Node 26 cannot start without it; needs root. Call it before handing over to Node 26. */
export declare function ensureNodeLibrary(): Promise<void>;
/** Which of the packages are not installed; by default of those that the lab needs. */
export declare function missingDebianPackages(packages?: readonly string[]): Promise<string[]>;
