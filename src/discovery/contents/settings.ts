import type { Evidence } from '#api/asset';
import { isBelow } from './look.ts';
import type { Use } from './look.ts';

/** A setting that calls the whole folder the state of a program. */
const stateSetting =
  /(^|[_-])(DATA|STATE|DB|DATABASE|STORAGE|UPLOADS?|MEDIA)[_-]?(DIR|DIRECTORY|PATH|ROOT|FOLDER|HOME)?$|^PGDATA$/i;
/** The home of a program, which is more than a cache unless it is one of a tool that builds or fetches. */
const homeVariable =
  /^(?!(GRADLE_USER|CARGO|RUSTUP|COMPOSER|MAVEN|M2|NVM|PNPM|YARN|NPM|PIP|POETRY|UV|GO|DENO|BUN|HF|TORCH|XDG_CACHE)_)\w+_HOME$/;
/** Tools whose variables name what they fetch or build, wherever it is. */
const toolVariable =
  /^(GRADLE|CARGO|RUSTUP|COMPOSER|MAVEN|M2|NVM|PNPM|YARN|NPM|PIP|POETRY|UV|GO|DENO|BUN|HF|HUGGINGFACE|TORCH|TRANSFORMERS|SENTENCE_TRANSFORMERS|OLLAMA|NLTK|WHISPER|CCACHE|SCCACHE)_|^GOPATH$|^GOMODCACHE$/i;
/** Names of what may be lost, whatever lies beside it. */
const passingName =
  /cache|thumb|tmp|temp(?![el])|(^|[^a-z])(scratch|spill|transcod(e|es|ing)|logs?|locks?|sock|socket|pid|incomplete)([^a-z]|$)/i;
const databaseFile = /\.(db|sqlite3?|mdb|kdbx?)$/i;
const flag = /(?:^|\s)--?([\w.-]+)[=\s]+["']?([^\s"']+)/g;

interface NamedPlace {
  readonly setting: string;
  /** `command`, or `env[NAME]`. */
  readonly field: string;
  readonly path: string;
}

/** Variables and flags that name this mount or a place in it. A DSN (`sqlite:////data/a.db`) names a place as well. */
function placesIn({ container, mount }: Use): readonly NamedPlace[] {
  const settings = [
    ...container.variables.map(({ name, value = '' }) => ({ setting: name, field: `env[${name}]`, value })),
    ...[...container.command.join(' ').matchAll(flag)].map(([, setting = '', value = '']) => ({
      setting,
      field: 'command',
      value,
    })),
  ];
  return settings.flatMap(({ setting, field, value }) =>
    [...value.replaceAll(/\/{2,}/g, '/').matchAll(/(?:^|[=:\s"',])(\/[^\s"',;:?]+)/g)]
      .map(([, path = '']) => ({ setting, field, path: path.replace(/\/$/, '') }))
      .filter(({ path }) => isBelow(path, mount.path)),
  );
}

/**
 * Whether a setting says that more is kept here than a cache: it calls the folder state, or names a place in it that is not
 * called a cache itself.
 */
export function isNamedState(use: Use): boolean {
  const whole = use.mount.path.replace(/\/$/, '');
  return placesIn(use).some(({ setting, path }) => {
    if (databaseFile.test(path)) return true;
    const says = `${setting} ${path.slice(whole.length)}`;
    if (passingName.test(says)) return false;
    if (path === whole) return stateSetting.test(setting) || homeVariable.test(setting);
    return !toolVariable.test(setting);
  });
}

/** The setting that names a database file in this mount, if one does. */
export function databaseIn(use: Use): Evidence | undefined {
  const place = placesIn(use).find(({ path }) => databaseFile.test(path));
  const { workload, container } = use;
  return place === undefined
    ? undefined
    : {
        object: workload.name,
        namespace: workload.namespace,
        field: `${container.path}.${place.field}`,
        value: place.path,
      };
}
