// Destination uris: file:///abs/path, and object stores: s3://, oss:// and cos:// by one grammar.
import { fail } from '../base/errors.ts';
import { URI_CHARS_MAX } from '../base/limits.ts';
import { type DestinationOptions, formatOptions, parseOptions } from './destination-options.ts';

export type DestinationUri = FileUri | ObjectStoreUri;

export interface FileUri {
  scheme: 'file';
  /** Absolute, normal (no `.`, `..`, doubled or trailing slashes). */
  path: string;
  options: DestinationOptions;
}

export interface ObjectStoreUri {
  scheme: ObjectStoreScheme;
  bucket: string;
  /** What object names begin with: `/a/b`, normal as that of a file; never empty. */
  path: string;
  /** Host and perhaps port, lower case; with `http://` before it when it is to be spoken to without TLS. */
  host: string;
  options: DestinationOptions;
  /** As the statement gave it; left out when it gave none, and in every uri that comes from the store. */
  access?: AccessKey | undefined;
  /** What its connections go by; no statement can say it: whoever opens the destination fills it in. */
  network?: NetworkRules | undefined;
}

export interface AccessKey {
  accessId: string;
  accessKey: string;
}

export interface NetworkRules {
  /** A tenant wrote the uri, and nobody of the cluster's administration has approved of it: public addresses only. */
  isOfTenant: boolean;
  /** The value of `destination_hosts_allow`. */
  hostsAllow: string;
  /** The value of `destination_ca`: a PEM file, or empty. */
  caFile: string;
}

const OBJECT_STORE_SCHEMES = ['s3', 'oss', 'cos'] as const;
export type ObjectStoreScheme = (typeof OBJECT_STORE_SCHEMES)[number];

