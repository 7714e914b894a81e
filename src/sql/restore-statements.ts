// Statements of restore: SET DECRYPTION, RESTORE, PREVIEW, CANCEL RESTORE, restore sources.
import { ERRORS, fail } from '../base/errors.ts';
import type { SetOpeners } from '../model/backup-job.ts';
import {
  bigint,
  type Column,
  okResult,
  rowsResult,
  type SqlValue,
  type StatementResult,
  varchar,
} from '../model/result.ts';
import type { Scn } from '../model/scn.ts';
import { formatTime } from '../model/time-zone.ts';
import type { RestorePreview, RestoreRequest, RestoreTarget } from '../restore/restore-service.ts';
import { isSys, requireSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf, Until } from './grammar/statement.ts';
import { withKeysFrom } from './key-statements.ts';
import type { Session } from './session.ts';

/** Sources that ADD RESTORE SOURCE may collect in one session. */
const RESTORE_SOURCES_MAX = 1000;

/** Whatever was derived from the passwords before goes with them. */
export function setDecryptionPasswords(session: Session, passwords: readonly string[]): void {
  session.decryptionPasswords = passwords;
  session.decryptionKeys.clear();
}

export function setDecryption(session: Session, statement: StatementOf<'setDecryption'>): StatementResult {
  if (!isSys(session)) throw fail('NOT_SUPPORTED', { what: 'SET DECRYPTION in a user tenant is' });
  setDecryptionPasswords(session, statement.passwords);
  return okResult();
}

function targetOf(until: Until | null): RestoreTarget {
  if (until === null) return { kind: 'newest' };
  return until.by === 'SCN' ? { kind: 'scn', scn: until.scn } : { kind: 'time', text: until.time };
}

/** What a statement and its session say of a restore. The tenant is the one that the statement names. */
export function requestOf(
  session: Session,
  statement: StatementOf<'restore'> | StatementOf<'previewRestore'> | StatementOf<'recoverTable'>,
): RestoreRequest {
  if (statement.encryptedBy !== null)
    throw fail('NOT_SUPPORTED', { what: 'RESTORE … ENCRYPTED BY (use SET DECRYPTION IDENTIFIED BY) is' });
  const uris = statement.uris ?? session.restoreSources;
  if (uris.length === 0)
    throw fail('INVALID_ARGUMENT', { what: 'RESTORE: no FROM and no ADD RESTORE SOURCE before it' });
  return {
    tenantName: statement.tenant,
    uris,
    target: targetOf(statement.until),
    option: statement.options ?? '',
    passwords: session.decryptionPasswords,
    derivedKeys: session.decryptionKeys,
    description: statement.description ?? '',
  };
}

export async function restoreTenant(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'restore'>,
): Promise<StatementResult> {
  requireSys(session, 'RESTORE');
  const request = requestOf(session, statement);
  const remarks = await withKeysFrom(deps, statement, (tenantKeys) => deps.restore.restore({ ...request, tenantKeys }));
  return okResult(0n, 0n, warnOf(session, remarks));
}

/** Sources that did not answer are warnings. @returns their number */
function warnOf(session: Session, remarks: readonly string[]): number {
  const { errno } = ERRORS.BACKUP_DEST_NOT_CONNECT;
  for (const message of remarks) session.warnings.push({ level: 'Warning', errno, message });
  return session.warnings.length;
}

const PREVIEW_COLUMNS: Column[] = [
  { name: 'ITEM', type: varchar(32) },
  { name: 'NAME', type: varchar(2048) },
  { name: 'BYTES', type: bigint() },
  { name: 'FROM_SCN', type: bigint(true) },
  { name: 'FROM_SCN_DISPLAY', type: varchar(26) },
  { name: 'TO_SCN', type: bigint(true) },
  { name: 'TO_SCN_DISPLAY', type: varchar(26) },
  { name: 'COMMENT', type: varchar(4096) },
];

function openedByText({ hasPassword, hasTenantKey }: SetOpeners): string {
  const key = "the tenant's key (of this cluster, or WITH KEY FROM)";
  if (!hasPassword) return hasTenantKey ? `encrypted: ${key} is needed` : '';
  return `encrypted: SET DECRYPTION IDENTIFIED BY${hasTenantKey ? `, or ${key},` : ''} is needed`;
}

function previewRows(preview: RestorePreview): SqlValue[][] {
  const show = (scn: Scn) => [scn, formatTime(scn, preview.timeZone)];
  const at = preview.restoreScn;
  const source = `${preview.sourceClusterName}/${preview.sourceTenantName} (${preview.sourceTenantId}), time zone ${preview.timeZone}`;
  return [
    [
      'RESTORE POINT',
      source,
      preview.totalBytes,
      ...show(at),
      ...show(at),
      'state after every commit up to and including this scn',
    ],
    ...preview.sets.map((set) => [
      'BACKUP SET',
      set.name,
      set.bytes,
      ...show(set.minRestoreScn),
      ...show(set.minRestoreScn),
      openedByText(set.openedBy),
    ]),
    ...preview.pieces.map((piece) => [
      'PIECE',
      piece.name,
      piece.bytes,
      ...show(piece.fromScn),
      ...show(piece.toScn),
      piece.uri,
    ]),
    ...preview.windows.map((window) => [
      'RESTORE WINDOW',
      `round ${window.roundId}`,
      null,
      ...show(window.fromScn),
      ...show(window.toScn),
      `backup sets ${window.backupSetIds.join(', ')}`,
    ]),
  ];
}

export async function previewRestore(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'previewRestore'>,
): Promise<StatementResult> {
  requireSys(session, 'RESTORE … PREVIEW');
  const request = requestOf(session, statement);
  // A preview opens nothing; a file or password that is wrong is told all the same.
  const preview = await withKeysFrom(deps, statement, () => deps.restore.preview(request));
  return rowsResult(PREVIEW_COLUMNS, previewRows(preview), warnOf(session, preview.remarks));
}

export function cancelRestore(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'cancelRestore'>,
): StatementResult {
  requireSys(session, 'CANCEL RESTORE');
  deps.restore.cancel(statement.tenant);
  return okResult();
}

export function addRestoreSource(session: Session, statement: StatementOf<'addRestoreSource'>): StatementResult {
  requireSys(session, 'ADD RESTORE SOURCE');
  if (session.restoreSources.length >= RESTORE_SOURCES_MAX) {
    throw fail('INVALID_ARGUMENT', { what: `ADD RESTORE SOURCE: more than ${RESTORE_SOURCES_MAX} sources` });
  }
  session.restoreSources.push(statement.uri);
  return okResult();
}

export function clearRestoreSource(session: Session): StatementResult {
  requireSys(session, 'CLEAR RESTORE SOURCE');
  session.restoreSources.length = 0;
  return okResult();
}
