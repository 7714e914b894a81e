// The list of `tenant_destination_allow`: which destinations a tenant's administrator may name.
import { fail } from '../base/errors.ts';
import { type DestinationUri, formatDestinationUri, maskUri, parseDestinationUri } from './destination-uri.ts';

/** What separates the entries of a list. */
const SEPARATOR = /[\s,]+/;
/** The whole list of a cluster whose tenants name nothing themselves. */
export const NOTHING = 'none';
const PLACEHOLDER = /\{(\w+)\}/g;

/** Whose list it is. */
export interface AllowedTenant {
  tenantId: number;
  name: string;
}

/** Stands for all tenants while a list is checked. */
const SAMPLE: AllowedTenant = { tenantId: 1002, name: 'tenant' };

function entriesOf(list: string): string[] {
  return list.split(SEPARATOR).filter((entry) => entry !== '');
}

/** The uri that an entry stands for; its path is empty when it stands for everything there. */
function parseEntry(entry: string, { tenantId, name }: AllowedTenant): DestinationUri {
  const values: Record<string, string> = { tenant: name, tenant_id: String(tenantId) };
  const wrong = (because: string) =>
    fail('INVALID_ARGUMENT', { what: `tenant_destination_allow: '${maskUri(entry)}' ${because}` });
  const filled = entry.replace(PLACEHOLDER, (_, word: string) => {
    const value = values[word];
    if (value === undefined) throw wrong('has another placeholder than {tenant} and {tenant_id}');
    return value;
  });
  // A path of its own lets an entry end at the root of a bucket or file system, which is no destination.
  const [, location, query = ''] = /^([a-z0-9]+:\/\/[^?]*?)\/*(\?.*)?$/i.exec(filled) ?? [];
  if (location === undefined) throw wrong('is no uri');
  const uri = parseDestinationUri(`${location}/_${query}`);
  if (Object.keys(uri.options).length > 0 || (uri.scheme !== 'file' && uri.access))
    throw wrong('says more than a place: options and access keys do not belong here');
  return { ...uri, path: uri.path.slice(0, -'/_'.length) };
}

/** @throws INVALID_ARGUMENT (4002), INVALID_BACKUP_DEST (9026) for a text that is no such list */
export function checkAllowList(list: string): void {
  if (list.trim().toLowerCase() === NOTHING) return;
  for (const entry of entriesOf(list)) parseEntry(entry, SAMPLE);
}

/** True when a place is the other one or lies below it, by whole parts of its path. */
export function isAtOrBelow(place: DestinationUri, root: DestinationUri): boolean {
  const isBelow = place.path === root.path || place.path.startsWith(`${root.path}/`);
  const rootOf = (uri: DestinationUri) => formatDestinationUri({ ...uri, path: '' });
  return isBelow && rootOf(place) === rootOf(root);
}

/** The roots that a list names for a tenant; undefined when the list is empty and says nothing. */
export function allowedRoots(list: string, tenant: AllowedTenant): DestinationUri[] | undefined {
  if (list.trim() === '') return undefined;
  if (list.trim().toLowerCase() === NOTHING) return [];
  return entriesOf(list).flatMap((entry) => {
    try {
      return [parseEntry(entry, tenant)];
    } catch {
      // The name of this tenant makes no path: nothing is his by this entry.
      return [];
    }
  });
}