/** What an access key is made of at every provider: nothing that a uri, a header or a log would have to escape. */
const ACCESS_TEXT = /^[\w+/=.@~-]{1,256}$/;
/** Bucket names as AWS, OSS and COS allow them. @source AWS S3 documentation, bucket naming rules */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** A name or address with a port or without. */
const HOST = /^(?:http:\/\/|https:\/\/)?((?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?)$/;
const PORT_MAX = 65_535;
/** Parts of the path of an object store become parts of object names. */
const PREFIX_PART = /^[\w.-]+$/;

/**
 * Parses one destination uri.
 * @throws INVALID_BACKUP_DEST (9026) when it is malformed, relative or climbs with `..`, or lacks what its scheme needs;
 *         NOT_SUPPORTED (4007) for a scheme that is known but not built
 * @source OceanBase 4.3.3 docs, destination uris
 */
export function parseDestinationUri(text: string): DestinationUri {
  const invalid = () => fail('INVALID_BACKUP_DEST', { uri: maskUri(text) });
  if (text.length > URI_CHARS_MAX || /[\s\0]/.test(text)) throw invalid();
  const match = /^([a-z][a-z0-9]*):\/\/([^?]*)(?:\?(.*))?$/i.exec(text);
  if (!match) throw invalid();
  const scheme = match[1]!.toLowerCase();
  if (scheme === 'azblob') throw fail('NOT_SUPPORTED', { what: `destination ${scheme}://` });
  const [location, query] = [match[2]!, match[3]];
  const uri =
    scheme === 'file'
      ? parseFile(location, query)
      : OBJECT_STORE_SCHEMES.some((known) => known === scheme)
        ? parseObjectStore(scheme as ObjectStoreScheme, location, query ?? '')
        : undefined;
  if (!uri) throw invalid();
  return uri;
}

function parseFile(location: string, query: string | undefined): FileUri | undefined {
  const path = location.startsWith('/') ? normalPath(location) : undefined;
  const options = query === undefined ? {} : parseOptions(query, { isObjectStore: false });
  return path === undefined || !options ? undefined : { scheme: 'file', path, options };
}

function parseObjectStore(scheme: ObjectStoreScheme, location: string, query: string): ObjectStoreUri | undefined {
  const slash = location.indexOf('/');
  const path = slash < 0 ? undefined : normalPath(location.slice(slash));
  if (path === undefined) return undefined;
  if (
    !path
      .slice(1)
      .split('/')
      .every((part) => PREFIX_PART.test(part))
  )
    return undefined;
  const own: Record<string, string> = {};
  const others: string[] = [];
  for (const part of query.split('&').filter((text) => text !== '')) {
    const [, name, value] = /^(host|access_id|access_key|appid)=(.+)$/i.exec(part) ?? [];
    if (name === undefined) others.push(part);
    else if (Object.hasOwn(own, name.toLowerCase())) return undefined;
    else own[name.toLowerCase()] = value!;
  }
  const host = normalHost(own.host);
  const bucket = scheme === 'cos' ? bucketOfCos(location.slice(0, slash), own.appid) : location.slice(0, slash);
  const { access_id: accessId, access_key: accessKey } = own;
  const options = others.length === 0 ? {} : parseOptions(others.join('&'), { isObjectStore: true });
  if (bucket === undefined || !BUCKET.test(bucket)) return undefined;
  if (host === undefined || !options || (accessId === undefined) !== (accessKey === undefined)) return undefined;
  if (scheme !== 'cos' && own.appid !== undefined) return undefined;
  if (![accessId, accessKey].every((text) => text === undefined || ACCESS_TEXT.test(text))) return undefined;
  const access = accessId === undefined ? {} : { access: { accessId, accessKey: accessKey! } };
  return { scheme, bucket, path, host, options, ...access };
}

/** COS knows a bucket by its name and its owner: `backup-1250000000`. @source Tencent COS documentation, bucket names */
function bucketOfCos(name: string, appid: string | undefined): string | undefined {
  if (appid === undefined) return /-\d+$/.test(name) ? name : undefined;
  if (!/^\d{1,20}$/.test(appid)) return undefined;
  return name.endsWith(`-${appid}`) ? name : `${name}-${appid}`;
}

function normalPath(text: string): string | undefined {
  const parts = text.split('/').filter((part) => part !== '');
  return parts.length === 0 || parts.includes('..') || parts.includes('.') ? undefined : `/${parts.join('/')}`;
}

/** Without `https://` and the port that goes without saying: one place has one name. */
function normalHost(text: string | undefined): string | undefined {
  const given = text?.toLowerCase() ?? '';
  const [, host] = HOST.exec(given) ?? [];
  if (host === undefined) return undefined;
  const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(host)!;
  if (port !== undefined && (Number(port) === 0 || Number(port) > PORT_MAX)) return undefined;
  const isPlain = given.startsWith('http://');
  const isDefault = port === undefined || Number(port) === (isPlain ? 80 : 443);
  return `${isPlain ? 'http://' : ''}${name}${isDefault ? '' : `:${Number(port)}`}`;
}

/** The uri as it may be shown: normal form, without options and credentials. It tells destinations apart. */
export function formatDestinationUri(uri: DestinationUri): string {
  return uri.scheme === 'file' ? `file://${uri.path}` : `${uri.scheme}://${uri.bucket}${uri.path}?host=${uri.host}`;
}

/** An object of a destination as messages name it. */
export function formatObject(uri: DestinationUri, name: string): string {
  return formatDestinationUri({ ...uri, path: `${uri.path}/${name}` });
}

/** The uri with its options but without credentials, so that `parseDestinationUri` gives it back. */
export function formatWithOptions(uri: DestinationUri): string {
  const shown = formatDestinationUri(uri);
  const options = formatOptions(uri.options);
  return options === '' ? shown : `${shown}${shown.includes('?') ? '&' : '?'}${options}`;
}

/** Any text that may hold a uri, with the values of secret options masked. */
export function maskUri(text: string): string {
  return text.replace(/(access_key|access_id|password|secret)=[^&\s,']*/gi, '$1=******');
}
