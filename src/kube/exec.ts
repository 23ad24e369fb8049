import { Writable } from 'node:stream';
import type { V1Status } from '@kubernetes/client-node';
import { SalvorError, messageOf } from '#shared/errors';
import { loadConfig } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';

/** A program to run in a container that runs already. */
export interface PodCommand {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  /** Of the output; what comes after it is not read, and `truncated` says so. */
  readonly outputBytesMax: number;
}

export interface PodAnswer {
  /** Undefined if it did not end by itself, or was not started. */
  readonly exitCode: number | undefined;
  readonly stdout: Buffer;
  readonly truncated: boolean;
  /** What the kubelet said, where the program could not be run. */
  readonly problem: string | undefined;
}

/** Runs a program in a container; throws `ClusterForbidden` or `ClusterUnreachable` if that cannot even be asked for. */
export type RunInPod = (command: PodCommand, signal: AbortSignal) => Promise<PodAnswer>;

/**
 * Programs in pods by the API's exec subresource over a WebSocket (protocol v4.channel.k8s.io and later), as kubectl exec. Needs
 * `create` (older servers: `get`) on `pods/exec`.
 */
export async function loadRunInPod(options: ConnectionOptions): Promise<RunInPod> {
  const { config } = await loadConfig(options);
  const { Exec } = await import('@kubernetes/client-node');
  return async ({ namespace, pod, container, command, outputBytesMax }, signal) => {
    signal.throwIfAborted();
    const output = new Bounded(outputBytesMax);
    const errors = new Bounded(outputBytesMax);
    const ended = Promise.withResolvers<V1Status | undefined>();
    const connecting = new Exec(config)
      .exec(namespace, pod, container, [...command], output, errors, null, false, ended.resolve)
      .catch((error: unknown) => {
        throw refused(error, pod);
      });
    const socket = await unlessAborted(connecting, signal);
    const stop = (): void => {
      socket.terminate();
      ended.resolve(undefined);
    };
    output.onFull = stop;
    signal.addEventListener('abort', stop, { once: true });
    socket.once('close', () => ended.resolve(undefined));
    try {
      const status = await ended.promise;
      signal.throwIfAborted();
      const exitCode = exitCodeOf(status);
      const said = status?.message ?? errors.bytes.toString('utf8').trim();
      return {
        exitCode,
        stdout: output.bytes,
        truncated: output.isFull,
        problem: exitCode === 0 || output.isFull ? undefined : said,
      };
    } finally {
      signal.removeEventListener('abort', stop);
      socket.terminate();
    }
  };
}

/** The library does not know signals: a connection that comes too late is closed. */
async function unlessAborted<T extends { terminate(): void }>(opening: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => {
    opening.then((late) => late.terminate()).catch(() => undefined);
    aborted.reject(signal.reason);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([opening, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** `Success`, or a failure whose cause `ExitCode` says how the program ended (meta/v1 Status). */
function exitCodeOf(status: V1Status | undefined): number | undefined {
  if (status?.status === 'Success') return 0;
  const cause = status?.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  return cause?.message === undefined ? undefined : Number(cause.message);
}

function refused(error: unknown, pod: string): SalvorError {
  // The library rejects with the event of the WebSocket, which is no Error.
  const event = error as { readonly message?: unknown } | null | undefined;
  const said = typeof event?.message === 'string' ? event.message : messageOf(error);
  const isForbidden = /\b(401|403)\b/.test(said);
  return new SalvorError(`Cannot run a program in pod/${pod}: ${said}`, {
    code: isForbidden ? 'ClusterForbidden' : 'ClusterUnreachable',
    hint: isForbidden ? 'Ask for the right to create pods/exec.' : 'Check the connection to the API server.',
    cause: error,
  });
}

class Bounded extends Writable {
  readonly #parts: Buffer[] = [];
  readonly #max: number;
  #length = 0;
  onFull: () => void = () => undefined;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  get isFull(): boolean {
    return this.#length >= this.#max;
  }

  override _write(part: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#parts.push(part.subarray(0, this.#max - this.#length));
    this.#length += part.length;
    if (this.isFull) this.onFull();
    done();
  }
}
