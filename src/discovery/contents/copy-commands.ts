/** A command that copies folders away: what it reads, and by which program. */
export interface CopyCommand {
  readonly program: string;
  /** Absolute paths inside the container. */
  readonly sources: readonly string[];
  /** The command's own words, for evidence. */
  readonly words: string;
}

/** Up to the end of one command of a shell. */
const rest = String.raw`([^;&|\n]*)`;

interface Grammar {
  readonly program: string;
  readonly command: RegExp;
  /**
   * - `all`: every path is read
   * - `but-last`: the last word is where the copy goes; if what is before it is elsewhere, this fetches and copies nothing away
   * - `archive`: as tar has it, the file of the archive first
   */
  readonly paths: 'all' | 'but-last' | 'archive';
}

const grammars: readonly Grammar[] = [
  { program: 'restic', command: new RegExp(String.raw`\brestic\b[^;&|\n]*?\bbackup\b${rest}`), paths: 'all' },
  { program: 'rustic', command: new RegExp(String.raw`\brustic\b[^;&|\n]*?\bbackup\b${rest}`), paths: 'all' },
  {
    program: 'kopia',
    command: new RegExp(String.raw`\bkopia\b[^;&|\n]*?\bsnap(?:shot)?\s+create\b${rest}`),
    paths: 'all',
  },
  { program: 'borg', command: new RegExp(String.raw`\bborg\b[^;&|\n]*?\bcreate\b${rest}`), paths: 'all' },
  { program: 'duplicity', command: new RegExp(String.raw`\bduplicity\b(?!\s+restore)${rest}`), paths: 'but-last' },
  {
    program: 'rclone',
    command: new RegExp(String.raw`\brclone\b[^;&|\n]*?\b(?:sync|copy|copyto)\b${rest}`),
    paths: 'but-last',
  },
  { program: 'rsync', command: new RegExp(String.raw`\brsync\b${rest}`), paths: 'but-last' },
  {
    program: 'aws s3',
    command: new RegExp(String.raw`\baws\b[^;&|\n]*?\bs3\s+(?:sync|cp)\b${rest}`),
    paths: 'but-last',
  },
  { program: 'mc', command: new RegExp(String.raw`\bmc\b[^;&|\n]*?\b(?:mirror|cp)\b${rest}`), paths: 'but-last' },
  {
    program: 'gsutil',
    command: new RegExp(String.raw`\b(?:gsutil|gcloud\s+storage)\b[^;&|\n]*?\b(?:rsync|cp)\b${rest}`),
    paths: 'but-last',
  },
  { program: 'azcopy', command: new RegExp(String.raw`\bazcopy\s+(?:sync|copy)\b${rest}`), paths: 'but-last' },
  { program: 'tar', command: new RegExp(String.raw`\btar\b${rest}`), paths: 'archive' },
];

/** Options whose value is a path, and not one that is copied. */
const pathOptions =
  /^(--?(exclude(-file|-from)?|files-from|iexclude\w*|include(-from)?|cache-dir|repo|repository|password-file|config|log-file|rsh|e|r|p|o))$/;

/** Every command in a text that copies folders away. One that fetches from elsewhere is none. */
export function copyCommandsIn(text: string): CopyCommand[] {
  return grammars.flatMap(({ program, command, paths }) => {
    const match = command.exec(text);
    if (match === null) return [];
    const sources = sourcesOf(match[1] ?? '', paths);
    return sources.length === 0 ? [] : [{ program, sources, words: match[0].trim().slice(0, 80) }];
  });
}

function sourcesOf(words: string, paths: Grammar['paths']): string[] {
  const all = words
    .split(/\s+/)
    .map((word) => word.replaceAll(/^["']|["']$/g, ''))
    .filter((word) => word !== '');
  const positional = all.filter((word, index) => !word.startsWith('-') && !pathOptions.test(all[index - 1] ?? ''));
  switch (paths) {
    case 'all':
      return positional.filter(isLocal);
    case 'but-last':
      return positional.slice(0, -1).filter(isLocal);
    case 'archive': {
      const flags = all[0] ?? '';
      if (!/^(-?[a-z]*c[a-z]*|--create)$/.test(flags)) return [];
      const named = positional.filter((word) => word !== flags);
      return (/f/.test(flags) ? named.slice(1) : named).filter(isLocal);
    }
    default:
      return paths satisfies never;
  }
}

function isLocal(word: string): boolean {
  return word.startsWith('/') && !word.includes('::');
}
