import { kinds } from '#api/objects';
import type { KubeClient } from '#kube/client';
import type { MoverResult } from '#mover/protocol';
import { SalvorError } from '#shared/errors';
import { failed, waiting } from './execute.ts';
import type { Outcome } from './execute.ts';
import { attemptOf, moverDataPath, moverJob, moverState } from './mover-job.ts';
import type { Job } from './mover-job.ts';
import { moverOutcome } from './mover-outcome.ts';
import { systemNamespace } from './names.ts';

/** What all movers of a run have in common. */
export interface MoverContext {
  readonly client: KubeClient;
  readonly labels: Readonly<Record<string, string>>;
  readonly moverImage: string;
  /** The Secret with the store's credentials and the repository's key. */
  readonly moverSecret: string;
  /** The store as pods reach it. */
  readonly storeLocation: string;
  readonly signal: AbortSignal;
}

export interface Mover<Kind extends MoverResult['kind']> {
  readonly kind: Kind;
  /** Of the Job, and of the claim it mounts. */
  readonly name: string;
  readonly asset: string;
  /** The rest of its task (src/mover/task.ts). */
  readonly task: Readonly<Record<string, string>>;
  /** Makes the claim, before the Job is made. May be asked twice. */
  readonly ensureClaim: () => Promise<void>;
}

/** A backup whose mover ends without a word is made again; after this often the image is wrong. */
const wordlessAttemptsMax = 3;

/** A mover Job, from its claim to its result. */
export async function ensureMover<Kind extends MoverResult['kind']>(
  context: MoverContext,
  mover: Mover<Kind>,
): Promise<Outcome<Extract<MoverResult, { kind: Kind }>>> {
  const { client, signal } = context;
  const { kind, name, asset } = mover;
  const job = await client.get<Job>(kinds.jobs, { name, namespace: systemNamespace }, signal);
  if (job === undefined) {
    await mover.ensureClaim();
    await ensureJob(context, mover, 1);
    return waiting('its volume to be made');
  }
  const state = await moverState(client, job, signal);
  const outcome = moverOutcome(state, asset);
  // A pod that is deleted in the moment in which its mover ends counts as succeeded, and its words are gone with it.
  const attempt = attemptOf(job);
  if (kind === 'backup' && state.state === 'succeeded' && outcome.state === 'failed' && attempt < wordlessAttemptsMax) {
    await client.delete(kinds.jobs, job.metadata, signal);
    await ensureJob(context, mover, attempt + 1);
    return waiting('its mover to start again: the one before left no result');
  }
  if (outcome.state !== 'done') return outcome;
  if (isOfKind(outcome.value, kind)) return { state: 'done', value: outcome.value };
  const message = `The mover of ${asset} answered a ${outcome.value.kind} to a ${kind}`;
  return failed(new SalvorError(message, { code: 'MoverFailed', hint: 'Use a mover image of this version.' }));
}

async function ensureJob(context: MoverContext, mover: Mover<MoverResult['kind']>, attempt: number): Promise<void> {
  const { kind, name, asset } = mover;
  const task = { kind, asset, path: moverDataPath, store: { location: context.storeLocation }, ...mover.task };
  const { labels, moverImage: image, moverSecret: secret } = context;
  const job = moverJob({ name, asset, claim: name, image, secret, labels, task, attempt });
  await context.client.ensure(kinds.jobs, job, context.signal);
}

function isOfKind<Kind extends MoverResult['kind']>(
  result: MoverResult,
  kind: Kind,
): result is Extract<MoverResult, { kind: Kind }> {
  return result.kind === kind;
}
