// CHANGE EXTERNAL_STORAGE_DEST: other limits for a path that a tenant uses, also while archive and jobs work there.
import { fail } from '../base/errors.ts';
import { changeOptions, formatOptions } from '../model/destination-options.ts';
import { type DestinationUri, formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant } from './target-tenants.ts';

function parsePath(path: string): DestinationUri {
  const uri = parseDestinationUri(path.trim());
  if (Object.keys(uri.options).length > 0)
    throw fail('INVALID_ARGUMENT', { what: 'PATH: it is written without options, they belong in ATTRIBUTE' });
  return uri;
}

/**
 * An open archive goes by the new limits at once; workers of a job keep those that the job began with.
 * @throws NOT_SUPPORTED (4007) from sys without a tenant, and for ACCESS_INFO of a file destination; INVALID_BACKUP_DEST
 *         (9026), ENTRY_NOT_EXIST (4018) for a path that the tenant does not use, INVALID_ARGUMENT (4002)
 * @source OceanBase 4.3.5 docs, CHANGE EXTERNAL_STORAGE_DEST
 */
export function changeStorageDest(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'changeStorageDest'>,
): StatementResult {
  const { tenantId } = oneTenant(deps, session, statement.tenants, 'CHANGE EXTERNAL_STORAGE_DEST');
  const { store, clock } = deps;
  const uri = formatDestinationUri(parsePath(statement.path));
  const known = store.destinations.find({ tenantId, uri })[0];
  if (!known || known.destType === '') throw fail('ENTRY_NOT_EXIST', { what: 'the path does not exist' });
  if (statement.accessInfo !== null)
    throw fail('NOT_SUPPORTED', { what: 'ACCESS_INFO of a file destination, which has no access key, is' });
  const options = changeOptions(known.options, statement.attribute ?? '');
  store.transaction(() => {
    store.changeDestination(tenantId, uri, { options });
    const facts = { tenant_id: tenantId, dest_id: known.destId, path: uri, attribute: formatOptions(options) };
    store.recordEvent(clock.nowNs(), {
      module: known.destType === 'archive_log' ? 'log_archive' : 'backup_data',
      event: 'change_external_storage_dest',
      facts,
    });
  });
  return okResult();
}
