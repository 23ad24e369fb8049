import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { LabStatus } from './control.ts';
import type { Layout } from './layout.ts';
import { apiReady } from './probes.ts';
import { askLab, controlTimeoutMs, type LabContext } from './running.ts';
import type { ComponentStatus } from './supervisor.ts';

/** From a cold page cache, beside an import of all images, on a busy machine; usually a few seconds. */
const readyTimeoutMs = 180_000;

/** Waits until every component is ready, telling each as it becomes so. The error names those that are not, and why. */
export async function waitUntilReady(context: LabContext, layout: Layout): Promise<void> {
  const { name, onProgress, signal } = context;
  const started = performance.now();
  let told: Set<string> | undefined;
  let waitingFor: readonly ComponentStatus[] = [];
  const everyComponent = async (): Promise<true | undefined> => {
    const { components } = await askLab<LabStatus>(layout, { op: 'status' }, { signal });
    waitingFor = components.filter((component) => !component.ready);
    // What was ready before we came is no news.
    told ??= new Set(waitingFor.length === 0 ? components.map((component) => component.name) : []);
    for (const { name: component, ready } of components) {
      if (!ready || told.has(component)) continue;
      told.add(component);
      onProgress({ kind: 'finished', what: `${component} is ready`, ms: performance.now() - started });
    }
    return waitingFor.length === 0 ? true : undefined;
  };
  const bounds = { what: `lab ${name} to be ready`, timeoutMs: readyTimeoutMs };
  try {
    await waitFor(everyComponent, signal === undefined ? bounds : { ...bounds, signal });
  } catch (error) {
    if (!(error instanceof SalvorError) || error.code !== 'Timeout') throw error;
    throw new SalvorError(`Lab ${name} is not ready: ${waitingFor.map(describe).join(', ')}`, {
      code: 'Timeout',
      hint: `Look with "npm run lab -- logs COMPONENT --name ${name}".`,
      cause: error,
    });
  }
  await checkHostPort(layout);
}

/** All is ready inside; can this machine reach it? */
async function checkHostPort(layout: Layout): Promise<void> {
  const address = `127.0.0.1:${layout.apiPort}`;
  const reason = await apiReady(layout, layout.apiPort)(AbortSignal.timeout(controlTimeoutMs));
  if (reason === undefined) return;
  throw new SalvorError(`The API server is ready but not reachable on ${address}: ${reason}`, {
    code: 'ClusterUnreachable',
    hint: `See who listens there with "ss -ltnp", and the log of "ports".`,
  });
}

function describe(component: ComponentStatus): string {
  return `${component.name} (${component.reason ?? 'no reason given'})`;
}
