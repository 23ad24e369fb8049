import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

/** In a process of its own: a priority that was lowered cannot be raised again. */
function prioritiesAfter(priorities: object): { nice: number[]; io: number[] } {
  const at = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const program = `
    import { readdirSync, readFileSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    import { setPriorities } from ${at('./priority.ts')};
    import { libc } from ${at('./libc.ts')};
    setPriorities(${JSON.stringify(priorities)});
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
    await once(worker, 'online');
    const threads = readdirSync('/proc/self/task').map(Number);
    const nice = threads.map((id) => Number(readFileSync('/proc/self/task/' + id + '/stat', 'utf8').split(') ')[1].split(' ')[16]));
    const get = { x64: 252, arm64: 31 }[process.arch];
    const io = threads.map((id) => Number(libc().syscall(get, 1, id, 0)));
    console.log(JSON.stringify({ nice, io }));
    process.exit();
  `;
  const options = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  return JSON.parse(execFileSync(process.execPath, options, { encoding: 'utf8' })) as { nice: number[]; io: number[] };
}

test('all threads yield, also those that are made later', () => {
  const { nice, io } = prioritiesAfter({ nice: 15, ioPriority: 'idle' });
  assert.ok(nice.length > 4);
  assert.deepEqual(new Set(nice), new Set([15]));
  assert.deepEqual(new Set(io), new Set([3 << 13]));
});

test('the last level of the best-effort class is not the idle class', () => {
  assert.deepEqual(new Set(prioritiesAfter({ ioPriority: 'low' }).io), new Set([(2 << 13) | 7]));
});
