// Statements of table recovery: RECOVER TABLE, CANCEL RECOVER TABLE. Both belong to the sys tenant.
import { fail } from '../base/errors.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import { withKeysFrom } from './key-statements.ts';
import { requestOf } from './restore-statements.ts';
import type { Session } from './session.ts';
import { oneTenant } from './target-tenants.ts';

/** @source OceanBase 4.3.3 docs: the text of error 4179 of CANCEL RECOVER TABLE */
function refuseUserTenant(session: Session, statement: string): void {
  if (!isSys(session)) throw fail('NOT_ALLOWED', { what: `user tenant ${statement} is` });
}

export async function recoverTable(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'recoverTable'>,
): Promise<StatementResult> {
  refuseUserTenant(session, 'recover table');
  const { tenant, tables, remapTables, remapTablegroups, remapTablespaces } = statement;
  if (remapTablegroups.length > 0) throw fail('NOT_SUPPORTED', { what: 'REMAP TABLEGROUP (there are none) is' });
  if (remapTablespaces.length > 0) throw fail('NOT_SUPPORTED', { what: 'REMAP TABLESPACE (there are none) is' });
  if (tenant === null) throw fail('NOT_SUPPORTED', { what: 'RECOVER TABLE without TO TENANT is' });
  const target = oneTenant(deps, session, [tenant], 'RECOVER TABLE');
  const request = requestOf(session, statement);
  const hasPassword = session.decryptionPasswords.length > 0;
  const asked = { targetTenantId: target.tenantId, tables, remaps: remapTables, hasPassword };
  await withKeysFrom(deps, statement, (tenantKeys) =>
    deps.recover.recover({ ...asked, source: { ...request, tenantKeys } }),
  );
  return okResult();
}

export function cancelRecoverTable(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'cancelRecoverTable'>,
): StatementResult {
  refuseUserTenant(session, 'cancel recover table');
  deps.recover.cancel(deps.store.tenantNamed(statement.tenant).name);
  return okResult();
}
