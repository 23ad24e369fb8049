import path from 'node:path/posix';
import { record, records, text, textMap, texts } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { Document } from './documents.ts';
import { placeholders } from './placeholders.ts';
import type { TextMapper } from './normalize.ts';

/**
 * What Kustomize and Flux make of a folder, as far as a scan needs it, without a build: which files belong together, in
 * which namespace, under which names, and what the placeholders of Flux stand for. Patches are not applied.
 */
export interface PlacedDocument extends Document {
  readonly namespace?: string | undefined;
  readonly rename: (name: string) => string;
  readonly mapText: TextMapper;
}

export interface Placement {
  readonly placed: readonly PlacedDocument[];
  /** Files that only change other objects. */
  readonly patches: readonly string[];
}

/** Overlays of overlays; more are a circle, or a bomb. */
const nestingMax = 16;
const placedMax = 100_000;

const kustomizationName = /(^|\/)kustomization\.(ya?ml)$|(^|\/)Kustomization$/i;

interface Context {
  readonly namespace?: string | undefined;
  readonly prefix: string;
  readonly suffix: string;
  readonly values: Readonly<Record<string, string>>;
}

/** A ConfigMap that Kustomize makes of files and literals. */
interface ConfigMapGenerator {
  readonly name: string;
  /** `key=path`, or a path whose last part is the key. */
  readonly files: readonly string[];
  readonly literals: readonly string[];
}

interface Folder {
  readonly resources: readonly string[];
  readonly components: readonly string[];
  readonly patches: readonly string[];
  readonly isComponent: boolean;
  readonly generators: readonly ConfigMapGenerator[];
  readonly namespace?: string | undefined;
  readonly prefix: string;
  readonly suffix: string;
}

export function isKustomization(file: string): boolean {
  return kustomizationName.test(file);
}

/** Places every document, and the ConfigMaps that kustomizations make of the contents of files: once for each overlay that reaches it, or by itself if none does. */
export function place(documents: readonly Document[], contents: ReadonlyMap<string, string>): Placement {
  const files = new Map<string, Document[]>();
  const folders = new Map<string, Folder>();
  for (const document of documents) {
    if (isKustomization(document.file)) folders.set(path.dirname(document.file), folderOf(document));
    else files.set(document.file, [...(files.get(document.file) ?? []), document]);
  }
  const walker = new Walker({ files, folders, contents, settings: settingsOf(documents) });
  return walker.run(documents.filter(isFluxKustomization));
}

interface WalkerInput {
  readonly files: ReadonlyMap<string, readonly Document[]>;
  readonly folders: ReadonlyMap<string, Folder>;
  readonly contents: ReadonlyMap<string, string>;
  /** ConfigMaps by name. */
  readonly settings: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

class Walker {
  readonly #files: WalkerInput['files'];
  readonly #folders: WalkerInput['folders'];
  readonly #contents: WalkerInput['contents'];
  readonly #settings: WalkerInput['settings'];
  readonly #placed: PlacedDocument[] = [];
  readonly #reached = new Set<string>();
  readonly #patches = new Set<string>();

  constructor({ files, folders, contents, settings }: WalkerInput) {
    this.#files = files;
    this.#folders = folders;
    this.#contents = contents;
    this.#settings = settings;
    for (const [name, folder] of folders) for (const patch of folder.patches) this.#patches.add(path.join(name, patch));
  }

