import { documentEngines } from './documents.ts';
import type { EngineSpec } from './engine-spec.ts';
import { keyValueEngines } from './key-value.ts';
import { objectStoreEngines } from './object-stores.ts';
import { queueEngines } from './queues.ts';
import { searchEngines } from './search.ts';
import { sqlEngines } from './sql.ts';
import { timeSeriesEngines } from './time-series.ts';

/** Every server that is known to keep data. Where two fit equally, the earlier one is meant. */
export const engines: readonly EngineSpec[] = [
  ...sqlEngines,
  ...documentEngines,
  ...keyValueEngines,
  ...searchEngines,
  ...queueEngines,
  ...timeSeriesEngines,
  ...objectStoreEngines,
];
