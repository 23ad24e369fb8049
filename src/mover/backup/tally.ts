import type { BlobId, SavedBlob } from '#repository/types';
import type { BackupProgress } from './backup-tree.ts';
import type { CapturedEntries } from './capture-entries.ts';
import type { CaptureTotals } from './capture-target.ts';
import { boundedList, reportedMax, type Issue, type Skipped } from '../issues.ts';

/** What was there and what is in the repository now. Complete only if both are equal and there are no issues. */
export interface TreeLedger {
  readonly plannedItems: number;
  readonly plannedBytes: number;
  readonly capturedItems: number;
  readonly capturedBytes: number;
}

/** What a backup did, as it is reported in the end. */
export interface TallyResult {
  readonly ledger: TreeLedger;
  /** Bytes of file content that the repository did not have. */
  readonly newBytes: number;
  /** Bytes that the run added to the store, trees included. */
  readonly storedBytes: number;
  /** The first `reportedMax`; `issuesTotal` counts all. */
  readonly issues: readonly Issue[];
  readonly issuesTotal: number;
  readonly skipped: readonly Skipped[];
  readonly skippedTotal: number;
}

/** Adds up what a backup does, and reports its progress. */
export interface Tally {
  plan(planned: { readonly items: number; readonly bytes: number }): void;
  /** Bytes read since the last call. */
  onBytes(bytes: number): void;
  onAnswer(answer: CapturedEntries): void;
  /** What was saved of content since the last call. */
  onSaved(totals: CaptureTotals): void;
  onCaptured(bytes: number): void;
  onTree(saved: SavedBlob): BlobId;
  onIssue(issue: Issue): void;
  onSkipped(skipped: Skipped): void;
  result(): TallyResult;
}

export interface TallyOptions {
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onIssue?: (issue: Issue) => void;
}

export function createTally(options: TallyOptions): Tally {
  const issues = boundedList<Issue>(reportedMax);
  const skipped = boundedList<Skipped>(reportedMax);
  const ledger = { plannedItems: 0, plannedBytes: 0, capturedItems: 0, capturedBytes: 0 };
  const totals = { newBytes: 0, storedBytes: 0 };
  let readBytes = 0;
  const report = (): void => {
    const { plannedItems, plannedBytes, capturedItems: items, capturedBytes } = ledger;
    // What is read and not captured yet is under way; what was taken over unread is captured only.
    const bytes = Math.max(capturedBytes, Math.min(readBytes, plannedBytes));
    options.onProgress?.({ phase: 'backup', items, bytes, plannedItems, plannedBytes });
  };
  const onIssue = (issue: Issue): void => {
    issues.add(issue);
    options.onIssue?.(issue);
  };
  const onSaved = ({ newBytes, storedBytes }: CaptureTotals): void => {
    totals.newBytes += newBytes;
    totals.storedBytes += storedBytes;
  };
  return {
    plan({ items, bytes }) {
      ledger.plannedItems = items;
      ledger.plannedBytes = bytes;
    },
    onBytes(bytes) {
      readBytes += bytes;
      report();
    },
    onSaved,
    onAnswer(answer) {
      onSaved(answer);
      for (const issue of answer.issues) onIssue(issue);
    },
    onCaptured(bytes) {
      ledger.capturedItems++;
      ledger.capturedBytes += bytes;
      report();
    },
    onTree({ id, storedBytes }) {
      totals.storedBytes += storedBytes;
      return id;
    },
    onIssue,
    onSkipped: (entry) => skipped.add(entry),
    result: () => ({
      ledger,
      ...totals,
      issues: issues.kept,
      issuesTotal: issues.count,
      skipped: skipped.kept,
      skippedTotal: skipped.count,
    }),
  };
}
