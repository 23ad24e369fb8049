import type { Readable, Writable } from 'node:stream';
import type { CommandContext } from '@stricli/core';
import type { S3Credentials } from '#stores/open';
import type { Clock } from '#shared/time';

/** What the outside gives to a command. Made in bin/, so that commands read no environment of their own. */
export interface CliContext extends CommandContext {
  readonly version: string;
  readonly clock: Clock;
  readonly stdin: Readable;
  /** For what may be larger than memory, or is not text. */
  readonly stdout: Writable;
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly hostname: string;
  readonly settings: Settings;
  /** Whether stderr is a terminal: live progress, or a line per change. */
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
  setExitCode(code: number): void;
}

/** Defaults from the environment, by the names in docs/guide/settings.md. */
export interface Settings {
  /** SALVOR_STORE */
  readonly store?: string | undefined;
  /** SALVOR_STORE_ENDPOINT: how this machine reaches the store when pods reach it by another address. */
  readonly storeEndpoint?: string | undefined;
  /** SALVOR_KEY_FILE */
  readonly keyFile?: string | undefined;
  /** SALVOR_MOVER_IMAGE */
  readonly moverImage?: string | undefined;
  /** KUBECONFIG is read by the Kubernetes client itself. */
  readonly credentials?: S3Credentials | undefined;
}
