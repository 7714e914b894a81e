// The connections of object stores: each address is looked at when it is connected to, after its name was resolved, so that
// neither a name that means another machine the next time nor a redirect leads to where a uri may not. Certificates are
// always verified.
import { lookup as lookupName } from 'node:dns';
import { readFileSync } from 'node:fs';
import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import { fail } from '../base/errors.ts';
import { formatDestinationUri, type ObjectStoreUri } from '../model/destination-uri.ts';
import { classifyAddress } from './address-class.ts';
import { isAllowedHost, parseHostsAllow } from './hosts-allow.ts';

/** Returns what is wrong with a connection to the address of a host; undefined when nothing is. */
type Guard = (host: string, address: string) => Error | undefined;

/** What the connections of a uri go by. */
export function guardOf(uri: ObjectStoreUri): Guard {
  const allow = parseHostsAllow(uri.network?.hostsAllow ?? '');
  const isOfTenant = uri.network?.isOfTenant === true;
  const named = uri.host.replace(/^http:\/\//, '').replace(/:\d+$/, '');
  return (asked, address) => {
    // Many stores are asked for a bucket by a name below their own.
    const host = asked === `${uri.bucket}.${named}` ? named : asked;
    const { kind, what } = classifyAddress(address);
    const isRefused = kind === 'never' || (isOfTenant && kind !== 'public');
    if (!isRefused || isAllowedHost(allow, host, address)) return undefined;
    // Where a name leads inside of the operator's network is not for tenants to learn.
    const how = host === address ? 'is' : isOfTenant ? 'leads to' : `has the address ${address},`;
    const whose = kind === 'never' ? '' : ' that no tenant may name';
    const because = `its host ${host} ${how} ${what}${whose}; root@sys can allow it with destination_hosts_allow`;
    return fail('BACKUP_PERMISSION_DENIED', { uri: formatDestinationUri(uri), because });
  };
}

/** Resolves a name to those of its addresses that may be connected to. */
function guardedLookup(guard: Guard): LookupFunction {
  return (host, options, callback) => {
    lookupName(host, { ...options, all: true }, (error, found) => {
      if (error) {
        callback(error, '');
        return;
      }
      const refusals = found.map(({ address }) => guard(host.toLowerCase(), address));
      const passed = found.filter((_, index) => refusals[index] === undefined);
      const [first] = passed;
      if (!first) callback(refusals[0] ?? new Error(`${host} has no address`), '');
      else if (options.all) callback(null, passed);
      else callback(null, first.address, first.family);
    });
  };
}

/** An address that stands in the uri itself is never looked up. */
function refusalOf(guard: Guard, { host }: ClientRequestArgs): Error | undefined {
  const name = (host ?? '').replace(/^\[|\]$/g, '');
  return isIP(name.split('%')[0]!) === 0 ? undefined : guard(name, name);
}

/** Makes an agent ask the guard before each of its connections. */
function guarded<A extends HttpAgent>(agent: A, guard: Guard): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, created) => {
    const refusal = refusalOf(guard, options);
    if (!refusal) return connect(options, created);
    process.nextTick(() => created?.(refusal, undefined as never));
    return undefined;
  };
  return agent;
}

/**
 * Certificates of authorities from a PEM file.
 * @throws INVALID_ARGUMENT (4002) when it can not be read or holds none
 */
export function readCertificates(path: string): string {
  const wrong = (because: string) => fail('INVALID_ARGUMENT', { what: `destination_ca = '${path}': ${because}` });
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    throw wrong(`it can not be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw wrong('it holds no certificate in PEM');
  return text;
}

/**
 * Agents for the client of one object store; whoever makes them destroys them.
 * @param options how many sockets, how long they are kept
 * @throws INVALID_ARGUMENT (4002) when the file of `destination_ca` can not be read
 */
export function guardedAgents(uri: ObjectStoreUri, options: AgentOptions = {}): { http: HttpAgent; https: HttpsAgent } {
  const guard = guardOf(uri);
  const path = uri.network?.caFile;
  // Given none, Node takes those that came with it and NODE_EXTRA_CA_CERTS.
  const ca = path ? { ca: [...rootCertificates, readCertificates(path)] } : {};
  const guardedOptions = { ...options, lookup: guardedLookup(guard) };
  return {
    http: guarded(new HttpAgent(guardedOptions), guard),
    https: guarded(new HttpsAgent({ ...guardedOptions, ...ca, rejectUnauthorized: true }), guard),
  };
}

/** Codes of Node and OpenSSL for a certificate that was not accepted, with what can be done. */
const CERTIFICATE_CODES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is signed by nobody but itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'comes from an authority that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'comes from an authority that is not known',
  UNABLE_TO_GET_ISSUER_CERT: 'comes from an authority that is not known',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'comes from an authority that is not known',
  CERT_SIGNATURE_FAILURE: 'has a signature that is wrong',
  CERT_UNTRUSTED: 'comes from an authority that is not trusted',
};
const TRUST = 'name the certificate of its authority with destination_ca';

/** Why a connection was not trusted, and what to do; undefined for any other error. */
export function certificateFault(error: unknown): string | undefined {
  const { code, message = '' } = error as { code?: string; message?: string };
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the certificate is of another host (${message.replace(/^.*altnames: /i, '').slice(0, 200)}); write the host that it names`;
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired; renew it there';
  if (code === 'CERT_NOT_YET_VALID') return "its certificate is not valid yet; compare the two machines' clocks";
  const known = code === undefined ? undefined : CERTIFICATE_CODES[code];
  return known && `its certificate ${known}; ${TRUST}`;
}
