import { Agent } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { Cluster, KubeConfig } from '@kubernetes/client-node';
import { SalvorError, messageOf } from '#shared/errors';

/** How to reach one API server as one user. */
export interface Connection {
  /** `https://host:port`, possibly with a path prefix. */
  readonly server: URL;
  readonly context: string;
  /** Adds client certificates, tokens and CA to a request; tokens are refreshed by their own plugin. */
  authenticate(options: RequestOptions): Promise<void>;
}

export interface ConnectionOptions {
  /** Path of a kubeconfig; default: $KUBECONFIG, ~/.kube/config, or the pod's own service account. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** What client-node takes for a cluster when it finds none. */
const standIn = 'http://localhost:8080';

/**
 * Reads the kubeconfig as kubectl does. `@kubernetes/client-node` knows all ways to authenticate (exec plugins,
 * OIDC, certificates, in-cluster); it is imported here only, and late, because it costs half a second.
 */
export async function loadConnection(options: ConnectionOptions): Promise<Connection> {
  const { config, cluster } = await loadConfig(options);
  return {
    server: serverUrl(cluster.server),
    context: config.getCurrentContext(),
    authenticate: async (request) => {
      try {
        await config.applyToHTTPSOptions(request);
        keepAlive(request);
      } catch (error) {
        throw new SalvorError(`Cannot log in to the cluster: ${messageOf(error)}`, {
          code: 'ClusterForbidden',
          cause: error,
          hint: 'Log in again with the command that made this kubeconfig, then check with: kubectl auth whoami',
        });
      }
    },
  };
}

/** What a kubeconfig says, and the cluster of its context. */
export interface LoadedConfig {
  readonly config: KubeConfig;
  readonly cluster: Cluster;
}

/** Reads the kubeconfig; throws `ClusterUnreachable` that says what is missing in it. */
export async function loadConfig(options: ConnectionOptions): Promise<LoadedConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const hint = 'Set KUBECONFIG, or give --kubeconfig FILE and --context NAME.';
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
    if (options.context !== undefined) config.setCurrentContext(options.context);
  } catch (error) {
    throw new SalvorError(`Cannot read the kubeconfig${options.kubeconfig ? ` ${options.kubeconfig}` : ''}`, {
      code: 'ClusterUnreachable',
      cause: error,
      hint,
    });
  }
  const cluster = config.getCurrentCluster();
  if (cluster?.server === standIn)
    throw new SalvorError('There is no kubeconfig', { code: 'ClusterUnreachable', hint });
  if (cluster === null) {
    const known = config.getContexts().map((context) => context.name);
    throw new SalvorError(
      options.context === undefined
        ? 'No cluster: the kubeconfig has no current context'
        : `The kubeconfig has no context "${options.context}" (it has: ${known.join(', ') || 'none'})`,
      { code: 'ClusterUnreachable', hint },
    );
  }
  return { config, cluster };
}

function serverUrl(server: string): URL {
  try {
    return new URL(server);
  } catch (error) {
    throw new SalvorError(`The kubeconfig names a server that is not a URL: ${server}`, {
      code: 'ClusterUnreachable',
      cause: error,
    });
  }
}

/** client-node's agent closes every connection after one request; a run makes hundreds. Proxies' agents stay as they are. */
function keepAlive(request: RequestOptions): void {
  if (request.agent instanceof Agent && request.agent.constructor === Agent)
    Object.assign(request.agent, { keepAlive: true });
}
