import { z } from 'zod';

/**
 * The ledger of a recovery point: asset by asset what was planned and what was captured. It is stored inside
 * the recovery point as `ledger.json`, so its reader treats it as input from outside.
 */

const count = z.number().int().nonnegative();

export const amountSchema = z.object({
  /** Files, directories, links and other entries of a volume; Kubernetes objects. */
  items: count,
  /** Bytes of content, before deduplication and compression. */
  bytes: count,
});

export const issueSchema = z.object({
  /** Where inside the asset. */
  path: z.string(),
  code: z.string(),
  message: z.string(),
});

export const methodSchema = z.enum(['volume-files', 'objects']);
export const consistencySchema = z.enum(['Causal', 'PerAsset']);

export const ledgerAssetSchema = z.object({
  name: z.string(),
  kind: z.enum(['volume', 'objects']),
  method: methodSchema,
  /** Missing when the asset could not even be opened to see what is in it. */
  planned: amountSchema.optional(),
  captured: amountSchema,
  /** Bytes this run added to the store for the asset. */
  storedBytes: count,
  /** The tree blob's id: SHA-256 over names, metadata and content. Missing when nothing was captured. */
  hash: z.string().optional(),
  /** `Short`: captured less than planned. `Missing`: captured nothing. */
  result: z.enum(['Captured', 'Short', 'Missing']),
  issues: z.array(issueSchema),
  /** All issues, also those beyond the listed ones. */
  issuesTotal: count,
  /** Volumes: what a restore needs to ask for the same kind of volume. */
  volume: z
    .object({
      claim: z.string(),
      capacityBytes: count,
      storageClass: z.string().optional(),
      accessModes: z.array(z.string()),
    })
    .optional(),
});

export const skipSchema = z.object({
  /** The object or volume, as kubectl names it: `pod/web-7d4b9`, `emptydir/thumbs/cache`. */
  what: z.string(),
  /** The name of the rule that decided it. */
  rule: z.string(),
  reason: z.string(),
});

export const ledgerSchema = z.object({
  apiVersion: z.literal('salvor.dev/v1alpha1'),
  kind: z.literal('Ledger'),
  point: z.string(),
  application: z.string(),
  namespace: z.string(),
  /** RFC 3339. */
  startedAt: z.string(),
  /** The moment all volumes show. */
  cutAt: z.string(),
  finishedAt: z.string(),
  consistency: consistencySchema,
  /** How the cut was made, in one sentence. */
  cut: z.string(),
  result: z.enum(['Complete', 'Partial']),
  assets: z.array(ledgerAssetSchema),
  skipped: z.array(skipSchema),
});

export type Amount = z.infer<typeof amountSchema>;
export type Issue = z.infer<typeof issueSchema>;
export type Method = z.infer<typeof methodSchema>;
export type Consistency = z.infer<typeof consistencySchema>;
export type LedgerAsset = z.infer<typeof ledgerAssetSchema>;
export type Skip = z.infer<typeof skipSchema>;
export type Ledger = z.infer<typeof ledgerSchema>;

/** The verdict on one asset: captured equals planned, or it does not count. */
export function assetResult(
  planned: Amount | undefined,
  captured: Amount,
  hash: string | undefined,
  issuesTotal: number,
): LedgerAsset['result'] {
  if (planned === undefined || hash === undefined) return 'Missing';
  const equal = planned.items === captured.items && planned.bytes === captured.bytes && issuesTotal === 0;
  return equal ? 'Captured' : 'Short';
}

/** A recovery point is complete only if every planned asset is in the ledger and captured. Nothing planned is not complete. */
export function ledgerResult(plannedAssets: readonly string[], assets: readonly LedgerAsset[]): Ledger['result'] {
  const captured = new Set(assets.filter((asset) => asset.result === 'Captured').map((asset) => asset.name));
  const complete =
    plannedAssets.length > 0 &&
    assets.length === plannedAssets.length &&
    plannedAssets.every((name) => captured.has(name));
  return complete ? 'Complete' : 'Partial';
}
