import type { Evidence } from '#api/asset';
import type { Container } from '../containers.ts';
import type { Workload } from '../workloads.ts';
import type { EngineSpec } from './engine-spec.ts';
import { engines } from './engines.ts';

/** A server that a container runs, and what says so. */
export interface Recognized {
  readonly spec: EngineSpec;
  readonly container: Container;
  readonly version?: string;
  readonly evidence: readonly Evidence[];
}

/** What has to come together before a container is called a server: an image or a program says it, ports and paths only agree. */
const scoreNeeded = 4;
const scores = { image: 5, command: 4, script: 3, dataPath: 2, port: 2, variable: 1 } as const;

/** Programs that talk to a server, and never are one. */
const clientProgram =
  /\b(psql|pg_dump|pg_dumpall|pg_basebackup|pg_isready|pg_restore|mysqldump|mariadb-dump|mariadb-backup|mydumper|xtrabackup|mongodump|mongosh|mongorestore|redis-cli|valkey-cli|etcdctl|cqlsh|rclone|restic|kopia|velero|mc\s+(mirror|cp|alias|mb)|exporter|sleep\s+(infinity|\d+))\b/;

const partsOfTools =
  /(exporter|backup|operator|pooler|proxy|agent|sidecar|reloader|metrics|dashboard|ui|console|client|cli|tools?)$/;

/** The server that a workload runs, if it runs one. Jobs and init containers only visit servers. */
export function recognize(workload: Workload): Recognized[] {
  if (workload.role === 'job') return [];
  return workload.containers
    .filter((container) => !container.init)
    .flatMap((container) => recognizeContainer(workload, container) ?? []);
}

function recognizeContainer(workload: Workload, container: Container): Recognized | undefined {
  const image = imagePath(container.image);
  const command = container.command.join(' ');
  const scripts = scriptsOf(container);
  let best: { score: number; found: Recognized } | undefined;
  for (const spec of engines) {
    if (spec.otherRole?.test(command) === true) continue;
    const evidence: Evidence[] = [];
    const base = { object: workload.name, namespace: workload.namespace };
    let score = 0;
    const count = (points: number, field: string, value: string): void => {
      score += points;
      evidence.push({ ...base, field: `${container.path}.${field}`, value });
    };
    const inCommand = spec.program.exec(command);
    if (spec.image.test(image)) count(scores.image, 'image', container.image);
    if (inCommand !== null) count(scores.command, 'command', inCommand[0]);
    else {
      const script = scripts.find(({ content }) => spec.program.test(withoutComments(content)));
      const match = script === undefined ? null : spec.program.exec(withoutComments(script.content));
      if (script !== undefined && match !== null) {
        score += scores.script;
        evidence.push({
          ...base,
          object: `configmap/${script.configMap}`,
          field: `data.${script.key}`,
          value: match[0],
        });
      }
    }
    const port = container.ports.find((one) => spec.ports.includes(one.port));
    if (port !== undefined) count(scores.port, 'ports', String(port.port));
    const mount = container.mounts.find((one) => spec.dataPath.test(one.path));
    if (mount !== undefined) count(scores.dataPath, 'volumeMounts', mount.path);
    const variable =
      spec.variable === undefined ? undefined : container.variables.find((one) => spec.variable?.test(one.name));
    if (variable !== undefined) count(scores.variable, 'env', variable.name);
    if (
      score >= scoreNeeded &&
      score > (best?.score ?? 0) &&
      !isClient({ spec, image, command, scripts, found: evidence.length })
    )
      best = { score, found: { spec, container, evidence, ...versionOf(spec, container.image) } };
  }
  return best?.found;
}

interface ClientQuestion {
  readonly spec: EngineSpec;
  readonly image: string;
  readonly command: string;
  readonly scripts: readonly { readonly content: string }[];
  readonly found: number;
}

/** An image of a server whose command runs only its clients: a dump in a loop, a shell to log in. */
function isClient({ spec, image, command, scripts, found }: ClientQuestion): boolean {
  if (partsOfTools.test(image) && !spec.image.test(image)) return true;
  if (command === '' || spec.program.test(command)) return false;
  if (scripts.some(({ content }) => spec.program.test(withoutComments(content)))) return false;
  return clientProgram.test(command) && found < 4;
}

/** `docker.io/bitnami/postgresql:16@sha256:...` as `bitnami/postgresql`. */
export function imagePath(image: string): string {
  const [path = ''] = image.split('@');
  const colon = path.lastIndexOf(':');
  const withoutTag = colon > path.lastIndexOf('/') ? path.slice(0, colon) : path;
  const [first = '', ...rest] = withoutTag.split('/');
  return (rest.length > 0 && /[.:]|^localhost$/.test(first) ? rest.join('/') : withoutTag).toLowerCase();
}

function versionOf(spec: EngineSpec, image: string): { readonly version?: string } {
  if (!spec.image.test(imagePath(image))) return {};
  const tag = /:([^@/]+)(@|$)/.exec(image)?.[1] ?? '';
  const version = /^(?:[a-z-]*?)v?(\d+(?:\.\d+)*)/i.exec(tag)?.[1];
  return version === undefined ? {} : { version };
}

/** Scripts and settings that the command names, or that lie beside them. */
export function scriptsOf(container: Container): Container['files'] {
  const command = container.command.join(' ');
  return container.files.filter((file) => {
    const path = file.mountPath.endsWith(`/${file.key}`)
      ? file.mountPath
      : `${file.mountPath.replace(/\/$/, '')}/${file.key}`;
    return command.includes(path) || (command === '' && /entrypoint|start|run/i.test(file.key));
  });
}

function withoutComments(script: string): string {
  return script.replaceAll(/^\s*#.*$/gm, '');
}

/** Everything that says how a server is set up: command, variables, scripts and settings files. */
export function settingsText(workload: Workload, container: Container): string {
  const named = scriptsOf(container);
  const settings = container.files.filter((file) =>
    /\.(conf|cnf|cfg|ini|ya?ml|properties|toml|hcl)$|conf$/i.test(file.key),
  );
  return [
    container.command.join(' '),
    ...container.variables.map((variable) => `${variable.name}=${variable.value ?? ''}`),
    ...[...new Set([...named, ...settings])].map((file) => withoutComments(file.content)),
    ...workload.containers.filter((one) => one.init).map((one) => withoutComments(one.command.join(' '))),
  ].join('\n');
}
