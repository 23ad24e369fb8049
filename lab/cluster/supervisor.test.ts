import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { waitFor } from '#shared/async';
import { condition, service, task, type Component } from './component.ts';
import { startSupervisor, type ComponentStatus, type Supervisor } from './supervisor.ts';

const folder = await mkdtemp(join(tmpdir(), 'salvor-supervisor-'));
after(() => rm(folder, { recursive: true }));
const sleeper = ['sleep', '600'];
const logs = join(folder, 'logs');

function start(t: TestContext, components: readonly Component[]): Supervisor {
  const supervisor = startSupervisor({ components, logs, environment: { PATH: process.env['PATH'] } });
  t.after(() => supervisor.shutdown());
  return supervisor;
}

async function until(
  supervisor: Supervisor,
  name: string,
  holds: (status: ComponentStatus) => boolean,
): Promise<ComponentStatus> {
  const ask = async (): Promise<ComponentStatus | undefined> => {
    const status = (await supervisor.status()).find((component) => component.name === name);
    return status !== undefined && holds(status) ? status : undefined;
  };
  return waitFor(ask, { what: name, timeoutMs: 10_000, intervalMs: 10 });
}

const fileThere = (path: string) => async (): Promise<string | undefined> => (existsSync(path) ? undefined : 'not yet');

test('a component waits for those it needs and says for which', async (t) => {
  const gate = join(folder, 'gate');
  const supervisor = start(t, [
    service('second', ['first'], undefined, sleeper),
    service('first', [], fileThere(gate), sleeper),
  ]);
  const waiting = await until(supervisor, 'second', ({ reason }) => reason === 'waits for first');
  assert.equal(waiting.ready, false);
  await writeFile(gate, '');
  assert.equal((await until(supervisor, 'second', ({ ready }) => ready)).restarts, 0);
});

test('what dies is started again, and the status tells how often', async (t) => {
  const supervisor = start(t, [service('mortal', [], undefined, sleeper)]);
  const { pid } = await until(supervisor, 'mortal', (status) => status.pid !== undefined);
  process.kill(pid!, 'SIGKILL');
  const again = await until(supervisor, 'mortal', (status) => status.restarts === 1 && status.pid !== undefined);
  assert.notEqual(again.pid, pid);
});

test('what was stopped on request stays down until it is started', async (t) => {
  const supervisor = start(t, [service('held', [], undefined, sleeper)]);
  const { pid } = await until(supervisor, 'held', (status) => status.pid !== undefined);
  await supervisor.stop('held', 'SIGKILL');
  const down = (await supervisor.status())[0]!;
  assert.deepEqual([down.ready, down.reason, down.pid], [false, 'was stopped on request', undefined]);
  assert.throws(() => process.kill(pid!, 0));
  supervisor.start('held');
  await until(supervisor, 'held', ({ ready }) => ready);
});

test('a task is repeated until all its steps have succeeded in order', async (t) => {
  const mark = join(folder, 'mark');
  const steps = [
    ['sh', '-c', `test -e ${mark} || { touch ${mark}; exit 7; }`],
    ['sh', '-c', `echo done >> ${mark}`],
  ];
  const supervisor = start(t, [task('setup', [], steps), service('user', ['setup'], undefined, sleeper)]);
  await until(supervisor, 'user', ({ ready }) => ready);
  assert.equal((await until(supervisor, 'setup', ({ ready }) => ready)).restarts, 1);
  assert.equal(readFileSync(mark, 'utf8'), 'done\n');
});

test('a condition is not ready from before, only once what it waits for is', async (t) => {
  const never = async (): Promise<string> => 'never';
  const always = async (): Promise<undefined> => undefined;
  const supervisor = start(t, [service('kubelet', [], never, sleeper), condition('node', ['kubelet'], always)]);
  assert.equal((await until(supervisor, 'node', ({ reason }) => reason === 'waits for kubelet')).ready, false);
});

test('a command that cannot be started is a reason, not a crash', async (t) => {
  const supervisor = start(t, [service('missing', [], undefined, ['/does/not/exist'])]);
  const status = await until(supervisor, 'missing', ({ restarts }) => restarts > 0);
  assert.match(status.reason ?? '', /cannot be started/);
});

test('shutdown ends dependents before what they need', async () => {
  const order = join(folder, 'order');
  const telling = (name: string): string[] => [
    'sh',
    '-c',
    `trap 'echo ${name} >> ${order}; exit 0' TERM; echo; while :; do sleep 0.02; done`,
  ];
  const components = [
    service('base', [], undefined, telling('base')),
    service('top', ['base'], undefined, telling('top')),
  ];
  const supervisor = startSupervisor({ components, logs, environment: { PATH: process.env['PATH'] } });
  await until(
    supervisor,
    'top',
    ({ ready }) => ready && readFileSync(join(logs, 'top.log'), 'utf8').split('\n').length > 2,
  );
  await supervisor.shutdown();
  assert.equal(readFileSync(order, 'utf8'), 'top\nbase\n');
});

test('a name that no component has is answered with the names there are', async (t) => {
  const supervisor = start(t, [service('only', [], undefined, sleeper)]);
  await assert.rejects(supervisor.stop('other', 'SIGKILL'), /has no component other/);
});
