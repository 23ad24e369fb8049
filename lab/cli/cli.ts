import { parseArgs } from 'node:util';
import { exitCodeOf, messagesOf, SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import { openLab, prepareLab, type Lab } from '../lab.ts';
import { textProgress } from '../setup/progress.ts';
import { interactive } from './interactive.ts';
import { formatExports, formatStatus } from './output.ts';

/** What the command line touches of the outside. */
export interface CliWorld {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

const usage = `A real Kubernetes on this machine, in namespaces of its own.

  npm run lab -- up                  start the lab, or repair it; does nothing if all of it is ready
  npm run lab -- down [--purge]      stop it; with --purge also forget its state
  npm run lab -- status [-o json]    each component: ready, or why not (exit code 1 unless all are)
  npm run lab -- kubectl ARGS...     kubectl against the lab
  npm run lab -- shell [COMMAND...]  a shell (or a command) inside the lab's network, with KUBECONFIG set
  npm run lab -- logs COMPONENT      a component's log; "logs init" for the lab's own
  npm run lab -- restart COMPONENT   stop a component and start it again
  npm run lab -- images              build and make everything a lab needs, without starting one
  npm run lab -- env                 shell exports for clients on this machine: eval "$(npm run -s lab -- env)"

  --name NAME                        which lab (default: lab); give it before the command for kubectl and shell
`;

type Command = (lab: Lab, args: readonly string[], world: CliWorld) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  async up(lab, _args, { stderr }) {
    const started = performance.now();
    await lab.up();
    stderr(
      `Lab ${lab.name} is ready (${formatDuration(performance.now() - started)}). Try: npm run lab -- kubectl get pods -A\n`,
    );
    return 0;
  },
  async down(lab, args) {
    const { values } = parseArgs({ args: [...args], options: { purge: { type: 'boolean', default: false } } });
    await lab.down(values);
    return 0;
  },
  async status(lab, args, { stdout }) {
    const { values } = parseArgs({
      args: [...args],
      options: { output: { type: 'string', short: 'o', default: 'text' } },
    });
    if (values.output !== 'json' && values.output !== 'text')
      throw new SalvorError(`Unknown output "${values.output}"`, { code: 'Usage', hint: 'Use -o json or -o text.' });
    const report = await lab.status();
    stdout(values.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : formatStatus(report));
    return report.ready ? 0 : 1;
  },
  kubectl: async (lab, args) => interactive(['kubectl', ...args], await lab.env()),
  async shell(lab, args) {
    // The store's address in SALVOR_STORE is reached directly from here, without the machine's port.
    const { SALVOR_STORE_ENDPOINT: _endpoint, PATH, ...rest } = await lab.env();
    const program = args.length > 0 ? args : ['bash', '--norc'];
    return interactive([...(await lab.enter()), ...program], {
      ...rest,
      PATH: `${PATH}:/usr/sbin:/sbin`,
      KUBECONFIG: lab.insideKubeconfigPath,
      PS1: `[lab ${lab.name}] \\w# `,
    });
  },
  logs: async (lab, args) => interactive(['cat', lab.logPath(oneName(args, 'logs'))], {}),
  async restart(lab, args) {
    const name = oneName(args, 'restart');
    await lab.stopComponent(name, 'SIGTERM');
    await lab.startComponent(name);
    return 0;
  },
  async env(lab, _args, { stdout }) {
    stdout(formatExports(await lab.env()));
    return 0;
  },
};

/** Runs one command line and returns its exit code. */
export async function runLabCli(argv: readonly string[], world: CliWorld): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () =>
    stop.abort(
      new SalvorError('Cancelled', {
        code: 'Cancelled',
        hint: 'What was started so far stays; "up" goes on from there.',
      }),
    ),
  );
  try {
    const { name, command, args } = splitCommandLine(argv);
    if (command === undefined || command === 'help') {
      world.stdout(usage);
      return command === undefined ? 2 : 0;
    }
    const options = { signal: stop.signal, onProgress: textProgress(world.stderr), environment: world.environment };
    if (command === 'images') {
      const { images } = await prepareLab(options);
      for (const image of images.images) world.stdout(`${image.name} ${image.digest}\n`);
      return 0;
    }
    const run = commands[command];
    if (run === undefined)
      throw new SalvorError(`Unknown command "${command}"`, { code: 'Usage', hint: 'See "npm run lab -- help".' });
    return await run(await openLab({ name, ...options }), args, world);
  } catch (error) {
    world.stderr(`${messagesOf(error).join(': ')}\n`);
    if (error instanceof SalvorError && error.hint !== undefined) world.stderr(`  ${error.hint}\n`);
    return error instanceof TypeError ? 2 : exitCodeOf(error);
  }
}

/** Finds --name before or after the command; but what follows kubectl or shell is theirs. */
export function splitCommandLine(argv: readonly string[]): {
  name: string;
  command: string | undefined;
  args: string[];
} {
  let name = 'lab';
  let command: string | undefined;
  const args: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    const passedOn = command === 'kubectl' || command === 'shell';
    if (!passedOn && word === '--name') name = argv[++i] ?? '';
    else if (!passedOn && word.startsWith('--name=')) name = word.slice('--name='.length);
    else if (command === undefined && !word.startsWith('-')) command = word;
    else if (command === undefined) command = word === '--help' || word === '-h' ? 'help' : word;
    else args.push(word);
  }
  return { name, command, args };
}

function oneName(args: readonly string[], command: string): string {
  const [name, ...more] = args;
  if (name !== undefined && more.length === 0 && /^[a-z0-9-]+$/.test(name)) return name;
  throw new SalvorError(`"${command}" needs one component`, { code: 'Usage', hint: '"status" lists them.' });
}
