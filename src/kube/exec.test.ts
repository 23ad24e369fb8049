import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadRunInPod } from './exec.ts';

/** A server that takes connections and says nothing, or ends them: what a real one cannot be made to do at will. */
async function programAt(t: { after(clean: () => unknown): void }, answer: 'silence' | 'end') {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (answer === 'end') socket.destroy();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const folder = await mkdtemp(join(tmpdir(), 'salvor-exec-'));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(folder, { recursive: true });
  });
  const kubeconfig = join(folder, 'kubeconfig');
  const entry = { cluster: 'c', user: 'u' };
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      contexts: [{ name: 'x', context: entry }],
      clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } }],
      users: [{ name: 'u', user: { token: 't' } }],
    }),
  );
  const run = await loadRunInPod({ kubeconfig });
  const command = { namespace: 'n', pod: 'p', container: 'c', command: ['ls'], outputBytesMax: 100 };
  return async (signal: AbortSignal) => run(command, signal);
}

test('a server that never answers is given up when the caller does', async (t) => {
  const run = await programAt(t, 'silence');
  const giveUp = new AbortController();
  const running = run(giveUp.signal);
  giveUp.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
});

test('a connection that is refused names the pod', async (t) => {
  const run = await programAt(t, 'end');
  await assert.rejects(run(new AbortController().signal), { code: 'ClusterUnreachable', message: /pod\/p/ });
});
