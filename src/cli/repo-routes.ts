import { buildCommand, buildRouteMap } from '@stricli/core';
import { parseByteCount, parseSizeLimit } from '#repository/care/size-limit';
import { aliases, clusterFlags, outputFlag, storeFlags } from './flags.ts';

/** `salvor repo ...`: work on a repository alone. A cluster is asked for the key only, if no key file is given. */

const common = { ...storeFlags, ...clusterFlags, ...outputFlag } as const;
const dryRun = { kind: 'boolean', default: false, brief: 'Say what would be done and change nothing' } as const;

const snapshotIds = {
  kind: 'array',
  parameter: { placeholder: 'ID', brief: 'A snapshot, or at least 8 digits of it', parse: String },
} as const;

const init = buildCommand({
  docs: { brief: 'Make a repository, and its key file if there is none' },
  loader: async () => (await import('./commands/repo-init.ts')).repoInit,
  parameters: { flags: storeFlags },
});

const prune = buildCommand({
  docs: {
    brief: 'Remove what no snapshot needs, while backups go on',
    fullDescription:
      'Removes what no snapshot needs. Backups may run meanwhile: what they could rely on is marked only, and deleted by the next prune after they have ended.',
  },
  loader: async () => (await import('./commands/repo-prune.ts')).repoPrune,
  parameters: {
    flags: {
      ...common,
      dryRun,
      maxUnused: {
        kind: 'parsed',
        parse: parseSizeLimit,
        default: '5%',
        placeholder: 'LIMIT',
        brief: 'What may stay unused to save rewriting: 5%, 10GiB, unlimited',
      },
      maxRepackSize: {
        kind: 'parsed',
        parse: parseByteCount,
        optional: true,
        placeholder: 'BYTES',
        brief: 'Rewrite no more than this, for instance 20GiB',
      },
      exclusive: {
        kind: 'boolean',
        default: false,
        brief: 'Keep everybody out, and delete all at once',
      },
    },
    aliases,
  },
});

const forget = buildCommand({
  docs: { brief: 'Delete snapshots; what only they needed goes with the next prune' },
  loader: async () => (await import('./commands/repo-forget.ts')).repoForget,
  parameters: {
    flags: { ...common, dryRun },
    aliases,
    positional: {
      kind: 'array',
      minimum: 1,
      parameter: { placeholder: 'ID', brief: 'A snapshot, or at least 8 digits of it', parse: (id: string) => id },
    },
  },
});

const unlock = buildCommand({
  docs: { brief: 'Remove locks whose holders are dead' },
  loader: async () => (await import('./commands/repo-unlock.ts')).repoUnlock,
  parameters: {
    flags: {
      ...common,
      all: { kind: 'boolean', default: false, brief: 'All locks: who holds one must stop, and fails' },
    },
    aliases,
  },
});

const copy = buildCommand({
  docs: {
    brief: 'Copy snapshots from another repository into this one',
    fullDescription:
      'Copies snapshots, all or those that are named, and what they need. The repositories have keys of their own. What was copied before is passed over; a copy that was ended goes on. A target that does not exist is made.',
  },
  loader: async () => (await import('./commands/repo-copy.ts')).repoCopy,
  parameters: {
    flags: {
      ...common,
      from: { kind: 'parsed', parse: String, placeholder: 'URL', brief: 'The repository to copy from, as in --store' },
      fromKeyFile: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'FILE',
        brief: 'File with the key of that repository, if it is another',
      },
    },
    aliases,
    positional: snapshotIds,
  },
});

export const repo = buildRouteMap({
  docs: { brief: 'Work on a repository' },
  routes: { init, prune, forget, unlock, copy },
});
