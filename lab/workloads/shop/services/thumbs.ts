/** thumbs: small previews of uploads, kept on an emptyDir. A cache: whatever is missing is made again. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { need } from './lib/env.ts';
import { refusal } from './lib/http.ts';
import { runService } from './lib/service.ts';

/** How long the uploads service may take for one file. */
const fetchTimeoutMs = 10_000;
const idPattern = /^[a-z0-9-]{1,80}$/;

await runService('thumbs', async ({ env }) => {
  const folder = need(env, 'THUMBS_DIR');
  const uploads = need(env, 'UPLOADS_URL');
  await mkdir(folder, { recursive: true });
  return {
    routes: {
      'GET /thumbs/:id': async ({ params }) => {
        const id = params.id ?? '';
        if (!idPattern.test(id)) throw refusal(400, 'not an id');
        const file = path.join(folder, id);
        const cached = await readFile(file, 'utf8').catch(() => undefined);
        if (cached !== undefined) return { status: 200, json: { thumb: cached, cached: true } };
        const thumb = await makeThumb(uploads, id);
        await writeFile(`${file}.new`, thumb);
        await rename(`${file}.new`, file);
        return { status: 200, json: { thumb, cached: false } };
      },
    },
    ready: async () => true,
    close: async () => undefined,
  };
});

/** A fingerprint stands in for a picture: what matters here is that it can be derived again. */
async function makeThumb(uploads: string, id: string): Promise<string> {
  const response = await fetch(`${uploads}/uploads/${id}`, { signal: AbortSignal.timeout(fetchTimeoutMs) });
  if (response.status === 404) throw refusal(404, `no upload ${id}`);
  if (!response.ok || response.body === null) throw new Error(`uploads answered ${response.status}`);
  const hash = createHash('sha1');
  for await (const part of response.body) hash.update(part);
  return hash.digest('base64url');
}
