// ALTER SYSTEM SET name = value: cluster and tenant parameters.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { readCertificates } from '../destination/guarded-agents.ts';
import { parseHostsAllow } from '../destination/hosts-allow.ts';
import { checkAllowList } from '../model/destination-allow.ts';
import { formatWithOptions, maskUri, parseDestinationUri } from '../model/destination-uri.ts';
import {
  isParameterName,
  isParameterValue,
  PARAMETERS,
  type ParameterDefinition,
  type ParameterName,
  RETIRED_PARAMETERS,
} from '../model/parameter.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { keepAccess } from '../store/destination-access.ts';
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

/** To the caller's transaction. */
function save(deps: SqlDependencies, tenantId: number, { name, value }: { name: ParameterName; value: string }): void {
  deps.store.setParameter(tenantId, name, value);
  const facts = { tenant_id: tenantId, name, value: maskUri(value) };
  deps.store.recordEvent(deps.clock.nowNs(), { module: 'parameter', event: 'set_parameter', facts });
}

/** What is to be done in the transaction of all assignments, and what behind it. */
interface Change {
  make(): void;
  afterwards?(): Promise<void>;
}

/** What the values of some cluster parameters must be, beyond their type. */
const CHECKS: Partial<Record<ParameterName, (value: string) => void>> = {
  tenant_destination_allow: checkAllowList,
  destination_hosts_allow: parseHostsAllow,
  destination_ca: (value) => value === '' || readCertificates(value),
};

/** The place is shown to whoever sees parameters: its access key lies apart. */
function placeOfNewTenants(deps: SqlDependencies, text: string): Change {
  const uri = parseDestinationUri(text);
  const value = uri.scheme === 'file' ? text : formatWithOptions(uri);
  const make = () => {
    keepAccess(deps.store, SYS_TENANT_ID, uri);
    save(deps, SYS_TENANT_ID, { name: 'archive_new_tenants', value });
  };
  return { make };
}

function check(deps: SqlDependencies, session: Session, assignment: ParameterAssignment): Change {
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
    throw fail('INVALID_ARGUMENT', { what: `${name} = '${maskUri(value)}'${range}` });
  }
  if (definition.scope === 'cluster') {
    if (!isSys(session)) throw fail('NO_PRIVILEGE', { privilege: 'SUPER (a cluster parameter belongs to root@sys)' });
    if (name === 'archive_new_tenants' && value !== '') return placeOfNewTenants(deps, value);
    CHECKS[name]?.(value);
    return { make: () => save(deps, SYS_TENANT_ID, { name, value }) };
  }
  const tenantIds = tenantIdsOf(deps, session, assignment);
  if (name === 'archive_lag_target') {
    for (const tenantId of tenantIds) {
      if (deps.store.archiveDests.get({ tenantId })) continue;
      throw fail('NOT_SUPPORTED', { what: 'set archive_lag_target before log_archive_dest is' });
    }
  }
  const make = () => {
    for (const tenantId of tenantIds) {
      save(deps, tenantId, { name, value });
      if (name === 'archive_lag_target' || name === 'gap_repair') deps.archive.refreshLagTarget(tenantId);
      if (name === 'tde_method' && value.toLowerCase() === 'internal') deps.keys.ensure(tenantId);
    }
  };
  if (name !== 'tde_method') return { make };
  // Whoever commits after the answer finds his log encrypted.
  const afterwards = async () => {
    for (const tenantId of tenantIds) await deps.archive.refreshSeal(tenantId);
  };
  return { make, afterwards };
}

/** All assignments are checked before the first one is made. */
export async function setParameters(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setParameters'>,
): Promise<StatementResult> {
  const changes = statement.assignments.map((assignment) => check(deps, session, assignment));
  deps.store.transaction(() => {
    for (const { make } of changes) make();
  });
  for (const { afterwards } of changes) await afterwards?.();
  return okResult();
}
