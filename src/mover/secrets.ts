import { SalvorError } from '#shared/errors';
import type { MoverSecrets } from './task.ts';

/** Reads the keys of the mover's Secret; a final newline, as editors leave it, is not part of a value. */
export function readMoverSecrets(read: (key: string) => Buffer | undefined): MoverSecrets {
  const text = (key: string): string | undefined => withoutNewline(read(key))?.toString('utf8');
  const password = withoutNewline(read('repository-password'));
  if (password === undefined || password.length === 0) {
    throw new SalvorError('The Secret has no repository-password', {
      code: 'KeyMissing',
      hint: 'Add the key repository-password to the Secret.',
    });
  }
  const accessKeyId = text('access-key-id');
  const secretAccessKey = text('secret-access-key');
  if (accessKeyId === undefined && secretAccessKey === undefined) return { password };
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new SalvorError('The Secret has only one of access-key-id and secret-access-key', { code: 'KeyMissing' });
  }
  const sessionToken = text('session-token');
  return {
    password,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  };
}

function withoutNewline(bytes: Buffer | undefined): Buffer | undefined {
  const length = /\r?\n$/.exec(bytes?.toString('latin1') ?? '')?.[0].length ?? 0;
  return bytes?.subarray(0, bytes.length - length);
}
