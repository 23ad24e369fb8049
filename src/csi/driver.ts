import { join } from 'node:path';
import { systemClock } from '#shared/async';
import type { Clock } from '#shared/time';
import type { Context } from './context.ts';
import { controllerService } from './controller.ts';
import { groupService } from './group.ts';
import { identityService } from './identity.ts';
import { createLocks } from './locks.ts';
import type { Log } from './log.ts';
import { nodeService } from './node.ts';
import { registrationService, registrationSocketName } from './registration.ts';
import { loadServices, serve, socketPathOf } from './rpc.ts';
import { thawLeftovers } from './volumes/freeze.ts';
import { parseVolumeId } from './volumes/ids.ts';
import { loopDevicesOf } from './volumes/mounts.ts';
import { imageIn, openPool, volumeFolder } from './volumes/pool.ts';
import type { Pool } from './volumes/pool.ts';
import { volumeIds } from './volumes/records.ts';

/** A freeze that lasts this long hurts the application more than a failed snapshot, which is simply tried again. */
const defaultHoldDeadlineMs = 10_000;

export interface DriverOptions {
  /** Where to serve CSI: unix:///path/csi.sock. */
  readonly endpoint: string;
  /** The kubelet's registry folder; without it the driver registers nowhere. */
  readonly registrationDirectory?: string | undefined;
  readonly nodeId: string;
  /** A folder on a reflink filesystem, for this driver alone. */
  readonly pool: string;
  readonly version: string;
  readonly log: Log;
  readonly clock?: Clock;
  readonly holdDeadlineMs?: number;
}

export interface Driver {
  /** Refuses new calls, waits for those in flight (bounded), gives up the pool. Mounts stay: pods use them. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts the driver: opens the pool, thaws what a killed driver left frozen, serves, and registers with the kubelet.
 * @throws TypeError for options that cannot be right, SalvorError Prerequisite for a pool that cannot be used
 */
export async function startDriver(options: DriverOptions): Promise<Driver> {
  const { log, nodeId } = options;
  const socketPath = socketPathOf(options.endpoint);
  await using undo = new AsyncDisposableStack();
  const pool = await openPool(options.pool);
  undo.defer(pool.close);
  await thaw(pool, log);

  const context: Context = {
    nodeId,
    pool,
    log,
    locks: createLocks(),
    clock: options.clock ?? systemClock,
    holdDeadlineMs: options.holdDeadlineMs ?? defaultHoldDeadlineMs,
  };
  const csi = loadServices('csi.proto');
  const services = [
    { definition: csi('csi.v1.Identity'), handlers: identityService(options.version) },
    { definition: csi('csi.v1.Controller'), handlers: controllerService(context) },
    { definition: csi('csi.v1.GroupController'), handlers: groupService(context) },
    { definition: csi('csi.v1.Node'), handlers: nodeService(context) },
  ];
  undo.defer(await serve(socketPath, services, log));
  // Last: the kubelet calls the driver as soon as it sees this socket.
  if (options.registrationDirectory !== undefined) {
    undo.defer(await register(options.registrationDirectory, socketPath, log));
  }
  const running = undo.move();
  return { stop: async () => running.disposeAsync() };
}

async function register(directory: string, socketPath: string, log: Log): Promise<() => Promise<void>> {
  const definition = loadServices('pluginregistration.proto')('pluginregistration.Registration');
  const handlers = registrationService(socketPath, log);
  return serve(join(directory, registrationSocketName), [{ definition, handlers }], log);
}

async function thaw(pool: Pool, log: Log): Promise<void> {
  const ids = (await volumeIds(pool)).map(parseVolumeId).filter((id) => id !== undefined);
  const loops = await loopDevicesOf(ids.map((id) => imageIn(volumeFolder(pool, id))));
  for (const path of await thawLeftovers(loops.flat()))
    log('warn', 'thawed what a killed driver left frozen', { path });
}
