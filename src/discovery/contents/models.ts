import type { Sign } from '#api/asset';
import type { Variable } from '../containers.ts';
import { imagePath } from '../engines/recognize.ts';
import { evidenceOfImage, evidenceOfMount, isBelow, sign, writers } from './look.ts';
import type { Look, Use } from './look.ts';

/**
 * Machine learning: weights and data sets that can be downloaded again, and what was computed or written here, which
 * cannot: checkpoints, experiments, notebooks.
 */
const modelCache =
  /(^|\/)(\.cache\/huggingface|huggingface(-cache)?|hf[-_]?cache|\.ollama|\.cache\/torch|torch[-_]hub|model[-_]cache|\.insightface|\.cache\/clip|\.triton)(\/|$)/i;
const cacheVariable =
  /^(HF_HOME|HF_HUB_CACHE|HUGGINGFACE_HUB_CACHE|TRANSFORMERS_CACHE|SENTENCE_TRANSFORMERS_HOME|TORCH_HOME|OLLAMA_MODELS|XDG_CACHE_HOME|NLTK_DATA|WHISPER_CACHE\w*|VLLM_CACHE_ROOT|MODEL_CACHE\w*|LIBRETRANSLATE\w*|ARGOS_\w*)$/;
/** Whether a variable calls this mount its cache, and not only a folder in it: then the rest may be anything. */
function isCacheVariable(variable: Variable, path: string): boolean {
  return cacheVariable.test(variable.name) && variable.value?.replace(/\/$/, '') === path.replace(/\/$/, '');
}

/** Servers that fetch their models by name. */
const modelServers: readonly { readonly image: RegExp; readonly path: RegExp }[] = [
  {
    image: /(^|\/)(vllm-openai|vllm|text-generation-inference|text-embeddings-inference|tgi|tei|sglang|lmdeploy)$/,
    path: /^\/(data|models?|root\/\.cache|\.cache|cache|hf)/,
  },
  { image: /(^|\/)ollama$/, path: /\.ollama|^\/models|^\/data/ },
  {
    image:
      /(^|\/)(immich-machine-learning|wyoming-\w+|whisper\S*|faster-whisper\S*|piper|libretranslate|local-ai|localai|speaches|xinference)$/,
    path: /.*/,
  },
];
const trainedPath =
  /(^|\/)(checkpoints?|ckpts?|outputs?|runs|experiments?|mlruns|mlartifacts|mlflow|artifacts?|notebooks?|jovyan|finetun\w*|lora[-_]?\w*|trained[-_]?\w*|tensorboard)(\/|$)/i;
const trainedFlag =
  /--(output[-_]dir|checkpoint[-_]?(dir|path)?|save[-_]?(dir|path)|default-artifact-root|artifacts-destination|backend-store-uri|model[-_]dir|logging[-_]dir)[=\s]+["']?([^\s"']+)/g;
const trainingKinds = /^(PyTorchJob|TFJob|MPIJob|TrainJob|RayJob|Notebook|XGBoostJob|PaddleJob)$/;
const fetchCommand =
  /\b(huggingface-cli\s+download|hf\s+download|snapshot_download|ollama\s+pull|git\s+(lfs\s+)?clone|aws\s+s3\s+(cp|sync)\s+s3:|gsutil\s+(-m\s+)?(cp|rsync)|gcloud\s+storage\s+(cp|rsync)|wget\s|curl\s[^|]*(-o|-O|--output)|rclone\s+(copy|sync)|pip\s+(download|install)|kaggle\s+datasets\s+download|modelscope\s+download|s5cmd\s|azcopy)/;

export function detectModels(look: Look): readonly Sign[] {
  const used = writers(look);
  const trained = used.map(trainedSign).find((found) => found !== undefined);
  if (trained !== undefined) return [trained];
  const fetched = fetchedBeforeStart(look);
  if (fetched !== undefined) return [fetched];
  const first = used.find(isModelCache);
  if (first !== undefined && used.every((use) => isModelCache(use) || use.container.init)) {
    const variable = first.container.variables.find((one) => isCacheVariable(one, first.mount.path));
    return [
      sign({ means: 'download', says: 'holds model weights that are downloaded by name' }, [
        evidenceOfMount(first),
        variable?.evidence ?? evidenceOfImage(first),
      ]),
    ];
  }
  return [];
}

function isModelCache({ container, mount }: Use): boolean {
  if (modelCache.test(mount.path)) return true;
  if (container.variables.some((variable) => isCacheVariable(variable, mount.path))) return true;
  // A model that is named by its path was put there by somebody: a fine-tuned one has no other place.
  if (localModel(container, mount.path)) return false;
  return modelServers.some((one) => one.image.test(imagePath(container.image)) && one.path.test(mount.path));
}

function localModel(container: Use['container'], path: string): boolean {
  const flags = [
    ...container.command
      .join(' ')
      .matchAll(/--(?:model|model[-_](?:id|path|name|dir)|lora[-_]\w+)[=\s]+["']?(?:\w+=)?(\/[^\s"']+)/g),
  ].map((match) => match[1]);
  const served = /\b(?:vllm\s+)?serve\s+(\/\S+)/.exec(container.command.join(' '))?.[1];
  const variables = container.variables
    .filter((variable) => /MODEL/.test(variable.name) && !cacheVariable.test(variable.name))
    .map((variable) => variable.value);
  return [...flags, served, ...variables].some((value) => isBelow(value, path));
}

function trainedSign(use: Use): Sign | undefined {
  const { container, mount, workload } = use;
  const isTraining = trainingKinds.test(workload.object.kind);
  for (const match of container.command.join(' ').matchAll(trainedFlag))
    if (isBelow(match.at(-1), mount.path))
      return sign({ means: 'trained', says: 'receives what is computed here' }, [
        {
          object: workload.name,
          namespace: workload.namespace,
          field: `${container.path}.command`,
          value: match[0].slice(0, 100),
        },
        evidenceOfMount(use),
      ]);
  if (trainedPath.test(mount.path))
    return sign({ means: 'trained', says: 'is mounted where results of experiments or notebooks are kept' }, [
      evidenceOfMount(use),
    ]);
  return isTraining && !modelCache.test(mount.path) && !/(^|\/)(data(sets?)?|input)(\/|$)/i.test(mount.path)
    ? sign({ means: 'trained', says: `is written by a ${workload.object.kind}` }, [evidenceOfMount(use)])
    : undefined;
}

/** Filled by an init container or a job from outside, and only read by everything else. */
function fetchedBeforeStart(look: Look): Sign | undefined {
  const fetchers = look.uses.filter(
    (use) =>
      (use.container.init || use.workload.role === 'job') &&
      fetchCommand.test(use.container.command.join(' ')) &&
      !use.mount.readOnly,
  );
  const [fetcher] = fetchers;
  if (fetcher === undefined) return undefined;
  const others = look.uses.filter((use) => !fetchers.includes(use));
  if (others.length === 0 || !others.every((use) => use.mount.readOnly || use.container.init)) return undefined;
  const command = fetchCommand.exec(fetcher.container.command.join(' '))?.[0] ?? '';
  return sign({ means: 'download', says: 'is filled by a download, and everything else only reads it' }, [
    {
      object: fetcher.workload.name,
      namespace: fetcher.workload.namespace,
      field: `${fetcher.container.path}.command`,
      value: command.trim(),
    },
    ...others.slice(0, 1).map(evidenceOfMount),
  ]);
}
