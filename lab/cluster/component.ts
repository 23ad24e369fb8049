import type { Binaries } from '../setup/binaries.ts';
import type { Layout } from './layout.ts';
import type { Probe } from './probes.ts';

/** The number under which lab-init hands the machine's network namespace down: only the loopback ports need it. */
export const hostNetworkDescriptor = 3;

/** A process of the lab, or (task) something that is done once per start, or (condition) something that must come true. */
export interface Component {
  readonly name: string;
  readonly kind: 'service' | 'task' | 'condition';
  /** Empty for a condition. A task's steps run one after the other. */
  readonly commands: readonly (readonly string[])[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Names of components that must be ready before this one starts. */
  readonly after: readonly string[];
  readonly probe?: Probe;
  /** Also gets the machine's network namespace. */
  readonly hostNetwork?: boolean;
}

export interface ComponentInputs {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly nodeBinary: string;
  readonly projectDir: string;
  /** The store's root account. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** A process that runs as long as the lab. */
export function service(
  name: string,
  after: readonly string[],
  probe: Probe | undefined,
  command: readonly string[],
): Component {
  return { name, kind: 'service', commands: [command], after, ...(probe === undefined ? {} : { probe }) };
}

/** Commands that must all succeed once per start. */
export function task(name: string, after: readonly string[], commands: readonly (readonly string[])[]): Component {
  return { name, kind: 'task', commands, after };
}

/** Something that comes true because others run. */
export function condition(name: string, after: readonly string[], probe: Probe): Component {
  return { name, kind: 'condition', commands: [], after, probe };
}
