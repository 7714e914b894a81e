// Statements of schedules: ADD, DROP, PAUSE and RESUME BACKUP SCHEDULE. A user tenant's are for itself.
import { fail } from '../base/errors.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { someTenants } from './target-tenants.ts';

function budgetOf(text: string | null): bigint | null {
  if (text === null) return null;
  const bytes = parseCapacityBytes(text);
  if (bytes === undefined || bytes === 0n)
    throw fail('INVALID_ARGUMENT', { what: `BUDGET '${text}': write bytes such as '10G'` });
  return bytes;
}

export function addSchedule(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'addSchedule'>,
): StatementResult {
  const { name, type, cron, password, level, budget, description } = statement;
  const { tenants, isAll } = someTenants(deps, session, statement.tenants, 'ALTER SYSTEM ADD BACKUP SCHEDULE');
  if (type !== 'VALIDATE' && (level !== null || budget !== null))
    throw fail('INVALID_ARGUMENT', { what: `LEVEL and BUDGET of a schedule of TYPE = ${type}` });
  deps.schedule.add({
    ...{ tenantId: session.tenantId, name, type, cron, password, level, description: description ?? '' },
    budgetBytes: budgetOf(budget),
    targets: isAll ? null : tenants.map(({ tenantId }) => tenantId),
  });
  return okResult();
}

export function changeSchedule(
  deps: SqlDependencies,
  session: Session,
  { change, name }: StatementOf<'changeSchedule'>,
): StatementResult {
  if (change === 'DROP') deps.schedule.drop(session.tenantId, name);
  else deps.schedule.setPaused(session.tenantId, name, change === 'PAUSE');
  return okResult();
}
