import { isDamage } from '#repository/blob-reader';
import { SalvorError } from '#shared/errors';
import type { TreeNode } from '#repository/types';
import type { Problem } from './apply-metadata.ts';
import { boundedList, issueOf, reportedMax, type BoundedList, type Issue } from '../issues.ts';
import { errnoOf } from '../posix/libc.ts';

/** After these every further write fails as well, so the run ends. */
const fatalErrnos = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/** What is told of a run: what is done, and what is wrong with single entries. */
export interface RestoreReport {
  readonly totals: { readonly items: number; readonly bytes: number };
  readonly issues: BoundedList<Issue>;
  /** What is wrong with one entry is an issue; what is wrong with the run is thrown. */
  attempt(path: Buffer, work: () => Promise<void>): Promise<void>;
  /** An error of one entry: an issue, or thrown if it is the run's. */
  failed(path: Buffer, error: unknown): void;
  /** Metadata that could not be applied. */
  problems(path: Buffer, problems: readonly Problem[]): void;
  /** An entry is whole. */
  done(node: TreeNode): void;
  /** Bytes of content that are written, of files that are not whole yet. */
  underway(bytes: number): void;
}

export interface RestoreReportSetting {
  readonly onProgress: ((progress: { readonly items: number; readonly bytes: number }) => void) | undefined;
  readonly onIssue: ((issue: Issue) => void) | undefined;
  readonly signal: AbortSignal;
}

/** An entry of a tree that must not or cannot be restored. */
export class EntryProblem extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export function createRestoreReport({ onProgress, onIssue, signal }: RestoreReportSetting): RestoreReport {
  const issues = boundedList<Issue>(reportedMax);
  const totals = { items: 0, bytes: 0 };
  let bytesUnderway = 0;
  const show = (): void => onProgress?.({ items: totals.items, bytes: totals.bytes + bytesUnderway });
  const add = (issue: Issue): void => {
    issues.add(issue);
    onIssue?.(issue);
  };
  const failed = (path: Buffer, error: unknown): void => {
    signal.throwIfAborted();
    const code = codeOf(error);
    if (code === undefined) throw error;
    if (fatalErrnos.has(code)) throw targetFailed(error);
    add(issueOf(path, code, error));
  };
  return {
    totals,
    issues,
    failed,
    attempt: async (path, work) => {
      try {
        await work();
      } catch (error) {
        failed(path, error);
      }
    },
    problems: (path, problems) => {
      for (const { step, error } of problems) {
        const code = codeOf(error) ?? 'Unknown';
        if (fatalErrnos.has(code) && code !== 'ENOSPC') throw targetFailed(error);
        const issue = issueOf(path, code, error);
        add({ ...issue, message: `${step}: ${issue.message}` });
      }
    },
    done: (node) => {
      totals.items++;
      totals.bytes += node.size ?? 0;
      show();
    },
    underway: (bytes) => {
      bytesUnderway += bytes;
      if (bytes > 0) show();
    },
  };
}

/** Undefined for what is not the fault of one entry. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof EntryProblem || isDamage(error)) return error.code;
  return errnoOf(error);
}

function targetFailed(error: unknown): SalvorError {
  return new SalvorError('The target cannot take more data', {
    code: 'RestoreFailed',
    cause: error,
    hint: 'Check its free space and health, then restore into a new volume.',
  });
}
