/** From gRPC calls to functions and back: status codes, cancellation, the log of calls, sockets. */
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { loadPackageDefinition, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { handleUnaryCall, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { isAbort, messagesOf } from '#shared/errors';
import { CsiError } from './errors.ts';
import type { Log } from './log.ts';

/** Answers one call. The signal aborts when the caller goes away or its deadline passes. */
export type Handler<Request> = (request: Request, signal: AbortSignal) => Promise<object>;

/** The methods of a service by name; those not listed are answered with UNIMPLEMENTED. */
// oxlint-disable-next-line typescript/no-explicit-any -- requests are typed by each service; the proto files bind them
export type Handlers = Readonly<Record<string, Handler<any>>>;

/** The longest socket path the kernel takes, without the terminating zero. */
const socketPathBytesMax = 107;

/** Time for calls in flight to end when the driver stops; then they are cut off. */
const shutdownTimeoutMs = 20_000;

const protoDirectory = join(import.meta.dirname, 'proto');

/** Calls that only look, made every few seconds by the kubelet and the sidecars: logged when they fail. */
const quiet = /^(?:Probe|Get|List|Validate|NodeGet|ControllerGet|GroupControllerGet)/;

/** Facts of a request that say what it is about; nothing else of a request is logged, so no secret can be. */
const loggedFields = new Set(
  'name volume_id source_volume_id source_volume_ids snapshot_id group_snapshot_id'.split(' '),
);

/** The service definitions of a proto file, by full name such as csi.v1.Node. */
export function loadServices(protoFile: string): (name: string) => ServiceDefinition {
  const definition = loadSync(join(protoDirectory, protoFile), {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const root: unknown = loadPackageDefinition(definition);
  return (name) => {
    let found = root as Record<string, unknown>;
    for (const part of name.split('.')) found = found[part] as Record<string, unknown>;
    return found['service'] as ServiceDefinition;
  };
}

/** Handlers as a gRPC implementation. */
export function implement(handlers: Handlers, log: Log): UntypedServiceImplementation {
  return Object.fromEntries(Object.entries(handlers).map(([method, handler]) => [method, unary(method, handler, log)]));
}

function unary(method: string, handler: Handler<object>, log: Log): handleUnaryCall<object, object> {
  return (call, callback) => {
    const cancelled = new AbortController();
    call.on('cancelled', () => cancelled.abort());
    const started = performance.now();
    const facts = (): Record<string, unknown> => ({
      method,
      ms: Math.round(performance.now() - started),
      ...Object.fromEntries(Object.entries(call.request).filter(([key]) => loggedFields.has(key))),
    });
    const answer = async (): Promise<void> => {
      try {
        const reply = await handler(call.request, cancelled.signal);
        if (!quiet.test(method)) log('info', 'call', facts());
        callback(null, reply);
      } catch (error) {
        const { code, message } = statusOf(error);
        const level = code === status.INTERNAL ? 'error' : 'warn';
        log(level, 'call failed', { ...facts(), code: status[code], error: messagesOf(error).join(': ') });
        callback({ code, details: message });
      }
    };
    void answer();
  };
}

/** The status of an error: its own, or what the system said, or INTERNAL. */
export function statusOf(error: unknown): { code: status; message: string } {
  const message = messagesOf(error)[0] ?? 'unknown error';
  if (error instanceof CsiError) return { code: error.code, message };
  if (isAbort(error)) return { code: status.CANCELLED, message: 'the caller went away' };
  if (error instanceof Error && isPoolFull(error)) {
    return { code: status.RESOURCE_EXHAUSTED, message: `the pool is full: ${message}` };
  }
  return { code: status.INTERNAL, message };
}

const isPoolFull = (error: NodeJS.ErrnoException): boolean =>
  error.code === 'ENOSPC' || error.code === 'EDQUOT' || error.message.includes('No space left on device');

/** The path of a socket given as unix:///path, unix:/path or /path. */
export function socketPathOf(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '');
  if (!isAbsolute(path)) throw new TypeError(`The endpoint ${endpoint} is not unix:///PATH`);
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new TypeError(`The socket path ${path} is longer than ${socketPathBytesMax} bytes`);
  }
  return path;
}

export interface Service {
  readonly definition: ServiceDefinition;
  readonly handlers: Handlers;
}

/**
 * Serves on a socket that only root can open. A socket left by a killed driver is replaced.
 * @returns a function that stops the server, after the calls in flight
 */
export async function serve(path: string, services: readonly Service[], log: Log): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await removeSocket(path);
  const server = new Server();
  for (const { definition, handlers } of services) server.addService(definition, implement(handlers, log));
  const { promise: bound, resolve, reject } = Promise.withResolvers<void>();
  server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
    if (error === null) resolve();
    else reject(error);
  });
  await bound;
  await chmod(path, 0o600);
  log('info', 'listening', { socket: path });
  return async () => stopServer(server);
}

async function removeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new TypeError(`${path} exists and is not a socket`);
  await unlink(path);
}

async function stopServer(server: Server): Promise<void> {
  const { promise: drained, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    server.forceShutdown();
    resolve();
  }, shutdownTimeoutMs);
  server.tryShutdown(() => resolve());
  await drained;
  clearTimeout(timer);
}
