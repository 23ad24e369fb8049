import { SalvorError } from '#shared/errors';
import { makeBigFiles, makeSmallFiles } from './data/files.ts';
import { makeImage } from './data/image.ts';
import type { Source } from './data/source.ts';

/** What a contestant does in a row. */
export type Phase = 'first' | 'changed' | 'restore';

/** Rows that share their data and their repositories, in the order in which they are measured. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly phases: readonly Phase[];
  /** Where repositories lie. */
  readonly store: 'disk' | 's3';
  readonly contestants: readonly string[];
  /** Contestants that are there for one phase: the others are only gone through, not measured. */
  readonly only?: Readonly<Record<string, Phase>>;
  readonly make: (folder: string, scale: number) => Promise<Source>;
  /** Not measured unless asked for: it takes long, or is no goal. */
  readonly onRequest: boolean;
}

const GiB = 1024 ** 3;
const imageBytes = 4 * GiB;
const smallFiles = 100_000;
const bigFiles = 50;

const image: Scenario['make'] = (folder, scale) => makeImage(folder, scale * imageBytes);
const small: Scenario['make'] = (folder, scale) => makeSmallFiles(folder, scale * smallFiles);
const big: Scenario['make'] = (folder, scale) => makeBigFiles(folder, scale * bigFiles);

const comparisons: readonly Scenario[] = [
  {
    name: 'image',
    what: '4 GiB volume image: half tables, a quarter random, a quarter holes; 2 % changed',
    phases: ['first', 'changed', 'restore'],
    store: 'disk',
    contestants: ['salvor', 'salvor-blocks', 'restic', 'restic-t', 'rustic', 'rustic-fix', 'kopia-z', 'kopia-b'],
    only: { 'salvor-blocks': 'changed' },
    make: image,
    onRequest: false,
  },
  {
    name: 'small',
    what: '100,000 files of 1 to 20 KiB; 1 % changed',
    phases: ['first', 'changed', 'restore'],
    store: 'disk',
    contestants: ['salvor', 'restic', 'restic-t', 'rustic', 'kopia-z', 'kopia'],
    only: { kopia: 'changed' },
    make: small,
    onRequest: false,
  },
  {
    name: 'big',
    what: '50 files of 40 MiB: tables and random bytes by turns',
    phases: ['first', 'restore'],
    store: 'disk',
    contestants: ['salvor', 'restic', 'restic-t', 'rustic', 'kopia-z'],
    make: big,
    onRequest: false,
  },
  {
    name: 's3-image',
    what: 'the image, to versitygw on loopback',
    phases: ['first', 'changed', 'restore'],
    store: 's3',
    contestants: ['salvor', 'restic', 'restic-t', 'kopia-b'],
    make: image,
    onRequest: true,
  },
  {
    name: 's3-small',
    what: 'the small files, to versitygw on loopback',
    phases: ['first', 'changed', 'restore'],
    store: 's3',
    contestants: ['salvor', 'restic', 'restic-t', 'kopia-z'],
    make: small,
    onRequest: true,
  },
  {
    name: 's3-big',
    what: 'the large files, to versitygw on loopback',
    phases: ['first', 'restore'],
    store: 's3',
    contestants: ['salvor', 'restic', 'restic-t', 'kopia-z'],
    make: big,
    onRequest: true,
  },
];

/** How time and memory grow with the data: half, once, twice of what the comparison has. */
const growth = [0.5, 1, 2].flatMap((times): Scenario[] => {
  const common = {
    phases: ['first', 'changed', 'restore'],
    store: 'disk',
    contestants: ['salvor', 'restic'],
    onRequest: true,
  } as const;
  return [
    {
      ...common,
      name: `growth-image-${times * 2}x`,
      what: `an image of ${times * 4} GiB`,
      make: (folder, scale) => image(folder, scale * times),
    },
    {
      ...common,
      name: `growth-small-${times * 2}x`,
      what: `${(times * smallFiles).toLocaleString('en')} small files`,
      make: (folder, scale) => small(folder, scale * times),
    },
  ];
});

export const scenarios: readonly Scenario[] = [...comparisons, ...growth];

/** What is to be measured of a scenario. */
export interface Selected {
  readonly scenario: Scenario;
  readonly phases: ReadonlySet<Phase>;
}

/** The name of a row, as `--only` and the results have it. */
export function rowName(scenario: Pick<Scenario, 'name'>, phase: Phase): string {
  return `${scenario.name}-${phase}`;
}

export interface Selection {
  readonly scenarios: readonly Selected[];
  /** The rows of small objects, all or none: they take seconds. */
  readonly objects: boolean;
}

const objectsName = 'objects';

/**
 * The rows that were asked for, by name or by the first part of it; without a wish all but those on request. Throws
 * `Usage` for a name that no row has.
 */
export function selectRows(only: readonly string[] | undefined): Selection {
  const asks = (row: string, wish: string): boolean => row === wish || row.startsWith(`${wish}-`);
  const rows = scenarios.flatMap((scenario) => scenario.phases.map((phase) => rowName(scenario, phase)));
  const unknown = only?.find((wish) => ![...rows, objectsName].some((row) => asks(row, wish)));
  if (unknown !== undefined) {
    throw new SalvorError(`There is no row ${unknown}`, {
      code: 'Usage',
      hint: `Name rows, or the first part of their names: ${[...rows, objectsName].join(', ')}.`,
    });
  }
  const selected = scenarios
    .map((scenario) => {
      const wanted = (phase: Phase): boolean =>
        only === undefined ? !scenario.onRequest : only.some((wish) => asks(rowName(scenario, phase), wish));
      return { scenario, phases: new Set(scenario.phases.filter(wanted)) };
    })
    .filter(({ phases }) => phases.size > 0);
  return { scenarios: selected, objects: only?.includes(objectsName) ?? true };
}
