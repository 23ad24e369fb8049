import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#shared/async';
import { messageOf, SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { hostNetworkDescriptor, type Component } from './component.ts';

/** The first pause before something that died is started again; doubles up to the longest. */
const backoffMsMin = 250;
const backoffMsMax = 10_000;
/** Something that lived this long died for a new reason: the pause starts small again. */
const backoffForgottenAfterMs = 30_000;
const probeIntervalMs = 150;
const probeTimeoutMs = 3_000;
/** How long a process may take to end by itself when the lab stops. */
const stopTimeoutMs = 5_000;
/** A log that is larger when its process starts is moved to NAME.log.1, so that a lab never fills the disk. */
const logBytesMax = 32 * 1024 * 1024;

export interface ComponentStatus {
  readonly name: string;
  readonly kind: Component['kind'];
  readonly ready: boolean;
  /** Why it is not ready. */
  readonly reason?: string;
  readonly pid?: number;
  readonly restarts: number;
}

export interface Supervisor {
  /** Asks every component now. */
  status(): Promise<ComponentStatus[]>;
  /** Ends a component and keeps it down; SIGKILL is the crash. */
  stop(name: string, signal: NodeJS.Signals): Promise<void>;
  /** Lets a stopped component run again. */
  start(name: string): void;
  /** Ends everything, dependents first. */
  shutdown(): Promise<void>;
}

export interface SupervisorOptions {
  readonly components: readonly Component[];
  readonly logs: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
}

interface Unit {
  readonly component: Component;
  readonly firstReady: PromiseWithResolvers<void>;
  child: ChildProcess | undefined;
  /** Resolves when the child has ended. */
  ended: Promise<void>;
  restarts: number;
  /** Why it is not running. */
  reason: string;
  /** A task has succeeded once. */
  done: boolean;
  /** What it waits for is there. */
  reached: boolean;
  held: PromiseWithResolvers<void> | undefined;
}

/** Starts all components in the order of their dependencies, starts what dies again, and answers how they are. */
export function startSupervisor(options: SupervisorOptions): Supervisor {
  const clock = options.clock ?? systemClock;
  const ending = new AbortController();
  const units = new Map<string, Unit>(options.components.map((component) => [component.name, unitOf(component)]));
  mkdirSync(options.logs, { recursive: true });
  for (const unit of units.values()) void manage(unit);

  async function manage(unit: Unit): Promise<void> {
    try {
      for (const name of unit.component.after) {
        unit.reason = `waits for ${name}`;
        await find(name).firstReady.promise;
      }
      if (unit.component.kind === 'service') await keepRunning(unit);
      else await reach(unit);
    } catch (error) {
      if (!ending.signal.aborted) unit.reason = messageOf(error);
    }
  }

  /** A service: run it for ever. */
  async function keepRunning(unit: Unit): Promise<void> {
    let backoffMs = backoffMsMin;
    for (;;) {
      await unit.held?.promise;
      ending.signal.throwIfAborted();
      const started = clock.now();
      const probing = new AbortController();
      const ended = runOnce(unit, unit.component.commands[0] ?? []);
      void pollUntilReady(unit, AbortSignal.any([probing.signal, ending.signal]));
      const outcome = await ended;
      probing.abort();
      ending.signal.throwIfAborted();
      unit.restarts++;
      if (clock.now() - started > backoffForgottenAfterMs) backoffMs = backoffMsMin;
      unit.reason = `${outcome}; starts again (see its log)`;
      if (unit.held === undefined) await clock.sleep(backoffMs, ending.signal);
      backoffMs = Math.min(backoffMs * 2, backoffMsMax);
    }
  }

  /** A task or a condition: try until it holds. */
  async function reach(unit: Unit): Promise<void> {
    unit.reached = true;
    for (let backoffMs = backoffMsMin; ; backoffMs = Math.min(backoffMs * 2, backoffMsMax)) {
      const failure = unit.component.kind === 'task' ? await runSteps(unit) : await ask(unit);
      if (failure === undefined) break;
      unit.reason = failure;
      if (unit.component.kind === 'task') unit.restarts++;
      await clock.sleep(unit.component.kind === 'task' ? backoffMs : probeIntervalMs, ending.signal);
    }
    unit.done = true;
    unit.firstReady.resolve();
  }

  async function runSteps(unit: Unit): Promise<string | undefined> {
    for (const [index, command] of unit.component.commands.entries()) {
      unit.reason = `runs step ${index + 1} of ${unit.component.commands.length}`;
      const outcome = await runOnce(unit, command);
      if (outcome !== 'ended with code 0') return `step ${index + 1} ${outcome} (see its log)`;
    }
    return undefined;
  }

  async function runOnce(unit: Unit, command: readonly string[]): Promise<string> {
    const { component } = unit;
    const log = openLog(join(options.logs, `${component.name}.log`), command);
    const child = spawn(command[0] ?? '', command.slice(1), {
      env: { ...options.environment, ...component.environment },
      stdio: ['ignore', log, log, ...(component.hostNetwork === true ? [hostNetworkDescriptor] : [])],
    });
    closeSync(log);
    unit.child = child;
    const outcome = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`cannot be started: ${error.message}`));
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
      );
    });
    unit.ended = outcome.then(() => void (unit.child = undefined));
    await unit.ended;
    return outcome;
  }

  async function pollUntilReady(unit: Unit, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if ((await ask(unit)) === undefined && !signal.aborted) return unit.firstReady.resolve();
      await clock.sleep(probeIntervalMs, signal).catch(() => {});
    }
  }

  /** Undefined when the component is ready now, else the reason. */
  async function ask(unit: Unit): Promise<string | undefined> {
    const { kind, probe } = unit.component;
    if (kind === 'task') return unit.done ? undefined : unit.reason;
    if (kind === 'service' ? unit.child === undefined : !unit.reached) return unit.reason;
    if (probe === undefined) return undefined;
    try {
      return await probe(AbortSignal.any([AbortSignal.timeout(probeTimeoutMs), ending.signal]));
    } catch (error) {
      return messageOf(error);
    }
  }

  async function statusOf(unit: Unit): Promise<ComponentStatus> {
    const reason = await ask(unit);
    const { name, kind } = unit.component;
    const pid = unit.child?.pid;
    return {
      name,
      kind,
      ready: reason === undefined,
      restarts: unit.restarts,
      ...(reason === undefined ? {} : { reason }),
      ...(pid === undefined ? {} : { pid }),
    };
  }

  function find(name: string): Unit {
    const unit = units.get(name);
    if (unit !== undefined) return unit;
    throw new SalvorError(`The lab has no component ${name}`, {
      code: 'NotFound',
      hint: `Its components: ${[...units.keys()].join(', ')}.`,
    });
  }

  async function end(unit: Unit, signal: NodeJS.Signals): Promise<void> {
    const child = unit.child;
    if (child === undefined) return;
    child.kill(signal);
    const cancel = new AbortController();
    const late = clock.sleep(stopTimeoutMs, cancel.signal).then(
      () => child.kill('SIGKILL'),
      () => false,
    );
    await unit.ended;
    cancel.abort();
    await late;
  }

  return {
    status: () => Promise.all([...units.values()].map(statusOf)),
    async stop(name, signal) {
      const unit = find(name);
      unit.held ??= Promise.withResolvers();
      await end(unit, signal);
      unit.reason = 'was stopped on request';
    },
    start(name) {
      const unit = find(name);
      unit.held?.resolve();
      unit.held = undefined;
    },
    async shutdown() {
      ending.abort();
      for (const unit of units.values()) unit.held?.resolve();
      const endings = new Map<Unit, Promise<void>>();
      // What others need ends after them: the API server can still answer, and etcd closes last.
      const endAfterDependents = async (unit: Unit): Promise<void> => {
        const dependents = [...units.values()].filter((other) => other.component.after.includes(unit.component.name));
        await Promise.all(dependents.map(endOnce));
        await end(unit, 'SIGTERM');
      };
      const endOnce = (unit: Unit): Promise<void> => {
        const known = endings.get(unit) ?? endAfterDependents(unit);
        endings.set(unit, known);
        return known;
      };
      await Promise.all([...units.values()].map(endOnce));
    },
  };
}

function unitOf(component: Component): Unit {
  const base = {
    child: undefined,
    ended: Promise.resolve(),
    restarts: 0,
    reason: 'not started',
    done: false,
    reached: false,
    held: undefined,
  };
  return { component, firstReady: Promise.withResolvers(), ...base };
}

/** Opens a component's log at its end, with the command as the first line of this run. Commands carry no secrets. */
function openLog(path: string, command: readonly string[]): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(path, `${path}.1`);
  const log = openSync(path, 'a', 0o640);
  writeSync(log, `--- ${new Date().toISOString()} ${command.join(' ')}\n`);
  return log;
}
