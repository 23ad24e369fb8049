import { request as httpsRequest } from 'node:https';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { systemClock } from '#shared/async';
import { SalvorError, messageOf } from '#shared/errors';
import type { Clock } from '#shared/time';
import type { Connection } from './connection.ts';
import { pathOf } from '#api/objects';
import type { KubeObject, ObjectRef, Resource } from '#api/objects';
import { statusError } from './status-error.ts';

/** Answers of the API server are bounded by its own page size; this only stops a runaway. */
const responseBytesMax = 512 * 1024 * 1024;
const requestTimeoutMs = 60_000;
/** Reads and conflict-free writes that met a passing fault are made again: about 15 s in all. */
const attemptsMax = 6;
/** The page size kubectl uses: large enough to be quick, small enough for the API server's memory. */
const pageSize = 500;
/** Who owns the fields Salvor applies. */
export const fieldManager = 'salvor';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Another form of the answer than plain JSON: a list of metadata only. */
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Talks to one API server. Throws SalvorError only; retries what is safe to make again. */
export class KubeClient {
  readonly connection: Connection;
  readonly #clock: Clock;

  constructor(connection: Connection, clock: Clock = systemClock) {
    this.connection = connection;
    this.#clock = clock;
  }

  /** One request; the parsed JSON answer. */
  async request(request: KubeRequest): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return JSON.parse((await this.#once(request)).toString('utf8')) as unknown;
      } catch (error) {
        const known = this.#describe(error, request);
        // A POST that was cut off may have been carried out: only its caller knows whether to make it again.
        const safe = request.method !== 'POST' || isRefusedConnection(error);
        if (!known.retryable || !safe || attempt >= attemptsMax || request.signal?.aborted) throw known;
        await this.#clock.sleep(Math.min(8_000, 250 * 2 ** attempt) * (0.5 + Math.random() / 2), request.signal);
      }
    }
  }

  /** The object, or undefined if there is none. */
  async get<T extends KubeObject = KubeObject>(
    resource: Resource,
    ref: ObjectRef,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return (await this.request({ method: 'GET', path: pathOf(resource, ref), signal })) as T;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** All objects of a kind, page by page. Items get the apiVersion and kind that lists leave out. */
  async *list<T extends KubeObject = KubeObject>(resource: Resource, options: ListOptions = {}): AsyncGenerator<T> {
    let next: string | undefined;
    do {
      const page = (await this.request({
        method: 'GET',
        path: pathOf(resource, { namespace: options.namespace }),
        query: {
          limit: String(pageSize),
          continue: next,
          labelSelector: options.labelSelector,
          fieldSelector: options.fieldSelector,
        },
        signal: options.signal,
      })) as { apiVersion: string; metadata?: { continue?: string }; items?: T[] };
      for (const item of page.items ?? []) yield { ...item, apiVersion: page.apiVersion, kind: resource.kind };
      next = page.metadata?.continue || undefined;
    } while (next !== undefined);
  }

  async create<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const { namespace } = object.metadata;
    const path = pathOf(resource, { namespace });
    return (await this.request({ method: 'POST', path, query: { fieldManager }, body: object, signal })) as T;
  }

  /** Creates the object unless one of that name exists; answers the one that is there. */
  async ensure<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const existing = await this.get<T>(resource, object.metadata, signal);
    if (existing !== undefined) return existing;
    try {
      return await this.create(resource, object, signal);
    } catch (error) {
      const raced = isConflict(error) ? await this.get<T>(resource, object.metadata, signal) : undefined;
      if (raced !== undefined) return raced;
      throw error;
    }
  }

  /** Replaces an object whose resourceVersion the caller read before. */
  async replace<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const path = pathOf(resource, object.metadata);
    return (await this.request({ method: 'PUT', path, query: { fieldManager }, body: object, signal })) as T;
  }

  /** JSON merge patch (RFC 7386). */
  async patch(resource: Resource, ref: ObjectRef, patch: unknown, signal?: AbortSignal): Promise<KubeObject> {
    const path = pathOf(resource, ref);
    const contentType = 'application/merge-patch+json';
    return (await this.request({
      method: 'PATCH',
      path,
      query: { fieldManager },
      body: patch,
      contentType,
      signal,
    })) as KubeObject;
  }

  /** Deletes an object and, in the background, what it owns. What is not there is not an error. */
  async delete(resource: Resource, ref: ObjectRef, signal?: AbortSignal): Promise<void> {
    try {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' };
      await this.request({ method: 'DELETE', path: pathOf(resource, ref), body, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** The raw answer as it comes, for pod logs. Ends when the server ends it or the signal aborts. */
  async *stream(path: string, query: Readonly<Record<string, string>>, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const request: KubeRequest = { method: 'GET', path, query, signal };
    try {
      const response = await this.#send(request, undefined);
      if (!isSuccess(response)) throw statusError(response.statusCode ?? 0, await readAll(response), request);
      for await (const chunk of response) yield chunk as Buffer;
    } catch (error) {
      throw this.#describe(error, request);
    }
  }

  async #once(request: KubeRequest): Promise<Buffer> {
    const response = await this.#send(request, requestTimeoutMs);
    const body = await readAll(response);
    if (!isSuccess(response)) throw statusError(response.statusCode ?? 0, body, request);
    return body;
  }

  async #send(request: KubeRequest, timeoutMs: number | undefined): Promise<IncomingMessage> {
    const { server } = this.connection;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {})) if (value !== undefined) query.set(name, value);
    const options: RequestOptions = {
      method: request.method,
      protocol: server.protocol,
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      path: `${server.pathname.replace(/\/$/, '')}${request.path}${query.size > 0 ? `?${query.toString()}` : ''}`,
      headers: { accept: request.accept ?? 'application/json' },
    };
    await this.connection.authenticate(options);
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    options.headers = {
      ...(options.headers as Record<string, string>),
      ...(body === undefined
        ? {}
        : { 'content-type': request.contentType ?? 'application/json', 'content-length': String(body.length) }),
    };
    const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [request.signal, timeout].filter((signal) => signal !== undefined);
    if (signals.length > 0) options.signal = AbortSignal.any(signals);
    return new Promise((resolve, reject) => {
      const send = server.protocol === 'http:' ? httpRequest : httpsRequest;
      const outgoing = send(options, resolve);
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  #describe(error: unknown, request: KubeRequest): SalvorError {
    if (error instanceof SalvorError) return error;
    if (request.signal?.aborted) {
      return new SalvorError('Cancelled', { code: 'Cancelled', cause: request.signal.reason });
    }
    return new SalvorError(`Cannot reach the API server at ${this.connection.server.host}: ${messageOf(error)}`, {
      code: 'ClusterUnreachable',
      retryable: true,
      cause: error,
      hint: 'Check the network and the certificates with: kubectl get --raw /readyz',
    });
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof SalvorError && error.code === 'NotFound';
}

/** True when an object of that name exists already, or changed since it was read. */
export function isConflict(error: unknown): boolean {
  return error instanceof SalvorError && error.code === 'ClusterConflict';
}

function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

function isSuccess(response: IncomingMessage): boolean {
  return response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300;
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > responseBytesMax) throw new Error(`answer of more than ${responseBytesMax} bytes`);
  }
  return Buffer.concat(chunks);
}
