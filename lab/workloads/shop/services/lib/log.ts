/** One JSON line per message on stderr, so that `kubectl logs` can be filtered. */
export type Log = (message: string, fields?: Readonly<Record<string, unknown>>) => void;

export function createLog(service: string): Log {
  return (message, fields = {}) => {
    process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), service, message, ...fields })}\n`);
  };
}
