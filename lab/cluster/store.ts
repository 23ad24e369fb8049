import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../setup/files.ts';
import type { Layout } from './layout.ts';

/** Makes a bucket in the lab's store unless it is there. Object lock and versioning can be asked for on other buckets. */
export async function ensureBucket(layout: Layout, bucket: string, signal?: AbortSignal): Promise<void> {
  // The server keeps a bucket as a folder: asking the disk saves loading the SDK on every `up`.
  if (await exists(join(layout.storeData, bucket))) return;
  const { S3Client, CreateBucketCommand } = await import('@aws-sdk/client-s3');
  const credentials = JSON.parse(await readFile(layout.credentials, 'utf8')) as {
    accessKeyId: string;
    secretAccessKey: string;
  };
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${layout.storePort}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }), signal === undefined ? {} : { abortSignal: signal });
  } finally {
    client.destroy();
  }
}
