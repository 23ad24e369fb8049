import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLab } from '#lab/lab';
import type { Lab } from '#lab/lab';
import { salvorOn } from '#lab/scenarios/salvor';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { testLabName } from '#lab/setup/prepare';

/** The lab that end-to-end tests share, and a folder for this test file. */
export interface TestLab extends AsyncDisposable {
  readonly lab: Lab;
  /** Keys and the like of this test file; removed at the end. */
  readonly work: string;
  /** Runs kubectl, which must succeed; answers its stdout. */
  readonly kubectl: (...args: string[]) => Promise<string>;
  /** Applies objects. */
  readonly apply: (...objects: object[]) => Promise<void>;
  /** Answers the parsed object or list. */
  readonly read: <T>(...args: string[]) => Promise<T>;
  /** The CLI against a folder of the store with a key of its own. The folder begins empty. */
  readonly salvor: (prefix: string) => Promise<SalvorCli>;
}

/** Opens the shared lab and makes sure that it runs. Another one while developing: SALVOR_TEST_LAB=name. */
export async function openTestLab(): Promise<TestLab> {
  const lab = await openLab({ name: process.env['SALVOR_TEST_LAB'] ?? testLabName });
  await lab.up();
  const work = await mkdtemp(join(tmpdir(), 'salvor-e2e-'));
  const prefixes: string[] = [];
  const kubectl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.kubectl(args);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const forget = async (prefix: string): Promise<void> => {
    await lab.exec(['rm', '-rf', join(await storeFolder(lab), prefix)]);
  };
  return {
    lab,
    work,
    kubectl,
    apply: async (...items) => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      const { code, stderr } = await lab.kubectl(['apply', '-f', '-'], { input });
      assert.equal(code, 0, stderr);
    },
    read: async <T>(...args: string[]) => JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T,
    salvor: async (prefix) => {
      prefixes.push(prefix);
      await forget(prefix);
      return salvorOn(lab, await mkdtemp(join(work, `${prefix}-`)), prefix);
    },
    [Symbol.asyncDispose]: async () => {
      for (const prefix of prefixes) await forget(prefix);
      await rm(work, { recursive: true, force: true });
    },
  };
}

/** Where the lab's S3 server keeps the objects of its bucket, one file each. */
export async function storeFolder(lab: Lab): Promise<string> {
  const { hostname } = new URL((await lab.store()).url);
  const { findLayout } = await import('#lab/cluster/running');
  return join((await findLayout(lab.name)).storeData, hostname);
}
