// What an account may do: its grants, what each of them allows, and what a statement can need. Pure.
import { administratorOf, type TenantMode } from './tenant.ts';

/**
 * SELECT: read. ALTER SYSTEM: the statements that manage (in sys: every tenant; elsewhere the tenant itself).
 * ALL: both, and write to the tenant's own tables. Accounts stay the administrator's affair.
 */
export type Privilege = 'SELECT' | 'ALTER SYSTEM' | 'ALL';

/** Where a grant holds. GLOBAL: `*.*`. SYSTEM: the system views (`oceanbase.*`). DATA: the tenant's own tables. */
export type GrantLevel = 'GLOBAL' | 'SYSTEM' | 'DATA';

export interface Grant {
  privilege: Privilege;
  level: GrantLevel;
}

/** Who asks. The administrator of a tenant needs no grants, and none can be taken from him. */
export interface Rights {
  isAdministrator: boolean;
  grants: readonly Grant[];
}

/** What may be asked of an account. MANAGE ACCOUNTS and MANAGE AUDIT are the administrator's alone. */
export type Need =
  | 'NOTHING'
  | 'READ SYSTEM'
  | 'READ DATA'
  | 'WRITE DATA'
  | 'READ ACCOUNTS'
  | 'ALTER SYSTEM'
  | 'MANAGE ACCOUNTS'
  | 'MANAGE AUDIT';

/** Most specific last: the order of SHOW GRANTS. */
export const GRANT_LEVELS = ['GLOBAL', 'SYSTEM', 'DATA'] as const satisfies readonly GrantLevel[];

/** Which grants answer a need; an empty list: none does. */
const ANSWERS: Record<Exclude<Need, 'NOTHING'>, { privileges: readonly Privilege[]; levels: readonly GrantLevel[] }> = {
  'READ SYSTEM': { privileges: ['SELECT', 'ALL'], levels: ['GLOBAL', 'SYSTEM'] },
  'READ DATA': { privileges: ['SELECT', 'ALL'], levels: ['GLOBAL', 'DATA'] },
  'WRITE DATA': { privileges: ['ALL'], levels: ['GLOBAL', 'DATA'] },
  'READ ACCOUNTS': { privileges: ['SELECT', 'ALL'], levels: ['GLOBAL'] },
  'ALTER SYSTEM': { privileges: ['ALTER SYSTEM', 'ALL'], levels: ['GLOBAL'] },
  'MANAGE ACCOUNTS': { privileges: [], levels: [] },
  'MANAGE AUDIT': { privileges: [], levels: [] },
};

/** The privilege that error 1227 names for a need that is not met. */
export const PRIVILEGE_OF_NEED: Record<Exclude<Need, 'NOTHING'>, string> = {
  'READ SYSTEM': 'SELECT',
  'READ DATA': 'SELECT',
  'WRITE DATA': 'ALL',
  'READ ACCOUNTS': 'SELECT',
  'ALTER SYSTEM': 'ALTER SYSTEM',
  'MANAGE ACCOUNTS': 'CREATE USER',
  'MANAGE AUDIT': 'SUPER',
};

export function isAllowed(rights: Rights, need: Need): boolean {
  if (need === 'NOTHING' || rights.isAdministrator) return true;
  const { privileges, levels } = ANSWERS[need];
  return rights.grants.some(({ privilege, level }) => privileges.includes(privilege) && levels.includes(level));
}

/**
 * True when two names are of one account, as the store sees it: only the letters A to Z have no case. Any other folding
 * would make one account of two (STRASSE, straße), and so lend one the rights of the other.
 */
export function isSameUser(a: string, b: string): boolean {
  return foldUser(a) === foldUser(b);
}

/** The form in which names of one account are equal. */
export function foldUser(user: string): string {
  return user.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** True for the account that administers a tenant of this mode: it can be neither dropped nor locked nor limited. */
export function isAdministrator(mode: TenantMode, user: string): boolean {
  return isSameUser(user, administratorOf(mode));
}

const isSameGrant = (a: Grant, b: Grant) => a.privilege === b.privilege && a.level === b.level;

/** The grants of an account after one more: ALL takes in what else there is on its level. */
export function withGrant(grants: readonly Grant[], added: Grant): Grant[] {
  const covered = grants.some(({ privilege, level }) => privilege === 'ALL' && level === added.level);
  if (covered) return [...grants];
  const kept = grants.filter((grant) =>
    added.privilege === 'ALL' ? grant.level !== added.level : !isSameGrant(grant, added),
  );
  return [...kept, added];
}

/**
 * The grants of an account without one: ALL takes away whatever there is on its level, and nothing less than ALL can
 * be taken from ALL.
 * @returns undefined when it was never granted
 */
export function withoutGrant(grants: readonly Grant[], removed: Grant): Grant[] | undefined {
  const kept = grants.filter((grant) =>
    removed.privilege === 'ALL' ? grant.level !== removed.level : !isSameGrant(grant, removed),
  );
  return kept.length === grants.length ? undefined : kept;
}