  run(flux: readonly Document[]): Placement {
    const fluxPaths = new Set<string>();
    for (const document of flux) {
      const spec = record(record(document.value)['spec']);
      const folder = this.#existing(text(spec['path']) ?? '');
      if (folder === undefined) continue;
      fluxPaths.add(folder);
      this.#folder(folder, this.#fluxContext(document), 0);
      for (const component of texts(spec['components']))
        this.#folder(path.join(folder, component), this.#fluxContext(document), 0);
    }
    const referenced = new Set(fluxPaths);
    for (const [name, folder] of this.#folders)
      for (const one of [...folder.resources, ...folder.components]) referenced.add(path.join(name, one));
    const start: Context = { prefix: '', suffix: '', values: {} };
    for (const [name, folder] of this.#folders)
      if (!referenced.has(name) && !folder.isComponent) this.#folder(name, start, 0);
    for (const file of this.#files.keys()) if (!this.#reached.has(file)) this.#file(file, start);
    return { placed: this.#placed, patches: [...this.#patches].filter((file) => this.#files.has(file)) };
  }

  #folder(name: string, outer: Context, depth: number): void {
    if (depth > nestingMax || this.#placed.length > placedMax) return;
    const folder = this.#folders.get(name);
    if (folder === undefined) {
      // Flux makes a kustomization of all files below, where there is none; but nested ones stand for themselves.
      for (const file of this.#files.keys())
        if (inFolder(file, name) && !this.#ownedBelow(file, name)) this.#file(file, outer);
      return;
    }
    const context: Context = {
      namespace: outer.namespace ?? folder.namespace,
      prefix: outer.prefix + folder.prefix,
      suffix: folder.suffix + outer.suffix,
      values: outer.values,
    };
    for (const generator of folder.generators) this.#generate(name, generator, context);
    for (const one of [...folder.resources, ...folder.components]) {
      const target = path.join(name, one);
      if (this.#files.has(target)) this.#file(target, context);
      else if (this.#folders.has(target)) this.#folder(target, context, depth + 1);
    }
  }

  #generate(folder: string, { name, files, literals }: ConfigMapGenerator, context: Context): void {
    const data: Record<string, string> = {};
    for (const one of files) {
      const [key, file] = one.includes('=') ? (one.split('=', 2) as [string, string]) : [path.basename(one), one];
      const content = this.#contents.get(path.join(folder, file));
      if (content !== undefined) data[key] = content;
    }
    for (const literal of literals) data[literal.split('=', 1)[0] ?? ''] = literal.slice(literal.indexOf('=') + 1);
    this.#place({ file: folder, value: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data } }, context);
  }

  #ownedBelow(file: string, name: string): boolean {
    for (let folder = path.dirname(file); folder !== name && folder !== '.'; folder = path.dirname(folder))
      if (this.#folders.has(folder)) return true;
    return false;
  }

  #file(file: string, context: Context): void {
    this.#reached.add(file);
    if (this.#patches.has(file)) return;
    for (const document of this.#files.get(file) ?? []) this.#place(document, context);
  }

  #place(document: Document, context: Context): void {
    this.#placed.push({
      ...document,
      namespace: context.namespace,
      rename: (name) => `${context.prefix}${name}${context.suffix}`,
      mapText: placeholders(context.values),
    });
  }

  #fluxContext(document: Document): Context {
    const spec = record(record(document.value)['spec']);
    const build = record(spec['postBuild']);
    const from = records(build['substituteFrom']).map((one) => this.#settings.get(text(one['name']) ?? '') ?? {});
    return {
      namespace: text(spec['targetNamespace']),
      prefix: text(spec['namePrefix']) ?? '',
      suffix: text(spec['nameSuffix']) ?? '',
      values: Object.assign({}, ...from, textMap(build['substitute'])) as Record<string, string>,
    };
  }

  /** A path of Flux begins at the root of the repository, which may be above the folder that is scanned. */
  #existing(wanted: string): string | undefined {
    const parts = path
      .normalize(wanted)
      .split('/')
      .filter((part) => part !== '' && part !== '.');
    for (let skip = 0; skip < parts.length; skip++) {
      const candidate = parts.slice(skip).join('/');
      if (this.#folders.has(candidate)) return candidate;
      for (const file of this.#files.keys()) if (inFolder(file, candidate)) return candidate;
    }
    return undefined;
  }
}

function inFolder(file: string, folder: string): boolean {
  return folder === '.' || file.startsWith(`${folder}/`);
}

function folderOf({ value }: Document): Folder {
  const fields = record(value);
  const patchFiles = [
    ...records(fields['patches']).map((patch) => text(patch['path'])),
    ...records(fields['patchesJson6902']).map((patch) => text(patch['path'])),
    ...texts(fields['patchesStrategicMerge']),
  ];
  const clean = (one: string): string => path.normalize(one).replace(/\/$/, '');
  return {
    resources: [...texts(fields['resources']), ...texts(fields['bases'])].map(clean),
    components: texts(fields['components']).map(clean),
    patches: patchFiles
      .filter((file) => file !== undefined && !file.includes('\n'))
      .map((file) => clean(file as string)),
    isComponent: fields['kind'] === 'Component',
    generators: records(fields['configMapGenerator']).map((one) => ({
      name: text(one['name']) ?? '',
      files: texts(one['files']),
      literals: texts(one['literals']),
    })),
    namespace: text(fields['namespace']),
    prefix: text(fields['namePrefix']) ?? '',
    suffix: text(fields['nameSuffix']) ?? '',
  };
}

export function isFluxKustomization({ value }: Pick<Document, 'value'>): boolean {
  const { apiVersion, kind } = record(value);
  return (
    kind === 'Kustomization' && typeof apiVersion === 'string' && apiVersion.startsWith('kustomize.toolkit.fluxcd.io/')
  );
}

/** ConfigMaps by name: Flux takes the values of placeholders from them. */
function settingsOf(documents: readonly Document[]): Map<string, Readonly<Record<string, string>>> {
  const settings = new Map<string, Readonly<Record<string, string>>>();
  for (const { value } of documents) {
    const object: Fields = record(value);
    const name = text(record(object['metadata'])['name']);
    if (object['kind'] === 'ConfigMap' && name !== undefined) settings.set(name, textMap(object['data']));
  }
  return settings;
}
