export type LogLevel = 'info' | 'warn' | 'error';

/** Where the driver tells what it does: a sentence and its facts. Facts never hold secrets or whole requests. */
export type Log = (level: LogLevel, message: string, facts?: Readonly<Record<string, unknown>>) => void;

/** A log of one JSON object per line. */
export function jsonLog(write: (line: string) => void, now: () => Date = () => new Date()): Log {
  return (level, message, facts) => {
    write(`${JSON.stringify({ time: now().toISOString(), level, message, ...facts })}\n`);
  };
}
