import type { Log } from './log.ts';
import type { Handlers } from './rpc.ts';
import { driverName } from './context.ts';

/** The kubelet watches its registry folder for sockets with names of this form. */
export const registrationSocketName = `${driverName}-reg.sock`;

/** The service through which the kubelet learns of the driver; it replaces the node-driver-registrar sidecar. */
export function registrationService(socketPath: string, log: Log): Handlers {
  return {
    GetInfo: async () => ({ type: 'CSIPlugin', name: driverName, endpoint: socketPath, supported_versions: ['1.0.0'] }),
    NotifyRegistrationStatus: async (outcome: { plugin_registered: boolean; error: string }) => {
      // The kubelet tries again by itself, with a growing delay.
      if (outcome.plugin_registered) log('info', 'registered with the kubelet');
      else log('error', 'the kubelet refused the registration', { error: outcome.error });
      return {};
    },
  };
}
