import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoMessage, errnoOf } from './libc.ts';

/** As Node throws it for an errno that libuv has no name for. */
function unnamed(errno: number): Error {
  const code = `Unknown system error ${-errno}`;
  return Object.assign(new Error(`${code}: ${code}, lstat '/x'`), { errno: -errno, code, syscall: 'lstat' });
}

test('what a damaged file system answers has a name and a message', () => {
  assert.equal(errnoOf(unnamed(117)), 'EUCLEAN');
  assert.match(errnoMessage(unnamed(117)), /^EUCLEAN: structure needs cleaning/);
});

test('an errno that nobody knows is still an errno', () => {
  assert.equal(errnoOf(unnamed(4000)), 'E4000');
});

test('errors that are not of the system are not taken for such', () => {
  assert.equal(errnoOf(new Error('Unknown system error -117')), undefined);
  assert.equal(errnoOf(Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE', errno: -117 })), undefined);
});
