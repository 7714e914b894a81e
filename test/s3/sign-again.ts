// Signs a request to an S3 server anew after the fault proxy changed its headers: AWS Signature Version 4, headers only.
import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { AccessKey } from '../../src/model/destination-uri.ts';

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function canonicalQuery(url: URL): string {
  const pairs = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return pairs.sort().join('&');
}

/**
 * The `authorization` header for a request whose headers are now these. Those that were signed before and are still there
 * are signed; the hash of the body is taken from its header.
 * @param target path and query as they go over the wire
 * @source AWS documentation, Signature Version 4 signing process
 */
export function signAgain(
  request: { method: string; target: string; headers: IncomingHttpHeaders },
  { accessId, accessKey }: AccessKey,
): string {
  const { method, target, headers } = request;
  const [, scope, signed] = /Credential=[^/]+\/([^,]+), ?SignedHeaders=([^,]+)/.exec(headers.authorization ?? '') ?? [];
  if (scope === undefined || signed === undefined) throw new Error('the request was not signed in its headers');
  const date = String(headers['x-amz-date']);
  const [, region, service] = scope.split('/') as [string, string, string];
  const newScope = `${date.slice(0, 8)}/${region}/${service}/aws4_request`;
  const names = signed.split(';').filter((name) => headers[name] !== undefined);
  const url = new URL(target, 'http://proxy');
  const canonical = [
    method,
    url.pathname,
    canonicalQuery(url),
    ...names.map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    names.join(';'),
    String(headers['x-amz-content-sha256']),
  ].join('\n');
  const hash = createHash('sha256').update(canonical).digest('hex');
  const key = newScope.split('/').reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${accessKey}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, newScope, hash].join('\n')).toString('hex');
  return `AWS4-HMAC-SHA256 Credential=${accessId}/${newScope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}
