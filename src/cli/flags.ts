/** Flags that several commands share: one meaning each, everywhere. */

export const outputFormats = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type OutputFormat = (typeof outputFormats)[number];

const text = (value: string): string => value;

export const outputFlag = {
  output: { kind: 'enum', values: outputFormats, default: 'table', brief: 'How to print the result' },
} as const;

export const storeFlags = {
  store: {
    kind: 'parsed',
    parse: text,
    optional: true,
    placeholder: 'URL',
    brief: 's3://BUCKET[/PREFIX][?endpoint=URL&region=REGION] or /PATH (default $SALVOR_STORE)',
  },
  storeEndpoint: {
    kind: 'parsed',
    parse: text,
    optional: true,
    placeholder: 'URL',
    brief: 'How this machine reaches the store, if not as pods do (default $SALVOR_STORE_ENDPOINT)',
  },
  keyFile: {
    kind: 'parsed',
    parse: text,
    optional: true,
    placeholder: 'FILE',
    brief: "File with the repository's key (default $SALVOR_KEY_FILE)",
  },
  keySecret: {
    kind: 'parsed',
    parse: text,
    optional: true,
    placeholder: 'NAMESPACE/NAME',
    brief: 'Secret with the key under "repository-password" (default salvor-system/salvor-repository)',
  },
} as const;

export const clusterFlags = {
  kubeconfig: { kind: 'parsed', parse: text, optional: true, placeholder: 'FILE', brief: 'As in kubectl' },
  context: { kind: 'parsed', parse: text, optional: true, placeholder: 'NAME', brief: 'As in kubectl' },
} as const;

export const moverFlags = {
  moverImage: {
    kind: 'parsed',
    parse: text,
    optional: true,
    placeholder: 'IMAGE',
    brief: "Salvor's image for mover pods (default $SALVOR_MOVER_IMAGE)",
  },
} as const;

export const aliases = { o: 'output' } as const;

export interface StoreFlags {
  readonly store?: string;
  readonly storeEndpoint?: string;
  readonly keyFile?: string;
  readonly keySecret?: string;
}

export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
}
