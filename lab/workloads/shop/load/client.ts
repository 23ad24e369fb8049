import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';

/** How long one request may take; the large sparse upload on a busy machine is the slowest. */
const requestTimeoutMs = 30_000;

export interface Answer {
  readonly status: number;
  readonly json: unknown;
}

export interface Client {
  send(method: string, url: string, body?: Buffer): Promise<Answer>;
  close(): void;
}

/** HTTP over kept connections: node:http costs about half of what fetch does per request, and the generator shares the machine. */
export function createClient(connections: number, signal?: AbortSignal): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    async send(method, url, body) {
      const timeout = AbortSignal.timeout(requestTimeoutMs);
      const outgoing = request(url, {
        method,
        agent,
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        ...(body === undefined ? {} : { headers: { 'content-length': body.length } }),
      });
      outgoing.end(body);
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      const parts: Buffer[] = [];
      for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
      return { status: response.statusCode ?? 0, json: parseJson(Buffer.concat(parts).toString('utf8')) };
    },
    close: () => agent.destroy(),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
