import { z } from 'zod';
import { SalvorError } from '#shared/errors';
import { toBlobId, toSnapshotId } from '#repository/ids';

/** The repository's store as the mover reaches it, in the words of `parseLocation`. Never holds a secret. */
const store = z.strictObject({ location: z.string().min(1).max(2048) });
const asset = z.string().min(1).max(500);
/** Where the volume is mounted. */
const path = z.string().startsWith('/').max(4096);
const blobId = z.string().transform((id) => toBlobId(id, 'A tree'));
const snapshotId = z.string().transform((id) => toSnapshotId(id, 'The snapshot'));

const bytesPerSecond = z.number().int().min(1_000).max(1e12);
/** What a mover leaves to others. CPU time itself is bounded by the pod's limit; threads say how much is asked for at once. */
const limits = z.strictObject({
  uploadBytesPerSecond: bytesPerSecond.optional(),
  downloadBytesPerSecond: bytesPerSecond.optional(),
  /** As nice(1): 19 yields to everybody. */
  nice: z.number().int().min(0).max(19).optional(),
  /** As ionice(1): `low` is the last of the best-effort class, `idle` waits until nobody else uses the disk. */
  ioPriority: z.enum(['low', 'idle']).optional(),
});
export type MoverLimits = z.output<typeof limits>;

/**
 * Captures a file tree, or with `source: image` an image file or a block device as blocks; `changed` is then the path of a
 * list of what differs from the parent (see changed-extents.ts), and the rest is not read.
 */
const backupTask = z.strictObject({
  kind: z.literal('backup'),
  asset,
  path,
  store,
  /** Threads that read, compress and encrypt. Default: one per core. */
  threads: z.number().int().min(1).max(256).optional(),
  limits: limits.optional(),
  /** Default: a tree. */
  source: z.enum(['tree', 'image']).optional(),
  /** The asset's tree in the backup before. */
  parentTree: blobId.optional(),
  changed: path.optional(),
  exclude: z.array(z.strictObject({ path: z.string().min(1), reason: z.string().min(1) })).optional(),
});

/**
 * Restores a tree, or what a snapshot holds under a path: then the volume's root gets its metadata back, too. With
 * `target: image` the path is that of an image file to be made or of a block device, and what is restored into it is a
 * file, or all files of a tree joined.
 */
const restoreTask = z.strictObject({
  kind: z.literal('restore'),
  asset,
  path,
  store,
  tree: blobId.optional(),
  snapshot: snapshotId.optional(),
  from: z.string().startsWith('/').max(4096).optional(),
  /** Default: a tree. */
  target: z.enum(['tree', 'image']).optional(),
  /** What to do with what is there. `resume` completes what an earlier run of this task left. Default: refuse. */
  existing: z.enum(['refuse', 'resume']).optional(),
  /** Threads that open and write blobs. Default: one per core. */
  threads: z.number().int().min(1).max(256).optional(),
  limits: limits.optional(),
  /** Whether all that was written is read back and compared. Default: it is. */
  verify: z.enum(['read-back', 'none']).optional(),
});

const taskSchema = z
  .discriminatedUnion('kind', [backupTask, restoreTask])
  .refine(
    (task) =>
      task.kind === 'restore' ||
      ((task.source === 'image' ? task.exclude === undefined : task.changed === undefined) &&
        (task.changed === undefined || task.parentTree !== undefined)),
    { error: 'changed needs source: image and parentTree; exclude needs a tree' },
  )
  .refine(
    (task) => {
      if (task.kind === 'backup') return true;
      return task.tree === undefined
        ? task.snapshot !== undefined && task.from !== undefined
        : task.snapshot === undefined && task.from === undefined;
    },
    { error: 'a restore needs either tree, or snapshot and from' },
  );

/** What one mover does. As JSON in the environment of its pod. */
export type MoverTask = BackupTask | RestoreTask;
export type BackupTask = z.output<typeof backupTask>;
export type RestoreTask = z.output<typeof restoreTask>;

/** What a mover must not be told on its command line or in its task. */
export interface MoverSecrets {
  readonly password: Uint8Array;
  /** For S3; without them the default chain of the AWS SDK is used. */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/** Reads a task; throws `InvalidInput` that says what is wrong with it. */
export function parseMoverTask(json: string): MoverTask {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new SalvorError('The mover task is not JSON', { code: 'InvalidInput', cause: error });
  }
  const parsed = taskSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SalvorError(`The mover task is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, {
    code: 'InvalidInput',
  });
}
