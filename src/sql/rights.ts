// What the account of a session may do now: read anew for each statement, so that a change holds at once.
import { fail } from '../base/errors.ts';
import { isAdministrator, isAllowed, type Need, PRIVILEGE_OF_NEED, type Rights } from '../model/privilege.ts';
import type { Store } from '../store/store.ts';
import type { Session } from './session.ts';

const ADMINISTRATOR: Rights = { isAdministrator: true, grants: [] };

/** @throws ACCESS_DENIED (1045) when the account was dropped */
export function rightsOf({ store }: { store: Store }, session: Session): Rights {
  const { tenantId, mode, user, host } = session;
  if (isAdministrator(mode, user)) return ADMINISTRATOR;
  const account = store.accounts.get({ tenantId, user });
  if (!account) throw fail('ACCESS_DENIED', { user, host, withPassword: true });
  return { isAdministrator: false, grants: account.grants };
}

/** The complaint that a need is not met. */
export function noPrivilege(need: Exclude<Need, 'NOTHING'>) {
  return fail('NO_PRIVILEGE', { privilege: PRIVILEGE_OF_NEED[need] });
}

export function may(of: { store: Store }, session: Session, need: Need): boolean {
  return isAllowed(rightsOf(of, session), need);
}

/** @throws NO_PRIVILEGE (1227); ACCESS_DENIED (1045) when the account was dropped */
export function requireRight(of: { store: Store }, session: Session, need: Need): void {
  if (!may(of, session, need) && need !== 'NOTHING') throw noPrivilege(need);
}
