// Destination uris: file:///abs/path now, s3://, oss:// and cos:// by the same grammar later.
import { fail } from '../base/errors.ts';
import { URI_CHARS_MAX } from '../base/limits.ts';

export interface DestinationUri {
  scheme: 'file';
  /** Absolute, normal (no `.`, `..`, doubled or trailing slashes). */
  path: string;
  /** Query options in the order written; empty for file://. */
  options: Record<string, string>;
}

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
  if (scheme !== 'file' || query !== undefined || !location!.startsWith('/')) throw invalid();
  const parts = location!.split('/').filter((part) => part !== '');
  if (parts.length === 0 || parts.includes('..') || parts.includes('.')) throw invalid();
  return { scheme: 'file', path: `/${parts.join('/')}`, options: {} };
}

/** The uri as it may be shown: normal form, credentials masked. */
export function formatDestinationUri(uri: DestinationUri): string {
  return `${uri.scheme}://${uri.path}`;
}

/** Any text that may hold a uri, with the values of secret options masked. */
export function maskUri(text: string): string {
  return text.replace(/(access_key|access_id|password|secret)=[^&\s,']*/gi, '$1=******');
}
