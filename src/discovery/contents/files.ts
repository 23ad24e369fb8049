import type { AssetId, Evidence, Sign } from '#api/asset';
import { keyOf } from '../builder.ts';
import { imagePath } from '../engines/recognize.ts';
import { evidenceOfImage, evidenceOfMount, isBelow, sign, writers } from './look.ts';
import type { Look, Use } from './look.ts';
import { databaseIn } from './settings.ts';

const userFiles =
  /(^|[/_-])(uploads?|user[-_]?files|media|photos?|pictures|music|movies|tv|videos?|library|libraries|attachments?|documents?|books|comics|files|storage|content|repositor(y|ies)|repos|git|www|html|wp-content|sites|homes?|data\/files|consume|paperless|nextcloud|seafile|shared?|public|mail|maildir)($|[/_-])/i;
const folderVariable = /(DIR|PATH|ROOT|FOLDER|HOME|LOCATION|STORAGE)$/i;
const stateFolder =
  /^\/(config|data|app\/data|var\/lib\/[\w-]+|srv|opt\/[\w-]+\/(data|conf)|home\/\w+|app\/(config|storage|backend\/data)|root\/\.[\w-]+|var\/[\w-]+_home|etc\/[\w-]+|db|storage|state)(\/|$)/i;
const sqliteVariable = /(sqlite3?:|\.sqlite3?|\.db)\b/i;

/** Programs that keep a SQLite database, and often everything, in one folder. */
const sqlitePrograms =
  /(^|\/)(vaultwarden(\/server)?|server|home-assistant|(sonarr|radarr|lidarr|readarr|prowlarr|bazarr|whisparr)(-\w+)?|overseerr|jellyseerr|seerr|tautulli|jellyfin|plex\S*|emby\S*|grafana|uptime-kuma|gitea|forgejo|n8n|actual-server|linkding|mealie|node-red|zigbee2mqtt|navidrome|audiobookshelf|kavita|calibre-web\S*|pihole|adguardhome|headscale|pocketbase|memos|trilium\S*|homebridge|changedetection\.io|freshrss|miniflux|ntfy|gotify\S*|open-webui|atuin|woodpecker-server|drone|kestra|dagster|pgadmin4|sabnzbd|qbittorrent\S*|esphome|frigate|unifi\S*|syncthing|portainer(-ce)?|rancher|k3s|semaphore|metabase)$/;

/** Labels and annotations by which programs mark the claims that they make for people. */
const homeLabels: readonly (readonly [string, string])[] = [
  ['hub.jupyter.org/username', 'is the home of a person in JupyterHub'],
  ['notebook-name', 'is the home of a notebook'],
  ['coder.workspace_owner', 'is the home of a person in Coder'],
  ['controller.devfile.io/devworkspace_pvc_type', 'holds the workspaces of a person'],
];

/** Files that people and programs put somewhere, and the state of programs. */
export function detectFiles(look: Look): readonly Sign[] {
  const signs: Sign[] = [];
  for (const [label, says] of homeLabels) {
    const value = look.facts.labels[label];
    if (value === undefined) continue;
    const evidence = {
      object: `pvc/${look.facts.claim ?? look.draft.name}`,
      namespace: look.draft.namespace,
      field: 'metadata',
      value: `${label}=${value}`,
    };
    signs.push(sign({ means: 'user-files', says }, [evidence]));
  }
  for (const use of writers(look)) {
    if (look.builder.serverOf(use.workload) !== undefined) continue;
    const named = folderOf(use, userFiles);
    if (named !== undefined)
      signs.push(
        sign({ means: 'user-files', says: 'holds files that people or programs put there', strength: 'weak' }, named),
      );
    else if (sqlitePrograms.test(imagePath(use.container.image)) && stateFolder.test(use.mount.path))
      signs.push(
        sign({ means: 'program-state', says: 'holds the embedded database and the settings of a program' }, [
          evidenceOfImage(use),
          evidenceOfMount(use),
        ]),
      );
    else if (stateFolder.test(use.mount.path))
      signs.push(
        sign({ means: 'program-state', says: 'is mounted where a program keeps its state', strength: 'weak' }, [
          evidenceOfMount(use),
        ]),
      );
    const database =
      use.container.variables.find(
        (variable) => sqliteVariable.test(variable.value ?? '') && (variable.value ?? '').includes(use.mount.path),
      )?.evidence ?? databaseIn(use);
    if (database !== undefined)
      signs.push(sign({ means: 'program-state', says: 'holds a SQLite database' }, [database, evidenceOfMount(use)]));
  }
  return signs;
}

