// The list of `destination_hosts_allow`: names and addresses that destinations may have although they would be refused.
import { fail } from '../base/errors.ts';
import { type AddressRange, isWithin, parseAddress, parseRange } from './address-class.ts';

export interface HostsAllow {
  names: ReadonlySet<string>;
  /** `.corp.example`: what ends with it. */
  suffixes: readonly string[];
  ranges: readonly AddressRange[];
}

/** What separates the entries of a list. */
const SEPARATOR = /[\s,]+/;
const NAME = /^(\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;
/** A name whose last part is a number is an address in another notation. */
const IS_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/**
 * Parses `minio.internal *.corp.example 10.1.0.0/16 fd00::5`; blanks and commas separate.
 * @throws INVALID_ARGUMENT (4002) for an entry that is no name, address or range of addresses
 */
export function parseHostsAllow(text: string): HostsAllow {
  const names = new Set<string>();
  const suffixes: string[] = [];
  const ranges: AddressRange[] = [];
  for (const entry of text.toLowerCase().split(SEPARATOR).filter(Boolean)) {
    const range = parseRange(entry);
    if (range) ranges.push(range);
    else if (!NAME.test(entry) || IS_NUMBER.test(entry))
      throw fail('INVALID_ARGUMENT', { what: `a list of hosts: '${entry}' is no name, address or range of addresses` });
    else if (entry.startsWith('*.')) suffixes.push(entry.slice(1));
    else names.add(entry);
  }
  return { names, suffixes, ranges };
}

/** @param host the name, lower case, or the address itself */
export function isAllowedHost({ names, suffixes, ranges }: HostsAllow, host: string, address: string): boolean {
  const number = parseAddress(address);
  return (
    names.has(host) ||
    suffixes.some((suffix) => host.endsWith(suffix)) ||
    (number !== undefined && ranges.some((range) => isWithin(number, range)))
  );
}
