import { buildApplication, buildCommand, buildRouteMap, text_en } from '@stricli/core';
import type { Application } from '@stricli/core';
import { exitCodeOf, exitCodes, messageOf, SalvorError } from '#shared/errors';
import type { CliContext } from './context.ts';
import { aliases, clusterFlags, moverFlags, outputFlag, storeFlags } from './flags.ts';
import { errorRecord, formatError } from './output/error.ts';
import { checkFlags, repo } from './repo-routes.ts';

/**
 * The command line: what there is and how it is called. The code of a command is loaded when it is run, so that
 * `--help` is quick.
 */

const text = (value: string): string => value;
const positional = (placeholder: string, brief: string) => ({ placeholder, brief, parse: text });
const dryRun = { kind: 'boolean', default: false, brief: 'Print the plan and change nothing' } as const;

const backup = buildCommand({
  docs: { brief: 'Back up an application: its volumes at one moment, and its objects' },
  loader: async () => (await import('./commands/backup.ts')).backup,
  parameters: {
    flags: { ...storeFlags, ...clusterFlags, ...moverFlags, dryRun, ...outputFlag },
    aliases,
    positional: { kind: 'tuple', parameters: [positional('APPLICATION', 'The namespace')] },
  },
});

const restore = buildCommand({
  docs: { brief: 'Bring a recovery point back: data first, then what uses it' },
  loader: async () => (await import('./commands/restore.ts')).restore,
  parameters: {
    flags: {
      ...storeFlags,
      ...clusterFlags,
      ...moverFlags,
      acceptPartial: {
        kind: 'boolean',
        default: false,
        brief: 'Restore a partial recovery point without what it lacks',
      },
      dryRun,
      ...outputFlag,
    },
    aliases,
    positional: { kind: 'tuple', parameters: [positional('POINT', 'The recovery point')] },
  },
});

const get = buildCommand({
  docs: { brief: 'List recovery points, straight from the store' },
  loader: async () => (await import('./commands/get.ts')).get,
  parameters: {
    flags: {
      ...storeFlags,
      ...clusterFlags,
      application: {
        kind: 'parsed',
        parse: text,
        optional: true,
        placeholder: 'NAME',
        brief: 'Only of this application',
      },
      ...outputFlag,
    },
    aliases,
    positional: {
      kind: 'tuple',
      parameters: [positional('KIND', 'recoverypoints'), { ...positional('NAME', 'Only this one'), optional: true }],
    },
  },
});

const describe = buildCommand({
  docs: { brief: 'Show a recovery point with its ledger, and what to do' },
  loader: async () => (await import('./commands/describe.ts')).describe,
  parameters: {
    flags: { ...storeFlags, ...clusterFlags, ...outputFlag },
    aliases,
    positional: { kind: 'tuple', parameters: [positional('KIND', 'recoverypoint'), positional('NAME', 'Its name')] },
  },
});

const verify = buildCommand({
  docs: { brief: 'Check that a repository is whole and undamaged' },
  loader: async () => (await import('./commands/verify.ts')).verify,
  parameters: {
    flags: {
      ...storeFlags,
      ...clusterFlags,
      ...checkFlags,
      ...outputFlag,
    },
    aliases,
  },
});

const sourceFlags = {
  from: {
    kind: 'parsed',
    parse: text,
    optional: true,
    placeholder: 'PATH',
    brief: 'A folder of manifests, a file, or - for stdin, instead of a cluster',
  },
  probe: {
    kind: 'boolean',
    default: false,
    brief:
      'Also ask the kubelets how many bytes are in use (needs get on nodes/proxy), and list what is in volumes by ls in the pods that mount them (needs create on pods/exec)',
  },
  namespace: { kind: 'parsed', parse: text, optional: true, placeholder: 'NAME', brief: 'Only this namespace' },
  ...clusterFlags,
} as const;

const scan = buildCommand({
  docs: { brief: 'Find what needs a backup, where it is, why, and whether anything protects it' },
  loader: async () => (await import('./commands/scan.ts')).scan,
  parameters: {
    flags: {
      ...sourceFlags,
      allNamespaces: { kind: 'boolean', default: false, brief: 'All namespaces; the default' },
      selector: { kind: 'parsed', parse: text, optional: true, placeholder: 'LABELS', brief: 'As in kubectl' },
      failOn: {
        kind: 'enum',
        values: ['unprotected', 'unknown'],
        optional: true,
        brief: 'End with exit code 3 if there is any such asset; unknown counts as unprotected',
      },
      baseline: {
        kind: 'parsed',
        parse: text,
        optional: true,
        placeholder: 'FILE',
        brief: 'Only what differs from this earlier scan, saved with -o json',
      },
      propose: { kind: 'boolean', default: false, brief: 'Print policies for what is at risk' },
      output: {
        kind: 'enum',
        values: ['table', 'wide', 'json', 'yaml', 'name', 'csv', 'html', 'dot'],
        default: 'table',
        brief: 'How to print the result',
      },
    },
    aliases: { ...aliases, n: 'namespace', A: 'allNamespaces', l: 'selector' },
  },
});

const why = buildCommand({
  docs: { brief: 'Explain the verdict on one asset: rule, evidence, and what would change it' },
  loader: async () => (await import('./commands/why.ts')).why,
  parameters: {
    flags: { ...sourceFlags, ...outputFlag },
    aliases: { ...aliases, n: 'namespace' },
    positional: { kind: 'tuple', parameters: [positional('ASSET', 'NAMESPACE/NAME, as a scan prints it')] },
  },
});

/** `jsonErrors`: the command was asked for JSON, so its error is JSON as well. */
export function buildSalvor(version: string, jsonErrors = false): Application<CliContext> {
  const format = (error: unknown): string => (jsonErrors ? JSON.stringify(errorRecord(error)) : formatError(error));
  const routes = buildRouteMap({
    docs: { brief: 'Kubernetes-native data protection' },
    routes: { scan, why, backup, restore, get, describe, verify, repo },
  });
  return buildApplication(routes, {
    name: 'salvor',
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    determineExitCode: exitCodeOf,
    // Every flag is explained below the usage line; there only what must be given is shown.
    documentation: { onlyRequiredInUsageLine: true },
    localization: {
      text: {
        ...text_en,
        exceptionWhileParsingArguments: (error) => format(misused(messageOf(error))),
        noCommandRegisteredForInput: ({ input, corrections }) => {
          const meant =
            corrections.length === 0 ? '' : `; did you mean ${corrections.join(' or ').replaceAll('`', '')}?`;
          return format(misused(`There is no command "${input}"${meant}`));
        },
        exceptionWhileRunningCommand: format,
        exceptionWhileLoadingCommandFunction: format,
        commandErrorResult: format,
      },
    },
  });
}

function misused(message: string): SalvorError {
  return new SalvorError(message, { code: 'Usage', hint: 'See what is expected: add --help to the command.' });
}

/** Stricli's own codes are negative; ours are documented in docs/reference/exit-codes.md. */
export function documentedExitCode(code: number): number {
  if (code === -5 || code === -4) return exitCodes.usage;
  return code < 0 ? exitCodes.failed : code;
}
