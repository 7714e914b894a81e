// What stands before every statement that names a destination: an administrator of a tenant may name only what the cluster
// allows him; what the cluster's own administrator names for a tenant is thereby approved.
import { clientErrno, fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { destinationFailure } from '../destination/file-errors.ts';
import { realPlace, refuseOwnFiles } from '../destination/real-place.ts';
import { keyFilePlace } from '../keys/keys.ts';
import { allowedRoots, isAtOrBelow } from '../model/destination-allow.ts';
import {
  type DestinationUri,
  type FileUri,
  formatDestinationUri,
  parseDestinationUri,
} from '../model/destination-uri.ts';
import type { StatementResult } from '../model/result.ts';
import type { Tenant } from '../model/tenant.ts';
import { isListedPlace } from '../store/destination-access.ts';
import { splitValidatePath } from '../validate/list-path.ts';
import { isSys, ownTenant, type SqlDependencies } from './dependencies.ts';
import { parseDataDestCopy } from './grammar/data-dest.ts';
import type { Statement, StatementKind, StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';

/** Statements that only the sys tenant may run. */
const OF_SYS: ReadonlySet<StatementKind> = new Set([
  ...(['addRestoreSource', 'restore', 'previewRestore', 'recoverTable', 'setParameters'] as const),
]);

const parse = (text: string) => parseDestinationUri(text.trim());
const each = (texts: readonly string[]) => texts.map((text) => () => parse(text));
/** A text is a uri itself, or holds it in an attribute. */
const inText = (text: string) => each([text, ...[...text.matchAll(/LOCATION\s*=\s*(\S+)/gi)].map(([, uri]) => uri!)]);

/** @returns '' for a copy that is taken away */
function dataDestOf({ destNo, value }: StatementOf<'setDataBackupDest'>): string {
  return destNo === 0 ? value : (parseDataDestCopy(value)?.uri ?? '');
}

/** Readers of the places that a statement names, which throw where there is none. */
function readersOf(statement: Statement): Array<() => DestinationUri> {
  switch (statement.kind) {
    case 'setArchiveDest':
      return inText(statement.attributes);
    case 'setLogRestoreSource':
      return inText(statement.source);
    case 'setDataBackupDest':
      return inText(dataDestOf(statement));
    case 'validate':
      return [statement.dataBackupDest, statement.logArchiveDest]
        .filter((path) => path !== null)
        .map((path) => () => splitValidatePath(path).uri);
    case 'backupKey':
      return statement.to === null ? [] : [() => keyFilePlace(statement.to!).directory];
    case 'catalogBackup':
      return each(statement.uris);
    case 'addRestoreSource':
      return each([statement.uri]);
    case 'restore':
    case 'previewRestore':
    case 'recoverTable': {
      const { uris, withKey } = statement;
      return [...each(uris ?? []), ...(withKey ? [() => keyFilePlace(withKey.from).directory] : [])];
    }
    case 'setParameters':
      return each(statement.assignments.filter(({ name }) => name === 'archive_new_tenants').map(({ value }) => value));
    default:
      return [];
  }
}

/** The places that a statement names; one that can not be read is left to the statement, which refuses it. */
export function placesOf(statement: Statement): DestinationUri[] {
  return readersOf(statement).flatMap((read) => {
    try {
      return [read()];
    } catch {
      return [];
    }
  });
}

/** @throws BACKUP_PERMISSION_DENIED (9071) */
async function checkRealPlace(deps: SqlDependencies, tenant: Tenant, uri: FileUri): Promise<void> {
  const shown = formatDestinationUri(uri);
  const follow = async (path: string) => {
    try {
      return await realPlace(path);
    } catch (error) {
      throw destinationFailure(error, shown, 'look at it');
    }
  };
  const path = await follow(uri.path);
  refuseOwnFiles(await follow(deps.dataDir), uri, path);
  if (path === uri.path) return;
  const roots = allowedRoots(deps.store.parameter(SYS_TENANT_ID, 'tenant_destination_allow'), tenant);
  if (!roots) return;
  for (const root of roots) {
    if (
      root.scheme === 'file' &&
      isAtOrBelow({ ...uri, path }, { ...root, path: root.path && (await follow(root.path)) })
    )
      return;
  }
  const because = 'a link in its path leads to where tenant_destination_allow names no place for this tenant';
  throw fail('BACKUP_PERMISSION_DENIED', { uri: shown, because });
}

/** @throws BACKUP_PERMISSION_DENIED (9071) */
async function checkTenantMayName(deps: SqlDependencies, tenant: Tenant, uri: DestinationUri): Promise<void> {
  if (isListedPlace(deps.store, tenant.tenantId, uri) === false) {
    const because =
      'tenant_destination_allow names no place for this tenant that it lies below; root@sys can add one, or name the destination himself';
    throw fail('BACKUP_PERMISSION_DENIED', { uri: formatDestinationUri(uri), because });
  }
  if (uri.scheme === 'file') await checkRealPlace(deps, tenant, uri);
}

/** What goes over a network without TLS is read and changed by whoever sits there. */
function warnOfPlain(session: Session, uri: DestinationUri): void {
  if (uri.scheme === 'file' || !uri.host.startsWith('http://')) return;
  session.warnings.push({
    level: 'Warning',
    errno: clientErrno('INVALID_BACKUP_DEST', session.mode),
    message: `'${formatDestinationUri(uri)}' is spoken to without TLS, because its host says http://: only for a network that nobody else can read`,
  });
}

/** The tenant that a statement of sys is for; one that is none, or several, the statement itself refuses. */
function tenantIdOf(deps: SqlDependencies, statement: Statement): number | undefined {
  const selection = 'tenants' in statement ? statement.tenants : null;
  const [name, ...others] = typeof selection === 'string' ? [] : (selection ?? []);
  return name === undefined || others.length > 0 ? undefined : deps.store.tenantByName(name)?.tenantId;
}

/** Statements whose own refusal says more than one of the place that they name. */
function isRefusedToTenants(statement: Statement): boolean {
  return OF_SYS.has(statement.kind) || ('tenants' in statement && statement.tenants !== null);
}

/**
 * Carries out a statement that names places.
 * @throws BACKUP_PERMISSION_DENIED (9071) for what the tenant may not name
 */
export async function whileNaming(
  deps: SqlDependencies,
  session: Session,
  { statement, places }: { statement: Statement; places: readonly DestinationUri[] },
  work: () => Promise<StatementResult> | StatementResult,
): Promise<StatementResult> {
  for (const uri of places) warnOfPlain(session, uri);
  const withWarnings = async () => {
    const result = await work();
    return session.warnings.length === 0 ? result : { ...result, warnings: session.warnings.length };
  };
  if (!isSys(session) && !isRefusedToTenants(statement)) {
    const tenant = ownTenant(deps, session);
    for (const uri of places) await checkTenantMayName(deps, tenant, uri);
  }
  const tenantId = isSys(session) ? tenantIdOf(deps, statement) : undefined;
  if (tenantId === undefined) return await withWarnings();
  return await deps.store.approving.during(tenantId, places.map(formatDestinationUri), withWarnings);
}
