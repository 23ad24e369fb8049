import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { done, execute, failed, waiting } from './execute.ts';
import type { Ensure, PlanStep, StepEvent } from './execute.ts';

const step = (id: string, dependsOn: string[] = [], after: string[] = []): PlanStep => ({
  id,
  title: id,
  dependsOn,
  after,
});
const broken = new SalvorError('broken', { code: 'MoverFailed' });

/** A clock that jumps ahead by what is slept. */
function testClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  };
}

const options = () => ({ signal: new AbortController().signal, clock: testClock(), stalledAfterMs: 1_000 });

test('steps run after what they depend on, and see its results', async () => {
  const order: string[] = [];
  const ensure: Ensure<PlanStep, string> = async (one) => {
    order.push(one.id);
    return done(one.id);
  };
  const results = await execute([step('c', ['a', 'b']), step('a'), step('b', ['a'])], ensure, options());
  assert.deepEqual(order, ['a', 'b', 'c']);
  assert.deepEqual(results.get('c'), { state: 'done', value: 'c' });
});

test('a failed step blocks its dependents only; what merely comes after still runs', async () => {
  const ensure: Ensure<PlanStep, string> = async (one) => (one.id === 'bad' ? failed(broken) : done(one.id));
  const results = await execute(
    [step('bad'), step('needs-bad', ['bad']), step('other'), step('seal', [], ['bad', 'needs-bad', 'other'])],
    ensure,
    options(),
  );
  assert.deepEqual(results.get('bad'), { state: 'failed', error: broken });
  assert.deepEqual(results.get('needs-bad'), { state: 'blocked', by: 'bad' });
  assert.equal(results.get('other')?.state, 'done');
  assert.equal(results.get('seal')?.state, 'done');
});

test('a waiting step is asked again until it is done', async () => {
  let asked = 0;
  const ensure: Ensure<PlanStep, number> = async () => (++asked < 4 ? waiting('a pod to start', 10) : done(asked));
  const results = await execute([step('a')], ensure, options());
  assert.deepEqual(results.get('a'), { state: 'done', value: 4 });
});

test('a step without progress for too long fails; bytes that move are progress', async () => {
  const stuck = await execute([step('a')], async () => waiting('a pod to start', 100), options());
  const result = stuck.get('a');
  assert.ok(
    result?.state === 'failed' && result.error.code === 'Timeout' && result.error.message.includes('a pod to start'),
  );

  let bytes = 0;
  const moving = await execute(
    [step('a')],
    async () =>
      (bytes += 1) > 50 ? done(1) : waiting('bytes', 100, { progress: { doneBytes: bytes, totalBytes: 100 } }),
    options(),
  );
  assert.equal(moving.get('a')?.state, 'done');
});

test('an unexpected exception fails its step and is kept as the cause', async () => {
  const cause = new TypeError('oops');
  const results = await execute(
    [step('a')],
    async () => {
      throw cause;
    },
    options(),
  );
  const result = results.get('a');
  assert.ok(result?.state === 'failed' && result.error.cause === cause);
});

test('an aborted signal ends the execution and is thrown', async () => {
  const controller = new AbortController();
  const ensure: Ensure<PlanStep, number> = async () => {
    controller.abort();
    return waiting('forever', 1);
  };
  await assert.rejects(execute([step('a')], ensure, { ...options(), signal: controller.signal }), {
    name: 'AbortError',
  });
});

test('a plan with a circle is refused', async () => {
  await assert.rejects(
    execute([step('a', ['b']), step('b', ['a'])], async () => done(1), options()),
    /can never run: a, b/,
  );
});

test('events tell the story of a step', async () => {
  const events: StepEvent[] = [];
  let asked = 0;
  await execute([step('a')], async () => (++asked < 3 ? waiting('x', 5) : done(1)), {
    ...options(),
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual(
    events.map((event) => event.state),
    ['started', 'waiting', 'done'],
  );
});
