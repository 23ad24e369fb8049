import { storeContract } from '../store.contract.ts';
import { withLimit } from '../with-limit.ts';
import { withRetry } from '../with-retry.ts';
import { createMemoryStore } from './memory-store.ts';

storeContract('memory', async () => ({ store: createMemoryStore(), dispose: async () => {} }));

storeContract('memory, decorated', async () => ({
  store: withRetry(withLimit(createMemoryStore(), 2)),
  dispose: async () => {},
}));
