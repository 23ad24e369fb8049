import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { SalvorError, messageOf } from '#shared/errors';
import type { CliContext } from '../context.ts';
import type { StoreFlags } from '../flags.ts';
import { openRepositoryFor } from '../open.ts';

/** 256 bits, as restic's own keys. */
const keyBytes = 32;

/** `salvor repo init`: makes the key file if there is none, and the repository. */
export async function repoInit(this: CliContext, flags: StoreFlags): Promise<void> {
  const file = flags.keyFile ?? this.settings.keyFile;
  if (file === undefined)
    throw new SalvorError('No key file is given', {
      code: 'Usage',
      hint: 'Give --key-file FILE: it is made if it does not exist.',
    });
  if (await makeKeyFile(file))
    this.process.stderr.write(
      `Made a new key in ${file}. Keep a copy outside the cluster: nothing can be read without it.\n`,
    );
  const noCluster = async (): Promise<never> => {
    throw new SalvorError('The key comes from a file here', { code: 'Internal' });
  };
  await using opened = await openRepositoryFor(this, { ...flags, keyFile: file }, noCluster, 'create');
  if (!opened.created)
    throw new SalvorError(`There is a repository in ${opened.repository.location}, and this key opens it`, {
      code: 'RepositoryExists',
      hint: 'Nothing is to be done: use it.',
    });
  this.process.stdout.write(`Repository ${opened.repository.id.slice(0, 10)} made in ${opened.repository.location}\n`);
  this.process.stderr.write('Next: salvor backup APPLICATION\n');
}

/** Writes a new random key, readable by its owner only. Answers false and changes nothing if the file exists. */
export async function makeKeyFile(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(`${randomBytes(keyBytes).toString('base64url')}\n`);
    await file.sync();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw new SalvorError(`Cannot write the key file ${path}: ${messageOf(error)}`, {
      code: 'InvalidInput',
      cause: error,
    });
  }
}
