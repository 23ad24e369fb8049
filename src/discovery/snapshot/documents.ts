import { CORE_SCHEMA, YAMLException, load, mergeTag } from 'js-yaml';
import { messageOf } from '#shared/errors';
import { record } from '../fields.ts';

/** One document of a file, parsed but not yet trusted. */
export interface Document {
  readonly file: string;
  readonly value: unknown;
}

export interface ParsedFile {
  readonly documents: readonly Document[];
  readonly problems: readonly { readonly what: string; readonly reason: string }[];
  /** Documents that only Helm can read. */
  readonly templates: number;
}

const schema = CORE_SCHEMA.withTags(mergeTag);
/** More aliases than any person writes. What they unfold to is bounded again when the object is copied. */
const aliasesMax = 1_000;
/** Half a file of broken documents says it often enough. */
const problemsMax = 5;

/**
 * Splits before parsing: a broken document breaks only itself, and a list of 50 MB, as `kubectl get -o yaml` prints it,
 * is read item by item. `keep` says by the text of a document whether it is worth parsing.
 */
export function parseFile(file: string, content: string, keep: (document: string) => boolean): ParsedFile {
  const state = { documents: [] as Document[], problems: [] as { what: string; reason: string }[], templates: 0 };
  const text = content.startsWith('\uFEFF') ? content.slice(1) : content;
  if (/^\s*[[{]/.test(text) && !/^\s*\{\{/.test(text)) parseJson(file, text, state);
  else for (const part of splitDocuments(text)) parsePart(file, part, keep, state);
  return { ...state, problems: shorten(file, state.problems) };
}

interface State {
  readonly documents: Document[];
  readonly problems: { what: string; reason: string }[];
  templates: number;
}

interface Part {
  readonly text: string;
  readonly line: number;
}

function* splitDocuments(text: string): Generator<Part> {
  let start = 0;
  let line = 1;
  for (const match of text.matchAll(/^---(?=\s|$).*$/gm)) {
    const part = text.slice(start, match.index);
    yield { text: part, line };
    line += countLines(part);
    start = match.index + 3;
  }
  yield { text: text.slice(start), line };
}

function parsePart(file: string, part: Part, keep: (document: string) => boolean, state: State): void {
  if (!/^\s*[^#\s]/m.test(part.text)) return;
  const items = listItems(part);
  for (const one of items ?? [part]) {
    if (!keep(one.text)) continue;
    try {
      addDocument(file, load(one.text, { schema, json: true, maxAliases: aliasesMax }), state);
    } catch (error) {
      if (/\{\{/.test(one.text)) state.templates++;
      else state.problems.push({ what: `${file}:${one.line}`, reason: yamlProblem(error, one.line) });
    }
  }
}

/** The items of a List document as documents of their own; undefined if it is none. */
function listItems({ text, line }: Part): Part[] | undefined {
  const head = /^items:[ \t]*$/m.exec(text);
  if (head === null || !/^kind:\s*["']?\w*List["']?\s*$/m.test(text)) return undefined;
  const items: Part[] = [];
  const body = text.slice(head.index);
  const starts = [...body.matchAll(/^( {0,2})- /gm)];
  const indent = starts[0]?.[1] ?? '';
  const own = starts.filter((match) => match[1] === indent);
  let at = line + countLines(text.slice(0, head.index));
  let from = 0;
  for (const [index, match] of own.entries()) {
    const next = own[index + 1]?.index ?? endOfItems(body, match.index + 1);
    at += countLines(body.slice(from, match.index));
    from = match.index;
    const item = body.slice(match.index, next).replace(/- /, '  ');
    items.push({ text: item, line: at });
  }
  return items;
}

/** Where the list ends: at the next field of the List itself. */
function endOfItems(body: string, from: number): number {
  const next = /^[A-Za-z]/m.exec(body.slice(from));
  return next === null ? body.length : from + next.index;
}

function parseJson(file: string, text: string, state: State): void {
  try {
    addDocument(file, JSON.parse(text), state);
  } catch (error) {
    // Flow style is YAML as well.
    try {
      addDocument(file, load(text, { schema, json: true, maxAliases: aliasesMax }), state);
    } catch {
      state.problems.push({ what: file, reason: `is no JSON: ${messageOf(error).slice(0, 200)}` });
    }
  }
}

function addDocument(file: string, value: unknown, state: State): void {
  const { kind, items } = record(value);
  if (Array.isArray(items) && (kind === undefined || (typeof kind === 'string' && kind.endsWith('List')))) {
    const listKind = typeof kind === 'string' && kind !== 'List' ? kind.slice(0, -4) : undefined;
    for (const item of items)
      state.documents.push({
        file,
        value:
          listKind === undefined ? item : { apiVersion: record(value)['apiVersion'], kind: listKind, ...record(item) },
      });
  } else if (value !== null && value !== undefined) state.documents.push({ file, value });
}

function yamlProblem(error: unknown, line: number): string {
  if (!(error instanceof YAMLException)) return messageOf(error).slice(0, 200);
  const where = error.mark === undefined || error.mark === null ? '' : ` in line ${line + error.mark.line}`;
  return `is no YAML${where}: ${error.reason}`;
}

function shorten(file: string, problems: State['problems']): State['problems'] {
  if (problems.length <= problemsMax) return problems;
  return [
    ...problems.slice(0, problemsMax),
    { what: file, reason: `${problems.length - problemsMax} more documents cannot be read` },
  ];
}

function countLines(text: string): number {
  let lines = 0;
  for (let index = text.indexOf('\n'); index >= 0; index = text.indexOf('\n', index + 1)) lines++;
  return lines;
}
