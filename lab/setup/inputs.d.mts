export interface GoBuild {
  readonly packages: readonly string[];
  readonly outputs: readonly string[];
  readonly stampKubernetesVersion?: boolean;
}
export interface GoModule {
  readonly name: string;
  /** What is built, for people. */
  readonly what: string;
  readonly directory: string;
  readonly sources: readonly string[];
  readonly tags?: readonly string[];
  readonly builds: readonly GoBuild[];
  /** Extra names: link to target. */
  readonly links?: Readonly<Record<string, string>>;
  /** Folders of files that come with a dependency and are needed at run time. */
  readonly moduleFiles?: readonly {
    readonly module: string;
    readonly directory: string;
    readonly except?: readonly string[];
    readonly to: string;
  }[];
}
export declare const projectDir: string;
export declare const debianPackages: readonly string[];
export declare const goModules: readonly GoModule[];
export declare function cacheDirectory(environment: Readonly<Record<string, string | undefined>>): string;
export declare function binariesDirectory(module: GoModule, cache: string): string;
export declare function unbuiltModules(cache: string): GoModule[];
