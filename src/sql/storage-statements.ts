// Statements about the paths that tenants use: CHANGE EXTERNAL_STORAGE_DEST gives one other limits or another access key, also
// while archive and jobs work there; TAKE OVER DESTINATION makes this server their writer.
import { clientErrno, fail } from '../base/errors.ts';
import { proveUse } from '../destination/claim-destination.ts';
import { changeOptions, formatOptions } from '../model/destination-options.ts';
import {
  type DestinationUri,
  formatDestinationUri,
  type ObjectStoreUri,
  parseDestinationUri,
} from '../model/destination-uri.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { keepAccess } from '../store/destination-access.ts';
import type { StoredDestination } from '../store/records.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant, someTenants } from './target-tenants.ts';

function parsePath(path: string): DestinationUri {
  const uri = parseDestinationUri(path.trim());
  if (Object.keys(uri.options).length > 0 || (uri.scheme !== 'file' && uri.access))
    throw fail('INVALID_ARGUMENT', {
      what: 'PATH: it is written without options and access key, which belong in ATTRIBUTE and ACCESS_INFO',
    });
  return uri;
}

/** @throws NOT_SUPPORTED (4007) for a file destination, INVALID_ARGUMENT (4002) for anything but an id and a key */
function withAccess(uri: DestinationUri, accessInfo: string): ObjectStoreUri {
  if (uri.scheme === 'file')
    throw fail('NOT_SUPPORTED', { what: 'ACCESS_INFO of a file destination, which has no access key, is' });
  const wrong = () => fail('INVALID_ARGUMENT', { what: 'ACCESS_INFO: it is access_id=…&access_key=…' });
  const names = accessInfo.split('&').map((part) => part.split('=', 1)[0]!.trim().toLowerCase());
  if (names.sort().join() !== 'access_id,access_key') throw wrong();
  try {
    return parseDestinationUri(`${formatDestinationUri(uri)}&${accessInfo.trim()}`) as ObjectStoreUri;
  } catch {
    throw wrong();
  }
}

/** A key counts when the place was written, read and cleaned with it. */
async function prove(deps: SqlDependencies, uri: ObjectStoreUri, tenantId: number): Promise<void> {
  await using destination = deps.openDestination(uri, tenantId);
  await proveUse(destination);
}

/**
 * An open archive goes by the new limits and key at once; workers of a job keep those that the job began with.
 * @throws NOT_SUPPORTED (4007) from sys without a tenant, and for ACCESS_INFO of a file destination; INVALID_BACKUP_DEST
 *         (9026), ENTRY_NOT_EXIST (4018) for a path that the tenant does not use, INVALID_ARGUMENT (4002);
 *         BACKUP_PERMISSION_DENIED (9071) for a key that does not open it
 * @source OceanBase 4.3.5 docs, CHANGE EXTERNAL_STORAGE_DEST
 */
export async function changeStorageDest(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'changeStorageDest'>,
): Promise<StatementResult> {
  const { tenantId } = oneTenant(deps, session, statement.tenants, 'CHANGE EXTERNAL_STORAGE_DEST');
  const { store, clock } = deps;
  const place = parsePath(statement.path);
  const uri = formatDestinationUri(place);
  const known = knownPath(deps, tenantId, uri);
  const { attribute, accessInfo } = statement;
  const opened = accessInfo === null ? null : withAccess(place, accessInfo);
  if (attribute !== null) changeOptions(known.options, attribute);
  if (opened) await prove(deps, opened, tenantId);
  store.transaction(() => {
    // Proving took its time: what was changed meanwhile stays changed.
    const now = knownPath(deps, tenantId, uri);
    const isOfOptions = attribute !== null || !opened;
    const options = isOfOptions ? changeOptions(now.options, attribute ?? '') : now.options;
    store.changeDestination(tenantId, uri, { options });
    if (opened) keepAccess(store, tenantId, opened);
    const facts = { tenant_id: tenantId, dest_id: now.destId, path: uri, attribute: formatOptions(options) };
    store.recordEvent(clock.nowNs(), {
      module: now.destType === 'archive_log' ? 'log_archive' : 'backup_data',
      event: 'change_external_storage_dest',
      facts: opened ? { ...facts, access_info: 'changed' } : facts,
    });
  });
  return okResult();
}

/** @throws ENTRY_NOT_EXIST (4018) */
function knownPath({ store }: SqlDependencies, tenantId: number, uri: string): StoredDestination {
  const known = store.destinations.find({ tenantId, uri })[0];
  if (!known || known.destType === '') throw fail('ENTRY_NOT_EXIST', { what: 'the path does not exist' });
  return known;
}

/**
 * Makes this server the writer of the tenants' destinations. A path that another server goes on writing to is taken from it:
 * it stops by itself.
 * @throws the errors of the first destination that can not be taken; those before it are
 */
export async function takeOver(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'takeOver'>,
): Promise<StatementResult> {
  if (isSys(session) && statement.tenants === null)
    throw fail('NOT_SUPPORTED', { what: 'TAKE OVER DESTINATION for the sys tenant (add TENANT = name or ALL) is' });
  const { tenants } = someTenants(deps, session, statement.tenants, 'TAKE OVER DESTINATION');
  let taken = 0;
  for (const { tenantId } of tenants) taken += await deps.takeOver.takeOver(tenantId);
  if (taken > 0) return okResult();
  session.warnings.push({
    level: 'Note',
    errno: clientErrno('ENTRY_NOT_EXIST', session.mode),
    message: 'this server holds every destination already',
  });
  return okResult(0n, 0n, session.warnings.length);
}
