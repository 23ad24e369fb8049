import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { SalvorError } from '#shared/errors';
import { readJson, writeFileAtomic } from '../setup/files.ts';
import { withFileLock } from '../setup/lock.ts';
import { stateRoot, type Place } from './layout.ts';

/** The index is one byte of an address; 0 and 255 of other bytes are never at stake, a few are kept free. */
const labsMax = 250;
/** Outside the range from which the kernel picks ports for clients (32768 and up). */
const apiPortBase = 26_443;
const storePortBase = 27_070;
/** How many taken ports are skipped before giving up. */
const portTriesMax = 200;

export interface RegistryOptions {
  readonly directory?: string;
  readonly signal?: AbortSignal | undefined;
  /** Whether a loopback port can be listened on. */
  readonly isPortFree?: (port: number) => Promise<boolean>;
}

/** Names become host names, cgroups and folders. */
export function checkLabName(name: string): void {
  if (/^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/.test(name)) return;
  throw new SalvorError(`"${name}" cannot be the name of a lab`, {
    code: 'Usage',
    hint: 'Use 1 to 20 lower-case letters, digits and dashes, starting with a letter.',
  });
}

/** All labs this machine knows, running or not. */
export async function listPlaces(options: RegistryOptions = {}): Promise<Place[]> {
  return (await readJson<Place[]>(registryFile(options))) ?? [];
}

/** The place of a lab that exists, or undefined. */
export async function findPlace(name: string, options: RegistryOptions = {}): Promise<Place | undefined> {
  return (await listPlaces(options)).find((place) => place.name === name);
}

/**
 * The lab's place, made if it has none: the lowest free index, and two ports that are free now. With `renewPorts` a known
 * place gets other ports if something else has taken its own since.
 */
export async function claimPlace(
  name: string,
  options: RegistryOptions & { readonly renewPorts?: boolean } = {},
): Promise<Place> {
  checkLabName(name);
  return locked(options, async (places) => {
    const known = places.find((place) => place.name === name);
    const others = places.filter((place) => place.name !== name);
    if (known !== undefined && options.renewPorts !== true) return { places, result: known };
    const index = known?.index ?? lowestFreeIndex(others);
    const taken = new Set(others.flatMap((place) => [place.apiPort, place.storePort]));
    const apiPort = await freePort(known?.apiPort ?? apiPortBase + index, taken, options);
    const storePort = await freePort(known?.storePort ?? storePortBase + index, taken, options);
    const place: Place = { name, index, apiPort, storePort };
    return { places: [...others, place].sort((a, b) => a.index - b.index), result: place };
  });
}

/** Forgets a lab; its index can be used again. */
export async function releasePlace(name: string, options: RegistryOptions = {}): Promise<void> {
  await locked(options, async (places) => ({
    places: places.filter((place) => place.name !== name),
    result: undefined,
  }));
}

function lowestFreeIndex(places: readonly Place[]): number {
  const used = new Set(places.map((place) => place.index));
  for (let index = 0; index < labsMax; index++) if (!used.has(index)) return index;
  throw new SalvorError(`There are already ${labsMax} labs on this machine`, {
    code: 'Unsafe',
    hint: 'Remove one with "npm run lab -- down --purge --name NAME".',
  });
}

async function freePort(wanted: number, taken: ReadonlySet<number>, options: RegistryOptions): Promise<number> {
  const isFree = options.isPortFree ?? isLoopbackPortFree;
  for (let port = wanted; port < wanted + portTriesMax; port++) {
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new SalvorError(`No free loopback port from ${wanted} to ${wanted + portTriesMax - 1}`, {
    code: 'Prerequisite',
    hint: 'Look at what listens there with "ss -ltn" and stop it.',
  });
}

async function isLoopbackPortFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen({ port, host: '127.0.0.1', exclusive: true });
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function locked<T>(
  options: RegistryOptions,
  work: (places: Place[]) => Promise<{ readonly places: readonly Place[]; readonly result: T }>,
): Promise<T> {
  const file = registryFile(options);
  return withFileLock(`${file}.lock`, { signal: options.signal }, async () => {
    const before = (await readJson<Place[]>(file)) ?? [];
    const { places, result } = await work(before);
    if (places !== before) await writeFileAtomic(file, `${JSON.stringify(places, null, 2)}\n`);
    return result;
  });
}

function registryFile(options: RegistryOptions): string {
  return join(options.directory ?? stateRoot, 'labs.json');
}
