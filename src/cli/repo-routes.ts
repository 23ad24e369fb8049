import { buildCommand, buildRouteMap } from '@stricli/core';
import { catKinds } from '#repository/care/cat';
import type { CatKind } from '#repository/care/cat';
import { parseByteCount, parseSizeLimit } from '#repository/care/size-limit';
import { parseReadSubset } from '#repository/read-subset';
import { SalvorError } from '#shared/errors';
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

export const checkFlags = {
  readData: { kind: 'boolean', default: false, brief: 'Read every byte' },
  readDataSubset: {
    kind: 'parsed',
    parse: parseReadSubset,
    optional: true,
    placeholder: 'SUBSET',
    brief: 'Read some packs only: 3/10 (the third of ten parts), 5% or 20GiB (at random)',
  },
} as const;

const check = buildCommand({
  docs: { brief: 'Check that everything is there that the snapshots need, and undamaged' },
  loader: async () => (await import('./commands/verify.ts')).verify,
  parameters: { flags: { ...common, ...checkFlags }, aliases },
});

const stats = buildCommand({
  docs: { brief: 'What is stored, deduplicated and compressed, and what each snapshot added' },
  loader: async () => (await import('./commands/repo-stats.ts')).repoStats,
  parameters: { flags: common, aliases },
});

const ls = buildCommand({
  docs: { brief: 'List the snapshots, or what is in one' },
  loader: async () => (await import('./commands/repo-ls.ts')).repoLs,
  parameters: {
    flags: { ...common, recursive: { kind: 'boolean', default: false, brief: 'Also all folders below' } },
    aliases: { ...aliases, R: 'recursive' },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          placeholder: 'SNAPSHOT[:PATH]',
          brief: 'At least 8 digits of a snapshot, or latest; and a folder in it',
          parse: String,
          optional: true,
        },
      ],
    },
  },
});

const dump = buildCommand({
  docs: { brief: 'Write one file of a snapshot to stdout' },
  loader: async () => (await import('./commands/repo-dump.ts')).repoDump,
  parameters: {
    flags: {
      ...storeFlags,
      ...clusterFlags,
      target: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'FILE',
        brief: 'Write to this new file instead',
      },
    },
    positional: {
      kind: 'tuple',
      parameters: [{ placeholder: 'SNAPSHOT:PATH', brief: 'A file in a snapshot, or in latest', parse: String }],
    },
  },
});

function parseCatKind(text: string): CatKind {
  const kind = catKinds.find((one) => one === text);
  if (kind !== undefined) return kind;
  throw new SalvorError(`Not a kind of file: "${text}"`, {
    code: 'Usage',
    hint: `Name one of: ${catKinds.join(', ')}.`,
  });
}

const cat = buildCommand({
  docs: { brief: 'Print a file of the repository, opened: JSON, or the bytes of a blob' },
  loader: async () => (await import('./commands/repo-cat.ts')).repoCat,
  parameters: {
    flags: { ...storeFlags, ...clusterFlags },
    positional: {
      kind: 'tuple',
      parameters: [
        { placeholder: 'KIND', brief: catKinds.join(', '), parse: parseCatKind },
        { placeholder: 'ID', brief: 'Of all but the config', parse: String, optional: true },
      ],
    },
  },
});

const newKeyFile = {
  kind: 'parsed',
  parse: String,
  placeholder: 'FILE',
  brief: 'File with the new key; it is made if it does not exist',
} as const;

const keys = buildRouteMap({
  docs: { brief: 'Who can open the repository' },
  routes: {
    list: buildCommand({
      docs: { brief: 'List the keys' },
      loader: async () => (await import('./commands/repo-keys.ts')).repoKeysList,
      parameters: { flags: common, aliases },
    }),
    add: buildCommand({
      docs: { brief: 'Let another key open the repository' },
      loader: async () => (await import('./commands/repo-keys.ts')).repoKeysAdd,
      parameters: { flags: { ...common, newKeyFile }, aliases },
    }),
    remove: buildCommand({
      docs: { brief: 'Take a key its power; never the one in use' },
      loader: async () => (await import('./commands/repo-keys.ts')).repoKeysRemove,
      parameters: {
        flags: common,
        aliases,
        positional: {
          kind: 'tuple',
          parameters: [{ placeholder: 'ID', brief: 'A key, or the beginning of its id', parse: String }],
        },
      },
    }),
    rotate: buildCommand({
      docs: { brief: 'Replace the key in use by a new one' },
      loader: async () => (await import('./commands/repo-keys.ts')).repoKeysRotate,
      parameters: { flags: { ...common, newKeyFile }, aliases },
    }),
  },
});

export const repo = buildRouteMap({
  docs: { brief: 'Work on a repository' },
  routes: { init, ls, dump, stats, check, prune, forget, copy, keys, unlock, cat },
});
