// What kind of machine a network address stands for: a uri that a tenant wrote must not make the server ask its neighbours.
import { isIP } from 'node:net';

/**
 * `public`: anybody's. `private`, `loopback`: of the operator's own network. `never`: no object store has such an address,
 * but services that hand out a machine's own rights to whoever asks them have.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'never';

export interface AddressClass {
  kind: AddressKind;
  /** In words, for a message: `a link-local address`. */
  what: string;
}

/** Addresses whose first `bits` bits are those of `base`; IPv4 as `::ffff:0:0/96`. */
export interface AddressRange {
  base: bigint;
  bits: number;
}

const ADDRESS_BITS = 128;
const IPV4_BITS = 32;
const IPV4_MAPPED = 0xffffn << 32n;
const IPV4_MASK = (1n << 32n) - 1n;
const GROUPS = 8;

function parseIpv4(text: string): bigint {
  return text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint {
  // The last two groups may be written as an IPv4 address.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted && parseIpv4(dotted[2]!);
  const plain = dotted ? `${dotted[1]}${(tail! >> 16n).toString(16)}:${(tail! & 0xffffn).toString(16)}` : text;
  const [head = '', rest] = plain.split('::');
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const [first, last] = [groupsOf(head), groupsOf(rest ?? '')];
  const zeros = rest === undefined ? 0 : GROUPS - first.length - last.length;
  const groups = [...first, ...Array<string>(zeros).fill('0'), ...last];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** The number of an address, of IPv4 that of its mapped IPv6 address; undefined for a text that is none. */
export function parseAddress(text: string): bigint | undefined {
  const [address = ''] = text.split('%');
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 ? IPV4_MAPPED | parseIpv4(address) : parseIpv6(address);
}

/** Parses `10.0.0.0/8`, `fd00::/8` or one address; undefined for a text that is none. */
export function parseRange(text: string): AddressRange | undefined {
  const [, address = '', length] = /^([^/]+?)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const base = parseAddress(address);
  if (base === undefined) return undefined;
  const offset = isIP(address) === 4 ? ADDRESS_BITS - IPV4_BITS : 0;
  const bits = length === undefined ? ADDRESS_BITS : offset + Number(length);
  return bits <= ADDRESS_BITS ? { base, bits } : undefined;
}

export function isWithin(address: bigint, { base, bits }: AddressRange): boolean {
  const shift = BigInt(ADDRESS_BITS - bits);
  return address >> shift === base >> shift;
}

/** The first that fits counts. @source IANA special-purpose address registries; the providers' own documentation */
const CLASSES: ReadonlyArray<[range: string, kind: AddressKind, what: string]> = [
  ['169.254.0.0/16', 'never', "a link-local address, which is where clouds hand out a machine's own rights"],
  ['100.100.100.200', 'never', 'the metadata service of Alibaba Cloud'],
  ['168.63.129.16', 'never', 'the metadata service of Azure'],
  ['192.0.0.192', 'never', 'the metadata service of Oracle Cloud'],
  ['fd00:ec2::/32', 'never', 'the metadata service of AWS'],
  ['fd20:ce::254', 'never', 'the metadata service of Google Cloud'],
  ['fe80::/10', 'never', 'a link-local address'],
  ['0.0.0.0/8', 'never', 'an unspecified address'],
  ['::/128', 'never', 'an unspecified address'],
  ['224.0.0.0/4', 'never', 'a multicast address'],
  ['ff00::/8', 'never', 'a multicast address'],
  ['240.0.0.0/4', 'never', 'a reserved address'],
  ['2001::/32', 'never', 'a Teredo address, which hides another one'],
  ['127.0.0.0/8', 'loopback', 'a loopback address'],
  ['::1/128', 'loopback', 'a loopback address'],
  ['10.0.0.0/8', 'private', 'a private address'],
  ['172.16.0.0/12', 'private', 'a private address'],
  ['192.168.0.0/16', 'private', 'a private address'],
  ['100.64.0.0/10', 'private', 'an address of a shared network'],
  ['192.0.0.0/24', 'private', 'a private address'],
  ['198.18.0.0/15', 'private', 'an address of a test network'],
  ['fc00::/7', 'private', 'a private address'],
  ['fec0::/10', 'private', 'a private address'],
  ['64:ff9b:1::/48', 'private', 'a private address'],
];
const RANGES = CLASSES.map(([range, kind, what]) => ({ range: parseRange(range)!, found: { kind, what } }));

/** Ranges whose addresses lead to an IPv4 address that they carry, and by how many bits it stands from their end. */
const CARRIERS = [
  { range: parseRange('64:ff9b::/96')!, shift: 0n },
  { range: parseRange('2002::/16')!, shift: 80n },
  { range: parseRange('::/96')!, shift: 0n },
];

function classifyNumber(address: bigint): AddressClass {
  const known = RANGES.find(({ range }) => isWithin(address, range));
  if (known) return known.found;
  const carrier = CARRIERS.find(({ range }) => isWithin(address, range));
  return carrier
    ? classifyNumber(IPV4_MAPPED | ((address >> carrier.shift) & IPV4_MASK))
    : { kind: 'public', what: 'a public address' };
}

/** Tells what an address is; a text that is no address is `never` one to connect to. */
export function classifyAddress(text: string): AddressClass {
  const address = parseAddress(text);
  return address === undefined ? { kind: 'never', what: 'no address' } : classifyNumber(address);
}
