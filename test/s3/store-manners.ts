// How a store behaves that is not like the test server: what it makes of conditions, how long its pages are, its clock.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AccessKey } from '../../src/model/destination-uri.ts';
import { signAgain } from './sign-again.ts';

/** A server refuses requests that are signed for a time further off than this. @source AWS S3, RequestTimeTooSkewed */
const SKEW_MAX_MS = 15 * 60_000;

export interface StoreManners {
  /** Its clock is so much ahead. */
  clockAheadMs?: number;
  /**
   * What it makes of "only if there is none". `ignores`: it overwrites; `refuses`: answer 501; `everywhere`: it heeds that
   * for uploads in parts and in buckets with versions too, as AWS does and radosgw does not.
   */
  ifNoneMatch?: 'ignores' | 'refuses' | 'everywhere';
  /** Most entries that it lists at once. */
  pageEntries?: number;
}

/** What goes to the server in place of the client's request. */
export interface RewrittenRequest {
  target: string;
  headers: IncomingHttpHeaders;
}

/** The time that such a store tells; undefined: that of the server. */
export function dateOf({ clockAheadMs }: StoreManners): Date | undefined {
  return clockAheadMs === undefined ? undefined : new Date(Date.now() + clockAheadMs);
}

/** Status and code of its refusal, if it refuses the request. */
export function refusalOf(manners: StoreManners, { headers }: IncomingMessage): [number, string] | undefined {
  if (manners.ifNoneMatch === 'refuses' && headers['if-none-match'] !== undefined) return [501, 'NotImplemented'];
  const date = dateOf(manners);
  if (date && Math.abs(readAmzDate(String(headers['x-amz-date'])) - date.getTime()) > SKEW_MAX_MS)
    return [403, 'RequestTimeTooSkewed'];
  return undefined;
}

/** The request as the server must get it to behave so. @param access whose requests can be signed again; others stay */
export function rewrite(manners: StoreManners, request: IncomingMessage, access: AccessKey): RewrittenRequest {
  const { clockAheadMs = 0, ifNoneMatch, pageEntries } = manners;
  const headers = { ...request.headers };
  const url = new URL(request.url!, 'http://proxy');
  if (ifNoneMatch === 'ignores') delete headers['if-none-match'];
  if (clockAheadMs !== 0)
    headers['x-amz-date'] = formatAmzDate(readAmzDate(String(headers['x-amz-date'])) - clockAheadMs);
  if (pageEntries !== undefined && url.searchParams.get('list-type') === '2')
    url.searchParams.set('max-keys', String(pageEntries));
  const target = `${url.pathname}${url.search}`;
  const isChanged =
    target !== `${url.pathname}${new URL(request.url!, 'http://proxy').search}` ||
    headers['x-amz-date'] !== request.headers['x-amz-date'] ||
    headers['if-none-match'] !== request.headers['if-none-match'];
  if (!isChanged || !headers.authorization?.includes(`Credential=${access.accessId}/`))
    return { target: request.url!, headers: request.headers };
  headers.authorization = signAgain({ method: request.method!, target, headers }, access);
  return { target, headers };
}

/** `20261123T073200Z` */
function readAmzDate(text: string): number {
  return Date.parse(text.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
}

function formatAmzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
}
