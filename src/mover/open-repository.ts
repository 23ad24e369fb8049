import { openRepository } from '#repository/repository';
import type { Repository } from '#repository/types';
import { openStore } from '#stores/open';
import type { MoverDeps } from './run.ts';
import type { MoverSecrets } from './task.ts';

/** Opens a store and the repository in it as one thing to be disposed. */
export function openMoverRepository(secrets: MoverSecrets): MoverDeps['openRepository'] {
  return async ({ location, bandwidth }, signal) => {
    const { password, credentials } = secrets;
    const store = await openStore({
      location,
      ...(credentials === undefined ? {} : { credentials }),
      ...(bandwidth === undefined ? {} : { bandwidth }),
    });
    let repository: Repository;
    try {
      repository = await openRepository(store, { password, signal });
    } catch (error) {
      await store.close();
      throw error;
    }
    return {
      ...repository,
      [Symbol.asyncDispose]: async () => {
        await repository[Symbol.asyncDispose]();
        await store.close();
      },
    };
  };
}
