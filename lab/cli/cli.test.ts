import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLabCli, splitCommandLine } from './cli.ts';
import { formatExports, formatStatus } from './output.ts';

test('the name of the lab is taken from before or after the command', () => {
  assert.deepEqual(splitCommandLine(['up', '--name', 'two']), { name: 'two', command: 'up', args: [] });
  assert.deepEqual(splitCommandLine(['--name=two', 'down', '--purge']), {
    name: 'two',
    command: 'down',
    args: ['--purge'],
  });
  assert.equal(splitCommandLine(['status']).name, 'lab');
});

test('what follows kubectl and shell is passed on untouched', () => {
  const args = ['get', 'pods', '--name', 'x', '-o', 'json'];
  assert.deepEqual(splitCommandLine(['--name', 'two', 'kubectl', ...args]), { name: 'two', command: 'kubectl', args });
});

test('a status tells for each component that it is ready or why not', () => {
  const text = formatStatus({
    name: 'lab',
    ready: false,
    components: [
      { name: 'etcd', kind: 'service', ready: true, restarts: 0 },
      { name: 'kubelet', kind: 'service', ready: false, reason: 'waits for etcd', restarts: 2 },
    ],
  });
  assert.equal(text, '✓ etcd     ready\n✗ kubelet  waits for etcd (started again 2 times)\n');
});

test('exports survive the shell, whatever is in them', () => {
  assert.equal(formatExports({ A: "it's $HOME" }), `export A='it'\\''s $HOME'\n`);
});

test('an unknown command is a usage error with a hint, not a stack trace', async () => {
  let said = '';
  const world = { environment: {}, stdout: () => {}, stderr: (text: string) => void (said += text) };
  assert.equal(await runLabCli(['fly'], world), 2);
  assert.match(said, /Unknown command "fly"\n {2}See /);
});
