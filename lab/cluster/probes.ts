import { readFile } from 'node:fs/promises';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { csiDriverName } from './objects.ts';
import type { Layout } from './layout.ts';

/** Resolves to undefined when ready, else to the reason why not, in one line. */
export type Probe = (signal: AbortSignal) => Promise<string | undefined>;

/** A health page that must answer 200. The certificate of a health page on loopback is not checked. */
export function healthPage(url: string): Probe {
  return async (signal) => {
    const { status, body } = await get(url, { signal });
    return status === 200 ? undefined : `${url} answers ${status}: ${firstLine(body)}`;
  };
}

/** A unix socket that must accept connections. */
export function socketOpen(path: string): Probe {
  return async (signal) => {
    const connection = createConnection({ path, signal });
    await new Promise((resolve, reject) => connection.once('connect', resolve).once('error', reject));
    connection.destroy();
    return undefined;
  };
}

/** The API server's own verdict, asked with the lab's certificate: inside the lab, or through a port of the machine. */
export function apiReady(layout: Layout, port: number = layout.apiPortInside): Probe {
  return async (signal) => {
    const { status, body } = await askApi(layout, '/readyz', signal, port);
    return status === 200 ? undefined : `/readyz answers ${status}: ${firstLine(body)}`;
  };
}

/**
 * The node's Ready condition, with the kubelet's reason when it is not. On kept state the condition is the one from before
 * the stop, so the kubelet must also have renewed its lease since the lab started.
 */
export function nodeReady(layout: Layout): Probe {
  const startedMs = Date.now();
  return async (signal) => {
    const lease = await askApi(
      layout,
      `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${layout.nodeName}`,
      signal,
    );
    const renewed =
      lease.status === 200 ? (JSON.parse(lease.body) as { spec?: { renewTime?: string } }).spec?.renewTime : undefined;
    if (renewed === undefined || Date.parse(renewed) < startedMs)
      return 'the kubelet has not reported since the lab started';
    const { status, body } = await askApi(layout, `/api/v1/nodes/${layout.nodeName}`, signal);
    if (status !== 200)
      return status === 404 ? 'the kubelet has not registered the node yet' : `the API server answers ${status}`;
    const node = JSON.parse(body) as { status?: { conditions?: { type: string; status: string; message?: string }[] } };
    const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
    return ready?.status === 'True' ? undefined : (ready?.message ?? 'the node has no Ready condition yet');
  };
}

/** Whether the kubelet has taken the storage driver in. */
export function csiRegistered(layout: Layout): Probe {
  return async (signal) => {
    const { status, body } = await askApi(layout, `/apis/storage.k8s.io/v1/csinodes/${layout.nodeName}`, signal);
    const drivers =
      status === 200 ? (JSON.parse(body) as { spec?: { drivers?: { name: string }[] | null } }).spec?.drivers : [];
    return drivers?.some((driver) => driver.name === csiDriverName) === true
      ? undefined
      : 'the kubelet has not registered the driver yet';
  };
}

/** All of them; the first that is not ready is the reason. */
export function every(...probes: readonly Probe[]): Probe {
  return async (signal) => {
    for (const probe of probes) {
      const reason = await probe(signal);
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
}

async function askApi(
  layout: Layout,
  path: string,
  signal: AbortSignal,
  port: number = layout.apiPortInside,
): Promise<{ status: number; body: string }> {
  const file = (name: string): Promise<Buffer> => readFile(join(layout.pki, name));
  const [ca, cert, key] = await Promise.all([file('ca.crt'), file('init.crt'), file('init.key')]);
  return get(`https://127.0.0.1:${port}${path}`, { signal, ca, cert, key, rejectUnauthorized: true });
}

async function get(
  url: string,
  options: RequestOptions & Record<string, unknown>,
): Promise<{ status: number; body: string }> {
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false, ...options, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
      );
      response.once('error', reject);
    });
    asked.once('error', reject).end();
  });
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.slice(0, 200) ?? '';
}
