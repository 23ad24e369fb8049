import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, SalvorError } from '#shared/errors';

/** Where a store is, understood. */
export type StoreLocation = S3Location | DiskLocation;

export interface S3Location {
  readonly kind: 's3';
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  /** `http://host:port` of an S3-compatible server; undefined for AWS. */
  readonly endpoint?: string;
  readonly region?: string;
  /** How the bucket is named in requests: in the path, or as a host name. */
  readonly style: 'path' | 'virtual';
  /** File with certificates (PEM) of authorities to trust besides the system's; read where the store is opened. */
  readonly caFile?: string;
}

export interface DiskLocation {
  readonly kind: 'disk';
  readonly path: string;
}

const EXPECTED =
  's3://BUCKET[/PREFIX][?endpoint=http://HOST:PORT&region=REGION&style=path|virtual&caFile=/PATH], file:///PATH or /PATH';

// The rules of S3 for names of buckets, as far as they keep other things (paths, hosts) out.
const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const prefixPart = /^[A-Za-z0-9_.=+@~-]+$/;
const regionName = /^[A-Za-z0-9-]{1,64}$/;

/** Parses what a person wrote; throws `InvalidInput` that says which part is wrong. Never repeats a password. */
export function parseLocation(text: string): StoreLocation {
  if (isAbsolute(text)) return diskLocation(text);
  const url = parseUrl(text);
  refuseCredentials(url, 'The location');
  switch (url.protocol) {
    case 's3:':
      return s3Location(url);
    case 'file:':
      return fileLocation(url);
    default:
      throw invalid(`The location has the scheme ${JSON.stringify(url.protocol.slice(0, -1))}`);
  }
}

/** The location in one canonical form, for messages and comparison. */
export function formatLocation(location: StoreLocation): string {
  if (location.kind === 'disk') return `disk:${location.path}`;
  const at = location.endpoint === undefined ? '' : ` at ${location.endpoint}`;
  return `s3://${location.bucket}${location.prefix === '' ? '' : `/${location.prefix}`}${at}`;
}

function s3Location(url: URL): S3Location {
  if (url.port !== '') throw invalid('The location names a port after the bucket: the server goes into ?endpoint=');
  const bucket = url.hostname;
  if (!bucketName.test(bucket)) throw invalid(`Not the name of a bucket: ${JSON.stringify(bucket)}`);
  const settings = readSettings(url);
  const endpoint = settings.endpoint === undefined ? undefined : parseEndpoint(settings.endpoint);
  if (settings.region !== undefined && !regionName.test(settings.region)) {
    throw invalid(`Not the name of a region: ${JSON.stringify(settings.region)}`);
  }
  const caFile = settings.caFile === undefined ? undefined : parseCaFile(settings.caFile, endpoint);
  return {
    kind: 's3',
    bucket,
    prefix: parsePrefix(url.pathname),
    // Servers other than AWS seldom have a host name per bucket.
    style: parseStyle(settings.style) ?? (endpoint === undefined ? 'virtual' : 'path'),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(caFile === undefined ? {} : { caFile }),
  };
}

function fileLocation(url: URL): DiskLocation {
  if (url.hostname !== '') throw invalid('A file location has three slashes: file:///path');
  if (url.search !== '') throw invalid('A file location has no settings after "?"');
  try {
    return diskLocation(fileURLToPath(url));
  } catch (error) {
    if (error instanceof SalvorError) throw error;
    throw invalid(`Not a path: ${messageOf(error)}`);
  }
}

function diskLocation(text: string): DiskLocation {
  if (text.includes('\0')) throw invalid('The path has a zero byte');
  const path = normalize(text);
  if (path === '/') throw invalid('The root folder cannot be a store');
  return { kind: 'disk', path: path.endsWith('/') ? path.slice(0, -1) : path };
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    if (url.hash !== '') throw invalid('The location has a "#" part');
    return url;
  } catch (error) {
    if (error instanceof SalvorError) throw error;
    throw invalid(text === '' ? 'The location is empty' : 'The location is neither a URL nor an absolute path');
  }
}

function parsePrefix(pathname: string): string {
  const parts = pathname.split('/').filter((part) => part !== '');
  const wrong = parts.find((part) => !prefixPart.test(part) || part === '.' || part === '..');
  if (wrong !== undefined) {
    throw invalid(`The prefix has the part ${JSON.stringify(wrong)}: letters, digits and _ . = + @ ~ - are possible`);
  }
  return parts.join('/');
}

const settingNames = ['endpoint', 'region', 'style', 'caFile'] as const;
type SettingName = (typeof settingNames)[number];

function readSettings(url: URL): Partial<Record<SettingName, string>> {
  const settings: Partial<Record<SettingName, string>> = {};
  for (const [name, value] of url.searchParams) {
    const known = settingNames.find((candidate) => candidate === name);
    if (known === undefined) {
      throw invalid(`Unknown setting ${JSON.stringify(name)}: ${settingNames.join(', ')} are possible`);
    }
    if (value === '') throw invalid(`The setting ${known} is empty`);
    if (settings[known] !== undefined) throw invalid(`The setting ${known} is there twice`);
    settings[known] = value;
  }
  return settings;
}

function parseEndpoint(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid('The endpoint is not a URL');
  }
  refuseCredentials(url, 'The endpoint');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid('The endpoint is neither http nor https');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw invalid('The endpoint is more than scheme, host and port');
  return url.origin;
}

function parseCaFile(path: string, endpoint: string | undefined): string {
  if (!isAbsolute(path) || path.includes('\0')) throw invalid('The caFile is not an absolute path');
  if (endpoint?.startsWith('http:') === true) throw invalid('There is a caFile, but the endpoint is not https');
  return path;
}

function parseStyle(style: string | undefined): 'path' | 'virtual' | undefined {
  if (style === undefined || style === 'path' || style === 'virtual') return style;
  throw invalid(`The style is ${JSON.stringify(style)}: path and virtual are possible`);
}

function refuseCredentials(url: URL, what: string): void {
  if (url.username === '' && url.password === '') return;
  throw new SalvorError(`${what} contains a user name or password`, {
    code: 'InvalidInput',
    hint: 'Remove it: locations are shown in logs and lists. Give credentials in a Secret, a file or the environment.',
  });
}

function invalid(message: string): SalvorError {
  return new SalvorError(message, { code: 'InvalidInput', hint: `Write a location as ${EXPECTED}.` });
}
