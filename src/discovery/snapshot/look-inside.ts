import type { Unseen } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { PodAnswer, RunInPod } from '#kube/exec';
import { mapLimit } from '#shared/async';
import { SalvorError, isAbort, messageOf } from '#shared/errors';
import { at, records, text } from '../fields.ts';
import type { FolderLook, Snapshot } from './snapshot.ts';

/** Pods run these programs: few at a time, each bounded in time and output. */
const looksMax = 8;
const timeoutMs = 10_000;
const outputBytesMax = 64 * 1024;
/** A scan of thousands of volumes is not a scan any more. */
const volumesMax = 500;
const foldersMax = 8;
const databasesMax = 2;
const databaseName = /\.(db|db3|sqlite|sqlite3)$/i;
const sqliteHeader = 'SQLite format 3';

/** Where one claim can be looked at. */
export interface LookPlace {
  readonly namespace: string;
  readonly claim: string;
  readonly pod: string;
  readonly container: string;
  readonly path: string;
  /** Only a folder of the volume is mounted there. */
  readonly partial: boolean;
}

/**
 * Adds what is in the first two levels of the claims that running pods mount, as `ls` in these pods lists them, and whether files
 * called databases begin like one. Reads only; what cannot be looked at is told.
 */
export async function lookInside(run: RunInPod, snapshot: Snapshot, signal: AbortSignal): Promise<Snapshot> {
  const places = placesOf(snapshot.objects);
  const looks = new Map<string, FolderLook>();
  const problems = new Map<string, string>();
  if (places.length > volumesMax)
    problems.set(`inside of ${places.length - volumesMax} volumes`, `only ${volumesMax} are looked at`);
  await mapLimit(
    places.slice(0, volumesMax),
    looksMax,
    async (place, both) => {
      const what = `inside of volume ${place.namespace}/${place.claim}`;
      try {
        looks.set(`${place.namespace}/${place.claim}`, await lookAt(run, place, both));
      } catch (error) {
        if (both.aborted || (isAbort(error) && signal.aborted)) throw error;
        // One word for all of a namespace where the right is missing.
        const isRight = error instanceof SalvorError && error.code === 'ClusterForbidden';
        problems.set(isRight ? `inside of volumes in ${place.namespace}` : what, messageOf(error));
      }
    },
    signal,
  );
  const unseen = [...problems].map(([what, reason]): Unseen => ({ what, reason, hides: 'detail' }));
  return { ...snapshot, looks, unseen: [...snapshot.unseen, ...unseen] };
}

/** One place per claim that a running pod mounts: where all of it is mounted, if there is such a one. Pure. */
export function placesOf(objects: readonly KubeObject[]): LookPlace[] {
  const places = new Map<string, LookPlace>();
  for (const pod of objects) {
    if (groupKindOf(pod) !== 'Pod' || at(pod['status'], 'phase') !== 'Running') continue;
    const { name, namespace = '' } = pod.metadata;
    for (const volume of records(at(pod['spec'], 'volumes'))) {
      const claim = text(at(volume, 'persistentVolumeClaim', 'claimName'));
      if (claim === undefined) continue;
      for (const container of records(at(pod['spec'], 'containers')))
        for (const mount of records(container['volumeMounts'])) {
          const path = text(mount['mountPath']);
          if (mount['name'] !== volume['name'] || path === undefined || !path.startsWith('/')) continue;
          const partial = mount['subPath'] !== undefined || mount['subPathExpr'] !== undefined;
          const key = `${namespace}/${claim}`;
          if (places.get(key)?.partial === false || (partial && places.has(key))) continue;
          places.set(key, { namespace, claim, pod: name, container: text(container['name']) ?? '', path, partial });
        }
    }
  }
  return [...places.values()];
}

async function lookAt(run: RunInPod, place: LookPlace, signal: AbortSignal): Promise<FolderLook> {
  const base = place.path.replace(/\/+$/, '') || '/';
  const root = await ask(run, place, { command: ['ls', '-1Ap', '--', `${base}/`], signal });
  const entries = linesOf(root.stdout);
  const inner = entries.filter((name) => name.endsWith('/') && name !== 'lost+found/').slice(0, foldersMax);
  const folders = new Map<string, readonly string[]>();
  for (const name of inner) {
    const folder = `${base}/${name}`;
    // A folder that its owner alone may read tells nothing; the others do.
    const answer = await ask(run, place, { command: ['ls', '-1Ap', '--', folder], signal }).catch(passOver(signal));
    if (answer !== undefined) folders.set(name.slice(0, -1), linesOf(answer.stdout));
  }
  const sqlite: string[] = [];
  const files = [...entries, ...[...folders].flatMap(([name, all]) => all.map((file) => `${name}/${file}`))];
  for (const name of files.filter((file) => databaseName.test(file)).slice(0, databasesMax)) {
    const command = ['head', '-c', String(sqliteHeader.length), '--', `${base}/${name}`];
    const answer = await ask(run, place, { command, signal }).catch(passOver(signal));
    if (answer?.stdout.toString('latin1') === sqliteHeader) sqlite.push(name);
  }
  const partial = place.partial || root.truncated;
  return { pod: place.pod, path: place.path, entries, folders, sqlite, partial };
}

function passOver(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (signal.aborted) throw error;
    return undefined;
  };
}

interface Question {
  readonly command: readonly string[];
  readonly signal: AbortSignal;
}

async function ask(
  run: RunInPod,
  { namespace, pod, container }: LookPlace,
  { command, signal }: Question,
): Promise<PodAnswer> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const answer = await run({ namespace, pod, container, command, outputBytesMax }, bounded);
    if (answer.exitCode === 0 || answer.truncated) return answer;
    throw new SalvorError(`${command[0] ?? ''} in pod/${pod}: ${answer.problem || 'did not end well'}`, {
      code: 'ClusterRefused',
    });
  } catch (error) {
    if (!signal.aborted && bounded.aborted)
      throw new SalvorError(`${command[0] ?? ''} in pod/${pod} took more than ${timeoutMs / 1000} s`, {
        code: 'Timeout',
      });
    throw error;
  }
}

function linesOf(output: Buffer): string[] {
  return output
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}
