// The options of destination uris: what may be asked for there, and how an object store is spoken to.
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { parseCapacityBytes } from './parameter.ts';

/** How much a destination may be asked for, by all who work there for one job. */
export interface DestinationLimits {
  bytesPerSecond?: number | undefined;
  /** Reads, writes and everything else that is asked of it. */
  operationsPerSecond?: number | undefined;
}

/** Options in normal form, those that were given. They are no part of what tells destinations apart. */
export type DestinationOptions = Readonly<Record<string, string>>;

/** Below, one batch of log would take longer than a destination may owe an answer. */
const BANDWIDTH_MIN = 1 * MIB;
const IOPS_MIN = 1;
/** Beyond, a limit limits nothing. */
const LIMIT_MAX = 2 ** 50;

/** What turns the text of an option into its normal form; undefined for text that is none. */
type Normal = (value: string) => string | undefined;

const limit =
  (name: string): Normal =>
  (value) =>
    limitOf(name, value) === undefined ? undefined : value.toUpperCase();
const oneOf =
  (...words: string[]): Normal =>
  (value) =>
    words.find((word) => word === value.toLowerCase());
const matching =
  (pattern: RegExp): Normal =>
  (value) =>
    pattern.test(value) ? value : undefined;

const LIMITS: Record<string, Normal> = { max_bandwidth: limit('max_bandwidth'), max_iops: limit('max_iops') };
const OBJECT_STORE: Record<string, Normal> = {
  ...LIMITS,
  s3_region: matching(/^[a-z0-9-]{1,64}$/i),
  delete_mode: oneOf('delete', 'tagging'),
  checksum_type: oneOf('no_checksum', 'md5', 'crc32'),
  enable_worm: oneOf('true', 'false'),
};

/** Options that CHANGE EXTERNAL_STORAGE_DEST takes in its ATTRIBUTE. */
const CHANGEABLE = LIMITS;

/**
 * Parses `max_iops=200&max_bandwidth=50M`.
 * @param of.isObjectStore false for `file`, which knows limits only
 * @returns undefined for an unknown, repeated or malformed option
 * @source OceanBase 4.3.5 docs, destination uris
 */
export function parseOptions(query: string, of: { isObjectStore: boolean }): Record<string, string> | undefined {
  return parse(query, of.isObjectStore ? OBJECT_STORE : LIMITS);
}

function parse(query: string, known: Record<string, Normal>): Record<string, string> | undefined {
  const options: Record<string, string> = {};
  for (const part of query.split('&')) {
    const [, name, value] = /^([a-z0-9_]+)=(.+)$/i.exec(part) ?? [];
    const key = name?.toLowerCase();
    if (key === undefined || Object.hasOwn(options, key) || !Object.hasOwn(known, key)) return undefined;
    const normal = known[key]!(value!);
    if (normal === undefined) return undefined;
    options[key] = normal;
  }
  return options;
}

/** The number that a limit stands for; undefined when it is none. */
function limitOf(name: string, value: string): number | undefined {
  const isBandwidth = name === 'max_bandwidth';
  const least = isBandwidth ? BANDWIDTH_MIN : IOPS_MIN;
  const number = isBandwidth ? parseCapacityBytes(value) : /^\d{1,15}$/.test(value) ? BigInt(value) : undefined;
  return number !== undefined && number >= least && number <= LIMIT_MAX ? Number(number) : undefined;
}

/** What the options of a uri allow; undefined when they limit nothing. */
export function limitsOf({ options }: { options: DestinationOptions }): DestinationLimits | undefined {
  const { max_bandwidth: bandwidth, max_iops: iops } = options;
  const bytesPerSecond = bandwidth === undefined ? undefined : limitOf('max_bandwidth', bandwidth);
  const operationsPerSecond = iops === undefined ? undefined : limitOf('max_iops', iops);
  if (bytesPerSecond === undefined && operationsPerSecond === undefined) return undefined;
  return { bytesPerSecond, operationsPerSecond };
}

/** `max_iops=200&max_bandwidth=50M` */
export function formatOptions(options: DestinationOptions): string {
  return Object.entries(options)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/**
 * The options of a destination after some were given anew: those named change, the others stay, `0` takes a limit away.
 * @throws INVALID_ARGUMENT (4002) for an unknown, repeated or malformed one, or none at all
 * @source OceanBase 4.3.5 docs, CHANGE EXTERNAL_STORAGE_DEST
 */
export function changeOptions(options: DestinationOptions, attribute: string): Record<string, string> {
  const removed = new Set<string>();
  const given = attribute
    .split('&')
    .filter((part) => {
      const [, name] = /^(max_iops|max_bandwidth)=0$/i.exec(part) ?? [];
      if (name !== undefined) removed.add(name.toLowerCase());
      return name === undefined;
    })
    .join('&');
  const changed = given === '' && removed.size > 0 ? {} : parse(given, CHANGEABLE);
  if (!changed || Object.keys(changed).some((name) => removed.has(name)))
    throw fail('INVALID_ARGUMENT', { what: 'ATTRIBUTE: it takes max_iops and max_bandwidth, each once' });
  const kept = Object.entries({ ...options, ...changed }).filter(([name]) => !removed.has(name));
  return Object.fromEntries(kept);
}
