import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { createWriteBehind } from './write-behind.ts';

const MiB = 1024 * 1024;

/** A storage that takes its time, which none does when asked to. */
function slowStorage() {
  const rounds: PromiseWithResolvers<void>[] = [];
  const writeBack = (): Promise<void> => {
    const round = Promise.withResolvers<void>();
    rounds.push(round);
    return round.promise;
  };
  return { rounds, writeBack };
}

test('what is written goes to the storage every 64 MiB', () => {
  const { rounds, writeBack } = slowStorage();
  const behind = createWriteBehind(writeBack);
  behind.reached(63 * MiB);
  assert.equal(rounds.length, 0);
  behind.reached(64 * MiB);
  assert.equal(rounds.length, 1);
});

test('a storage that is behind is asked again when it is done, for all that came meanwhile', async () => {
  const { rounds, writeBack } = slowStorage();
  const behind = createWriteBehind(writeBack);
  for (let written = 0; written <= 640; written += 64) behind.reached(written * MiB);
  assert.equal(rounds.length, 1);
  rounds[0]?.resolve();
  await setImmediate();
  assert.equal(rounds.length, 2);
  rounds[1]?.resolve();
  await setImmediate();
  assert.equal(rounds.length, 2);
});

test('the end waits for the round under way, and begins no other', async () => {
  const { rounds, writeBack } = slowStorage();
  const behind = createWriteBehind(writeBack);
  behind.reached(64 * MiB);
  behind.reached(256 * MiB);
  const end = behind[Symbol.asyncDispose]();
  assert.equal(await Promise.race([end, setImmediate('waits')]), 'waits');
  rounds[0]?.resolve();
  await end;
  assert.equal(rounds.length, 1);
});
