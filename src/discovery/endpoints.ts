/** An address that some text names: a URL, a DSN, `host:port`. Never with credentials. */
export interface Endpoint {
  /** `postgres`, `mysql`, `redis`, `s3`, ...; undefined for a bare `host:port`. */
  readonly scheme?: string;
  readonly host: string;
  readonly port?: number;
  /** Database or bucket. */
  readonly path?: string;
}

/** Longer values are scripts and documents: only their start is looked at. */
const searchedCharsMax = 16 * 1024;
const endpointsMax = 50;

const urlPattern = /\b([a-z][a-z0-9+.-]{1,30}):\/\/([^\s"'`<>]+)/gi;
const jdbcPattern = /\bjdbc:([a-z0-9]+):(?:\/\/|@)?([^\s"'`<>]+)/gi;
/** Go's MySQL driver: user:password@tcp(host:3306)/database. */
const goMysqlPattern = /@tcp\(([a-z0-9._-]+)(?::(\d+))?\)\/([\w-]*)/gi;
/** libpq: host=db port=5432 dbname=shop; also ADO.NET: Server=db;Database=x. */
const keywordPattern = /\b(?:host|server|data source)\s*=\s*([a-z0-9._-]+)(?:[;\s,]+port\s*=\s*(\d+))?/gi;
const hostPattern = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i;

/** All addresses in a text, at most 50, each once. */
export function endpointsIn(value: string): Endpoint[] {
  const searched = value.slice(0, searchedCharsMax);
  const found = new Map<string, Endpoint>();
  const add = (endpoint: Endpoint): void => {
    if (!hostPattern.test(endpoint.host) || found.size >= endpointsMax) return;
    found.set(`${endpoint.scheme ?? ''}|${endpoint.host}|${endpoint.port ?? ''}`, endpoint);
  };
  for (const [, scheme = '', rest = ''] of searched.matchAll(jdbcPattern))
    for (const one of authorities(scheme, rest)) add(one);
  for (const [, scheme = '', rest = ''] of searched.replaceAll(jdbcPattern, ' ').matchAll(urlPattern))
    for (const one of authorities(scheme, rest)) add(one);
  for (const [, host = '', port, path] of searched.matchAll(goMysqlPattern))
    add({ scheme: 'mysql', host, ...portOf(port), ...(path ? { path } : {}) });
  for (const [, host = '', port] of searched.matchAll(keywordPattern)) add({ host, ...portOf(port) });
  const bare = /^([a-z0-9][a-z0-9._-]*):(\d{2,5})$/i.exec(searched.trim());
  if (bare !== null) add({ host: bare[1] ?? '', ...portOf(bare[2]) });
  return [...found.values()];
}

/** `user:password@a:1,b:2/path?query`: every host of the list. */
function authorities(scheme: string, rest: string): Endpoint[] {
  const beforeQuery = rest.split(/[?;]/, 1)[0] ?? '';
  // A password may hold a slash: what is before the last @ is not the host.
  const afterUser = beforeQuery.slice(beforeQuery.lastIndexOf('@') + 1);
  const slash = afterUser.indexOf('/');
  const hosts = slash < 0 ? afterUser : afterUser.slice(0, slash);
  const path = slash < 0 ? '' : afterUser.slice(slash + 1);
  const name = scheme.toLowerCase().replace(/\+.*$/, '');
  return hosts.split(',').map((part) => {
    const [, host = part, port] = /^(.*?)(?::(\d+))?$/.exec(part) ?? [];
    return { scheme: name, host, ...portOf(port), ...(path === '' ? {} : { path }) };
  });
}

function portOf(port: string | undefined): { readonly port?: number } {
  const number = Number(port);
  return port !== undefined && number > 0 && number < 65_536 ? { port: number } : {};
}

export function endpointText({ scheme, host, port, path }: Endpoint): string {
  return `${scheme === undefined ? '' : `${scheme}://`}${host}${port === undefined ? '' : `:${port}`}${path === undefined ? '' : `/${path.slice(0, 60)}`}`;
}
