import type { Meaning } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import type { FolderLook } from '../snapshot/snapshot.ts';
import { sign } from './look.ts';

/** What the files of a volume say of it. */
export interface Found {
  readonly means: Extract<Meaning, 'found-data' | 'found-empty' | 'cache' | 'download'>;
  /** As the end of the sentence "It ...". */
  readonly says: string;
  /** The names that say so. */
  readonly names: readonly string[];
}

interface Mark {
  readonly what: string;
  /** All of these are there; names of folders end with a slash. */
  readonly all: readonly (string | RegExp)[];
}

/** Files by which a program knows its own data folder. */
const marks: readonly Mark[] = [
  { what: 'the files of PostgreSQL', all: ['PG_VERSION', 'global/'] },
  { what: 'the files of MySQL or MariaDB', all: ['ibdata1'] },
  { what: 'the files of MariaDB', all: ['aria_log_control'] },
  { what: 'the files of MongoDB', all: ['WiredTiger'] },
  { what: 'the files of Redis or Valkey', all: ['dump.rdb'] },
  { what: 'the files of Redis or Valkey', all: ['appendonlydir/'] },
  { what: 'the files of Redis or Valkey', all: ['appendonly.aof'] },
  { what: 'the log of Kafka', all: ['meta.properties'] },
  { what: 'the files of etcd', all: ['snap/', 'wal/'] },
  { what: 'blocks of a time series database', all: [/^[0-9A-HJKMNP-TV-Z]{26}\/$/, /^(wal|chunks_head)\/$/] },
  { what: 'the files of Elasticsearch or OpenSearch', all: ['_state/', /^(indices|nodes)\/$/] },
  { what: 'the files of RabbitMQ', all: [/^rabbit@[^/]+\/$/] },
  { what: 'the files of Cassandra', all: ['commitlog/', 'data/'] },
  { what: 'the files of InfluxDB', all: ['influxd.bolt'] },
  { what: 'the files of ClickHouse', all: ['store/', 'metadata/'] },
  { what: 'the files of Vault', all: ['vault.db', 'raft/'] },
  { what: 'streams of NATS', all: ['jetstream/'] },
  { what: 'the objects of MinIO', all: ['.minio.sys/'] },
  { what: 'Git repositories', all: [/^[^/]+\.git\/$/] },
  { what: 'weights of a model, downloaded or made here', all: [/\.(safetensors|gguf|ckpt|pth?|onnx)$/] },
  { what: 'notebooks', all: [/\.ipynb$/] },
];

/** Folders that package managers fill again. */
const packageCaches =
  /^(node_modules|_cacache|_npx|\.npm|\.yarn|\.pnpm-store|\.m2|\.gradle|\.cargo|\.nuget|\.ivy2|\.cache|go-build|__pycache__|apt|dists|wheels|http-v2|selfcheck)\/$/;
/** Layout of the cache of Hugging Face's hub. */
const hubModel = /^(models|datasets|spaces)--[^/]+\/$/;
const ofTheFileSystem = new Set(['lost+found/', '.snapshot/', '.snapshots/', '.locks/', 'version.txt']);

/** What a look says; undefined if nothing that is known was there. Pure. Doubt never lowers: caches only if there is nothing else. */
export function recognizeInside(look: FolderLook): Found | undefined {
  const levels = [look.entries, ...look.folders.values()];
  const [database] = look.sqlite;
  if (database !== undefined) return { means: 'found-data', says: 'holds a database of SQLite', names: [database] };
  for (const names of levels)
    for (const { what, all } of marks) {
      const found = all.map((mark) =>
        names.find((name) => (typeof mark === 'string' ? name === mark : mark.test(name))),
      );
      if (found.every((name) => name !== undefined))
        return { means: 'found-data', says: `holds ${what}`, names: found };
    }
  if (look.partial) return undefined;
  const names = look.entries.filter((name) => !ofTheFileSystem.has(name));
  if (names.length === 0) return { means: 'found-empty', says: 'was empty when it was looked at', names: [] };
  const inHub = names.length === 1 && names[0] === 'hub/' ? (look.folders.get('hub') ?? []) : names;
  if (
    inHub.some((name) => hubModel.test(name)) &&
    inHub.every((name) => hubModel.test(name) || ofTheFileSystem.has(name))
  )
    return { means: 'download', says: 'holds nothing but the cache of Hugging Face’s hub', names: inHub.slice(0, 3) };
  return names.every((name) => packageCaches.test(name))
    ? { means: 'cache', says: 'holds nothing but what package managers fill again', names: names.slice(0, 3) }
    : undefined;
}

/** Names that a volume shows are anybody's: so much of one is shown. */
const nameCharsMax = 60;

/** Signs from what was seen inside of claims. */
export function detectInside(builder: AssetBuilder): void {
  for (const [id, draft] of builder.all('volume')) {
    const claim = draft.volume?.claim;
    const look = claim === undefined ? undefined : builder.index.snapshot.looks?.get(`${draft.namespace}/${claim}`);
    const found = look === undefined ? undefined : recognizeInside(look);
    if (look === undefined || found === undefined) continue;
    const value = found.names.map((name) => name.slice(0, nameCharsMax)).join(', ');
    const evidence = { object: `pod/${look.pod}`, namespace: draft.namespace, field: look.path, value };
    builder.sign(id, sign({ means: found.means, says: found.says }, [evidence]));
  }
}