/** The mount, or a variable that points into it, that has such a name. */
function folderOf(use: Use, name: RegExp): Evidence[] | undefined {
  const path = `${use.mount.path}/${use.mount.subPath ?? ''}`;
  const variable = use.container.variables.find(
    (one) =>
      folderVariable.test(one.name) &&
      isBelow(one.value, use.mount.path) &&
      name.test(`${one.name}/${(one.value ?? '').slice(use.mount.path.length)}`),
  );
  if (variable !== undefined) return [variable.evidence, evidenceOfMount(use)];
  return name.test(path) ? [evidenceOfMount(use)] : undefined;
}

const indexName = /(^|[/_.-])(index(es)?|indices|search([-_]?index)?|lucene|bleve|tantivy|fulltext)($|[/_.-])/i;
const renditionName =
  /(^|[/_.-])(thumb(nail)?s?|previews?|renditions?|encoded[-_]?videos?|transcodes?|optimized[-_]?images?|resized|derivatives)($|[/_.-])/i;
/** Words that may stand beside those: `photo-thumbs` holds thumbnails, `thumbs-and-notes` more than that. */
const besideRendition =
  /^(index(es)?|indices|search|lucene|bleve|tantivy|fulltext|thumb(nail)?s?|previews?|renditions?|encoded|transcodes?|optimized|resized|derivatives|images?|photos?|pictures?|videos?|media|files?|cache|data|dir|generated|store|\d+)$/i;

/** Whether the folders that are called so are called nothing else. */
function isNamedOnly({ mount }: Use, name: RegExp): boolean {
  return `${mount.path}/${mount.subPath ?? ''}`
    .split('/')
    .filter((folder) => name.test(folder))
    .every((folder) => folder.split(/[_.-]/).every((word) => word === '' || besideRendition.test(word)));
}

/**
 * Indexes over a database, and pictures made from other files. Each needs two signs that agree, and the source that it
 * is made from: a folder with such a name alone may be anything.
 */
export function detectDerived(look: Look): readonly Sign[] {
  const used = writers(look);
  const [first] = used;
  if (first === undefined || look.builder.serverOf(first.workload) !== undefined) return [];
  const index = allNamed(used, indexName);
  if (index !== undefined && used.every((use) => indexName.test(workloadWords(use)) && isNamedOnly(use, indexName))) {
    const source = databaseOf(look, first);
    if (source !== undefined)
      return [
        sign(
          { means: 'index', says: `is a search index over ${look.builder.get(source.of)?.name ?? ''}`, of: source.of },
          [
            ...index,
            {
              object: first.workload.name,
              namespace: first.workload.namespace,
              field: 'metadata.name',
              value: workloadWords(first),
            },
            ...source.evidence,
          ],
        ),
      ];
  }
  const rendition = used.every((use) => isNamedOnly(use, renditionName)) ? allNamed(used, renditionName) : undefined;
  const source = rendition === undefined ? undefined : filesOf(look, first);
  if (rendition !== undefined && source !== undefined)
    return [
      sign({ means: 'rendition', says: `is made from ${look.builder.get(source)?.name ?? ''}`, of: source }, rendition),
    ];
  return [];
}

function allNamed(used: readonly Use[], name: RegExp): Evidence[] | undefined {
  const found = used.map((use) => folderOf(use, name));
  return found.every((one) => one !== undefined) ? found.flat().slice(0, 3) : undefined;
}

/** Names that say what the workload is: its own, its container's, its program's. */
function workloadWords({ workload, container }: Use): string {
  return [workload.object.metadata.name, container.name, imagePath(container.image), container.command.at(-1) ?? '']
    .join(' ')
    .replaceAll(/[\s]+/g, '/');
}

/** The one database that a workload has credentials for, or else the only one that it knows. */
function databaseOf(
  look: Look,
  use: Use,
): { readonly of: AssetId; readonly evidence: readonly Evidence[] } | undefined {
  const uses = look.builder
    .relationsFrom(keyOf(use.workload), 'uses')
    .filter((one) => look.builder.get(one.to)?.kind === 'database');
  const secret = uses.filter((one) => one.evidence.some((evidence) => evidence.value.includes('secret/')));
  const primaries = uses.filter(
    (one) => !look.builder.signsOf(one.to).some((copy) => copy.means === 'replica' && copy.of !== undefined),
  );
  const [chosen, another] = secret.length > 0 ? secret : primaries;
  return chosen === undefined || another !== undefined ? undefined : { of: chosen.to, evidence: chosen.evidence };
}

/** Another volume of the same workload, with the originals. */
function filesOf(look: Look, use: Use): AssetId | undefined {
  for (const mount of use.container.mounts) {
    if (mount.volume === use.mount.volume || !(userFiles.test(mount.path) || mount.readOnly)) continue;
    const [other] = look.builder.behind(use.workload, mount.volume);
    const source = other === undefined ? undefined : look.builder.get(other)?.volume?.source;
    if (other !== undefined && source !== 'emptyDir') return other;
  }
  return undefined;
}
