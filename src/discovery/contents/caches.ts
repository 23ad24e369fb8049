import type { Sign } from '#api/asset';
import { imagePath } from '../engines/recognize.ts';
import { evidenceOfImage, evidenceOfMount, sign, writers } from './look.ts';
import type { Look, Use } from './look.ts';
import { databaseIn, isNamedState } from './settings.ts';

/** Folders for what may be gone at the next start. */
const scratchPath =
  /^\/(tmp|var\/tmp|run|var\/run|dev\/shm|scratch|temp|transcod(e|es|ing)|var\/cache\/nginx|var\/lib\/nginx\/(tmp|cache))(\/|$)|\/(tmp|temp|transcod(e|es|ing)|scratch|sockets?)$/i;
const scratchFolder = /^\/(tmp|var\/tmp|scratch|temp)\/?$|\/transcod(e|es|ing)\/?$/i;
const logPath = /^\/var\/log(\/|$)|\/logs?$/i;
const cachePath =
  /(^|\/)(\.?caches?|[\w-]+[-_]cache|proxy[-_]cache|var\/cache(\/.*)?|\.npm|\.yarn|\.pnpm-store|\.m2(\/repository)?|\.gradle(\/caches)?|\.cargo(\/registry)?|\.nuget(\/packages)?|incomplete([-_]downloads?)?|\.ivy2|\.cache(\/.*)?|go\/pkg(\/mod)?|node_modules|__pycache__)$/i;
/** Programs whose whole data can be fetched or built again. */
const cacheServers: readonly { readonly image: RegExp; readonly path: RegExp; readonly says: string }[] = [
  {
    image: /(^|\/)(docker|docker-dind|dind)$/,
    path: /^\/var\/lib\/docker/,
    says: 'holds layers that a Docker daemon pulls and builds again',
  },
  {
    image: /(^|\/)(buildkit|buildkitd|kaniko|buildah|img)$/,
    path: /buildkit|\/kaniko|containers|\/cache/,
    says: 'holds layers of a builder',
  },
  {
    image:
      /(^|\/)(squid|varnish|apt-cacher-ng|nginx-proxy-cache|lancache\S*|monolithic|athens|goproxy|nscache|imgproxy|kube-image-keeper\S*)$/,
    path: /.*/,
    says: 'belongs to a proxy that only keeps what others have',
  },
  {
    image:
      /(^|\/)(gitlab-runner|actions-runner|gha-runner-scale-set\S*|drone-runner\S*|woodpecker-agent|buildkite\/agent)$/,
    path: /cache|_work|builds|workspace/,
    says: 'belongs to a runner of builds',
  },
];

/** Commands by which a server keeps only a copy of a bucket. */
const bucketBacked =
  /\bthanos\s+(store|compact)\b|^(store|compact)\b|-target=(store-gateway|compactor|index-gateway|querier|query-frontend)/;

/** Caches and scratch folders. A volume is one only if everything that writes to it uses it so. */
export function detectCaches(look: Look): readonly Sign[] {
  const used = writers(look);
  const first = used[0];
  if (first === undefined) return [];
  if (used.every(isScratch(look.persistent)))
    return [sign({ means: 'scratch', says: 'is used for temporary files' }, used.slice(0, 2).map(evidenceOfMount))];
  const server = cacheServers.find((one) =>
    used.every((use) => one.image.test(imagePath(use.container.image)) && one.path.test(use.mount.path)),
  );
  if (server !== undefined)
    return [sign({ means: 'cache', says: server.says }, [evidenceOfImage(first), evidenceOfMount(first)])];
  const mirror = first.container.variables.find((variable) => variable.name === 'REGISTRY_PROXY_REMOTEURL');
  if (mirror !== undefined)
    return [
      sign({ means: 'cache', says: 'belongs to a registry that only keeps what another one has' }, [mirror.evidence]),
    ];
  if (
    used.every((use) => bucketBacked.test(use.container.command.join(' ').replace(/^\S*\/?thanos\s+/, 'thanos '))) &&
    /thanos|mimir|loki|cortex/.test(imagePath(first.container.image))
  )
    return [
      sign({ means: 'cache', says: 'is the local copy of what a bucket holds' }, [
        evidenceOfImage(first),
        evidenceOfMount(first),
      ]),
    ];
  if (used.every((use) => cachePath.test(use.mount.path)) && !used.some(isNamedState))
    return [
      sign(
        { means: 'cache', says: 'is mounted where a program keeps its cache' },
        used.slice(0, 2).map(evidenceOfMount),
      ),
    ];
  return [];
}

/** On a claim somebody may have put data below such a folder: there only the folder itself counts. */
function isScratch(persistent: boolean): (use: Use) => boolean {
  return (use) => {
    const { path } = use.mount;
    if (persistent) return scratchFolder.test(path) && use.mount.subPath === undefined && !isNamedState(use);
    return (scratchPath.test(path) || logPath.test(path)) && databaseIn(use) === undefined;
  };
}
