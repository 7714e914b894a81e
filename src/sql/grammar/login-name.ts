// The user text of a login: who, in which tenant, and (through a proxy's forms) in which cluster.
import { NAME_CHARS_MAX } from '../../base/limits.ts';

export interface LoginName {
  user: string;
  /** As written. `sys` when the text names none. */
  tenant: string;
  /** Null when the text names none. */
  cluster: string | null;
}

/** Room for three names and two separators. */
const LOGIN_CHARS_MAX = 3 * NAME_CHARS_MAX + 2;

/** A bare user belongs to the sys tenant. @source OceanBase 4.3.3 docs, connecting to a tenant */
const DEFAULT_TENANT = 'sys';

const isComplete = (name: LoginName) => name.user !== '' && name.tenant !== '' && name.cluster !== '';

/**
 * Parses the user text of a login.
 *
 * `user@tenant`, `user@tenant#cluster`, `user`, `cluster:tenant:user`; and, only where there is neither `@` nor `:`,
 * `cluster-tenant-user` and `cluster.tenant.user` with exactly three parts. So `root@my-tenant` is the tenant
 * `my-tenant`; the last `@` separates, so that a user may contain one.
 * @returns undefined when the text is none of these
 */
export function parseLoginName(text: string): LoginName | undefined {
  if (text === '' || text.length > LOGIN_CHARS_MAX || text.includes('\0')) return undefined;
  const name = readLoginName(text);
  return isComplete(name) ? name : undefined;
}

function readLoginName(text: string): LoginName {
  const at = text.lastIndexOf('@');
  if (at >= 0) {
    const place = text.slice(at + 1);
    const hash = place.indexOf('#');
    if (hash < 0) return { user: text.slice(0, at), tenant: place, cluster: null };
    return { user: text.slice(0, at), tenant: place.slice(0, hash), cluster: place.slice(hash + 1) };
  }
  for (const separator of [':', '-', '.']) {
    const parts = text.split(separator);
    if (parts.length === 3) return { user: parts[2]!, tenant: parts[1]!, cluster: parts[0]! };
    if (separator === ':' && parts.length > 1) return { user: '', tenant: '', cluster: null };
  }
  return { user: text, tenant: DEFAULT_TENANT, cluster: null };
}
