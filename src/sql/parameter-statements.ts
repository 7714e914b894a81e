// ALTER SYSTEM SET name = value: cluster and tenant parameters.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import {
  isParameterName,
  isParameterValue,
  PARAMETERS,
  type ParameterDefinition,
  RETIRED_PARAMETERS,
} from '../model/parameter.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { ParameterAssignment, StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { someTenants } from './target-tenants.ts';

function tenantIdsOf(deps: SqlDependencies, session: Session, assignment: ParameterAssignment): number[] {
  const { tenants: selection, name } = assignment;
  if (isSys(session) && selection === null) {
    throw fail('NOT_SUPPORTED', { what: `setting tenant parameter ${name} for the sys tenant (add TENANT = name) is` });
  }
  if (selection === 'ALL_USER' && name !== 'archive_lag_target') {
    return deps.store.userTenants().map(({ tenantId }) => tenantId);
  }
  return someTenants(deps, session, selection, `ALTER SYSTEM SET ${name}`).tenants.map(({ tenantId }) => tenantId);
}

function check(deps: SqlDependencies, session: Session, assignment: ParameterAssignment): () => void {
  const { name, value } = assignment;
  if (Object.hasOwn(RETIRED_PARAMETERS, name)) {
    const now = RETIRED_PARAMETERS[name]!;
    throw fail('NOT_SUPPORTED', { what: `${name} of OceanBase 2.x and 3.x (now: ${now}) is` });
  }
  if (!isParameterName(name)) throw fail('UNKNOWN_PARAMETER', { parameter: name });
  const definition: ParameterDefinition = PARAMETERS[name];
  if (!isParameterValue(definition, value)) {
    const bounds = definition.range?.join(' to ') ?? definition.values?.join(', ');
    const range = bounds === undefined ? '' : ` (range ${bounds})`;
    throw fail('INVALID_ARGUMENT', { what: `${name} = '${value}'${range}` });
  }
  if (definition.scope === 'cluster') {
    if (name === 'archive_new_tenants' && value !== '') parseDestinationUri(value);
    if (!isSys(session)) throw fail('NO_PRIVILEGE', { privilege: 'SUPER (a cluster parameter belongs to root@sys)' });
    return () => deps.store.setParameter(SYS_TENANT_ID, name, value);
  }
  const tenantIds = tenantIdsOf(deps, session, assignment);
  if (name === 'archive_lag_target') {
    for (const tenantId of tenantIds) {
      if (deps.store.archiveDests.get({ tenantId })) continue;
      throw fail('NOT_SUPPORTED', { what: 'set archive_lag_target before log_archive_dest is' });
    }
  }
  return () => {
    for (const tenantId of tenantIds) {
      deps.store.setParameter(tenantId, name, value);
      if (name === 'archive_lag_target' || name === 'gap_repair') deps.archive.refreshLagTarget(tenantId);
    }
  };
}

/** All assignments are checked before the first one is made. */
export function setParameters(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setParameters'>,
): StatementResult {
  const changes = statement.assignments.map((assignment) => check(deps, session, assignment));
  deps.store.transaction(() => {
    for (const change of changes) change();
  });
  return okResult();
}
