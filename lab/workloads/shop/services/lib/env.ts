/** The environment of a service, read once at its entry point. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A setting that has to be there; the error names it. */
export function need(env: Env, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw new Error(`The environment variable ${name} is not set`);
  return value;
}

/** A whole number with a default. */
export function numberOf(env: Env, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value)) throw new Error(`The environment variable ${name} is not a whole number: ${text}`);
  return value;
}
