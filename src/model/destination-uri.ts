// Destination uris: file:///abs/path now, s3://, oss:// and cos:// by the same grammar later.
import { fail } from '../base/errors.ts';
import { MIB, URI_CHARS_MAX } from '../base/limits.ts';
import { parseCapacityBytes } from './parameter.ts';

export interface DestinationUri {
  scheme: 'file';
  /** Absolute, normal (no `.`, `..`, doubled or trailing slashes). */
  path: string;
  /** `max_bandwidth` and `max_iops`, those that were given, in normal form. They are no part of what tells destinations apart. */
  options: Record<string, string>;
}

/** How much a destination may be asked for, by all who work there for one job. */
export interface DestinationLimits {
  bytesPerSecond?: number | undefined;
  /** Reads, writes and everything else that is asked of it. */
  operationsPerSecond?: number | undefined;
}

/** Below, one batch of log would take longer than a destination may owe an answer. */
const BANDWIDTH_MIN = 1 * MIB;
const IOPS_MIN = 1;
/** Beyond, a limit limits nothing. */
const LIMIT_MAX = 2 ** 50;

/**
 * Parses one destination uri.
 * @throws INVALID_BACKUP_DEST (9026) when it is malformed, relative or climbs with `..`;
 *         NOT_SUPPORTED (4007) for a scheme that is known but not built
 * @source OceanBase 4.3.3 docs, destination uris
 */
export function parseDestinationUri(text: string): DestinationUri {
  const invalid = () => fail('INVALID_BACKUP_DEST', { uri: maskUri(text) });
  if (text.length > URI_CHARS_MAX || /[\s\0]/.test(text)) throw invalid();
  const match = /^([a-z][a-z0-9]*):\/\/([^?]*)(?:\?(.*))?$/i.exec(text);
  if (!match) throw invalid();
  const [, rawScheme, location, query] = match;
  const scheme = rawScheme!.toLowerCase();
  if (['s3', 'oss', 'cos', 'azblob'].includes(scheme))
    throw fail('NOT_SUPPORTED', { what: `destination ${scheme}://` });
  if (scheme !== 'file' || !location!.startsWith('/')) throw invalid();
  const options = query === undefined ? {} : parseOptions(query);
  if (options === undefined) throw invalid();
  const parts = location!.split('/').filter((part) => part !== '');
  if (parts.length === 0 || parts.includes('..') || parts.includes('.')) throw invalid();
  return { scheme: 'file', path: `/${parts.join('/')}`, options };
}

/** @returns undefined for an unknown, repeated or malformed option */
function parseOptions(query: string): Record<string, string> | undefined {
  const options: Record<string, string> = {};
  for (const part of query.split('&')) {
    const [, name, value] = /^([a-z_]+)=(.+)$/i.exec(part) ?? [];
    const key = name?.toLowerCase();
    if (key === undefined || key in options || limitOf(key, value!) === undefined) return undefined;
    options[key] = value!.toUpperCase();
  }
  return options;
}

/** The number that an option stands for; undefined when it is none. */
function limitOf(name: string, value: string): number | undefined {
  const isBandwidth = name === 'max_bandwidth';
  if (!isBandwidth && name !== 'max_iops') return undefined;
  const least = isBandwidth ? BANDWIDTH_MIN : IOPS_MIN;
  const limit = isBandwidth ? parseCapacityBytes(value) : /^\d{1,15}$/.test(value) ? BigInt(value) : undefined;
  return limit !== undefined && limit >= least && limit <= LIMIT_MAX ? Number(limit) : undefined;
}

/** What the options of a uri allow; undefined when they limit nothing. */
export function limitsOf({ options }: Pick<DestinationUri, 'options'>): DestinationLimits | undefined {
  const { max_bandwidth: bandwidth, max_iops: iops } = options;
  const bytesPerSecond = bandwidth === undefined ? undefined : limitOf('max_bandwidth', bandwidth);
  const operationsPerSecond = iops === undefined ? undefined : limitOf('max_iops', iops);
  if (bytesPerSecond === undefined && operationsPerSecond === undefined) return undefined;
  return { bytesPerSecond, operationsPerSecond };
}

/** The uri as it may be shown: normal form, without options and credentials. It tells destinations apart. */
export function formatDestinationUri(uri: DestinationUri): string {
  return `${uri.scheme}://${uri.path}`;
}

/** The uri with its options, so that `parseDestinationUri` gives it back. */
export function formatWithOptions(uri: DestinationUri): string {
  const options = formatOptions(uri.options);
  return options === '' ? formatDestinationUri(uri) : `${formatDestinationUri(uri)}?${options}`;
}

/** `max_iops=200&max_bandwidth=50M` */
export function formatOptions(options: Readonly<Record<string, string>>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/**
 * The options of a destination after some were given anew: those named change, the others stay, `0` takes a limit away.
 * @throws INVALID_ARGUMENT (4002) for an unknown, repeated or malformed one, or none at all
 * @source OceanBase 4.3.5 docs, CHANGE EXTERNAL_STORAGE_DEST
 */
export function changeOptions(options: Readonly<Record<string, string>>, attribute: string): Record<string, string> {
  const removed = new Set<string>();
  const given = attribute
    .split('&')
    .filter((part) => {
      const [, name] = /^(max_iops|max_bandwidth)=0$/i.exec(part) ?? [];
      if (name !== undefined) removed.add(name.toLowerCase());
      return name === undefined;
    })
    .join('&');
  const changed = given === '' && removed.size > 0 ? {} : parseOptions(given);
  if (!changed || Object.keys(changed).some((name) => removed.has(name)))
    throw fail('INVALID_ARGUMENT', { what: 'ATTRIBUTE: it takes max_iops and max_bandwidth, each once' });
  const kept = Object.entries({ ...options, ...changed }).filter(([name]) => !removed.has(name));
  return Object.fromEntries(kept);
}

/** Any text that may hold a uri, with the values of secret options masked. */
export function maskUri(text: string): string {
  return text.replace(/(access_key|access_id|password|secret)=[^&\s,']*/gi, '$1=******');
}
