// One statement, one function: the table from a parsed statement's kind to what carries it out.
import { fail } from '../base/errors.ts';
import { okResult, type SqlValue, type StatementResult } from '../model/result.ts';
import { setPassword } from './accounts.ts';
import { setArchiveDest, setArchiveDestState, setArchiveMode, setDataBackupDest } from './archive-statements.ts';
import { cancelBackup, setEncryption, startBackup } from './backup-statements.ts';
import { catalogBackup } from './catalog-statements.ts';
import { addDeletePolicy, cancelDelete, deleteBackup, deleteObsolete, dropDeletePolicy } from './clean-statements.ts';
import type { SqlDependencies } from './dependencies.ts';
import { runOnEngine, runTransaction } from './engine-statements.ts';
import type { Statement, StatementKind } from './grammar/statement.ts';
import { backupKey, rotateKey } from './key-statements.ts';
import { placesOf, whileNaming } from './name-places.ts';
import { setParameters } from './parameter-statements.ts';
import { cancelRecoverTable, recoverTable } from './recover-statements.ts';
import { alterPool, alterUnit, createPool, createUnit, dropPool, dropUnit } from './resource-statements.ts';
import {
  addRestoreSource,
  cancelRestore,
  clearRestoreSource,
  previewRestore,
  restoreTenant,
  setDecryption,
} from './restore-statements.ts';
import { addSchedule, changeSchedule } from './schedule-statements.ts';
import { runSelect } from './select.ts';
import type { Session } from './session.ts';
import { kill, runSet, setTransaction, useDatabase } from './session-statements.ts';
import { runShow } from './show.ts';
import { activateStandby, recoverStandby, runUpgradeJob, setLogRestoreSource } from './standby-statements.ts';
import { changeStorageDest, takeOver } from './storage-statements.ts';
import { alterTenant, createTenant, dropTenant } from './tenant-statements.ts';
import { createUser, dropUser, grantPrivileges, lockUser, renameUser, revokePrivileges } from './user-statements.ts';
import { cancelValidate, validateBackups } from './validate-statements.ts';

export interface StatementRequest {
  sql: string;
  parameters: readonly SqlValue[];
  signal: AbortSignal;
}

/** Statements of the manual that this version knows and does not build yet, with the words of error 4007. */
export const NOT_BUILT: Partial<Record<StatementKind, string>> = {
  switchover:
    'SWITCHOVER (a standby replays an archive and has no primary to change roles with; ACTIVATE STANDBY opens it) is',
};

/** Runs a parsed statement. Errors are thrown as expected errors. */
export function runStatement(
  deps: SqlDependencies,
  session: Session,
  statement: Statement,
  request: StatementRequest,
): Promise<StatementResult> | StatementResult {
  const places = placesOf(statement);
  const work = () => carryOut(deps, session, statement, request);
  return places.length === 0 ? work() : whileNaming(deps, session, { statement, places }, work);
}

function carryOut(
  deps: SqlDependencies,
  session: Session,
  statement: Statement,
  request: StatementRequest,
): Promise<StatementResult> | StatementResult {
  switch (statement.kind) {
    case 'select':
      return runQuery(deps, session, statement, request);
    case 'engine':
      return runOnEngine(deps, session, { ...request, statement });
    case 'transaction':
      return runTransaction(deps, session, statement, request.signal);
    case 'show':
      return runShow(deps, session, statement, request.signal);
    case 'set':
      return runSet(deps, session, statement, request.signal);
    case 'empty':
      throw fail('SYNTAX', { near: '', line: 1 });
    case 'catalogBackup':
      return catalogBackup(deps, session, statement, request.signal);
    case 'dead':
      throw fail('NOT_SUPPORTED', { what: statement.what });
    case 'notSupported':
      throw fail('NOT_SUPPORTED', { what: statement.what });
    default:
      return runSessionStatement(deps, session, statement) ?? runClusterStatement(deps, session, statement);
  }
}

async function runQuery(
  deps: SqlDependencies,
  session: Session,
  statement: Extract<Statement, { kind: 'select' }>,
  request: StatementRequest,
): Promise<StatementResult> {
  const result = await runSelect(deps, session, { ...request, statement });
  return result === 'engine'
    ? runOnEngine(deps, session, { ...request, statement: { ...statement, verb: 'SELECT' } })
    : result;
}

/** Statements about the session and about accounts; undefined for others. */
function runSessionStatement(
  deps: SqlDependencies,
  session: Session,
  statement: Statement,
): StatementResult | undefined {
  switch (statement.kind) {
    case 'use':
      useDatabase(deps, session, statement.database);
      return okResult();
    case 'kill':
      return kill(deps, session, statement);
    case 'setTransaction':
      return setTransaction(deps, session, statement);
    case 'setPassword':
      setPassword(deps, session, statement);
      return okResult();
    case 'createUser':
      return createUser(deps, session, statement);
    case 'dropUser':
      return dropUser(deps, session, statement);
    case 'lockUser':
      return lockUser(deps, session, statement);
    case 'renameUser':
      return renameUser(deps, session, statement);
    case 'grant':
      return grantPrivileges(deps, session, statement);
    case 'revoke':
      return revokePrivileges(deps, session, statement);
    case 'setEncryption':
      return setEncryption(deps, session, statement);
    case 'setDecryption':
      return setDecryption(session, statement);
    case 'addRestoreSource':
      return addRestoreSource(session, statement);
    case 'clearRestoreSource':
      return clearRestoreSource(session);
    default:
      return undefined;
  }
}

function runClusterStatement(
  deps: SqlDependencies,
  session: Session,
  statement: Statement,
): Promise<StatementResult> | StatementResult {
  switch (statement.kind) {
    case 'setArchiveDest':
      return setArchiveDest(deps, session, statement);
    case 'setArchiveDestState':
      return setArchiveDestState(deps, session, statement);
    case 'setDataBackupDest':
      return setDataBackupDest(deps, session, statement);
    case 'takeOver':
      return takeOver(deps, session, statement);
    case 'changeStorageDest':
      return changeStorageDest(deps, session, statement);
    case 'setArchiveMode':
      return setArchiveMode(deps, session, statement);
    case 'setParameters':
      return setParameters(deps, session, statement);
    case 'backup':
      return startBackup(deps, session, statement);
    case 'cancelBackup':
      return cancelBackup(deps, session, statement);
    case 'backupKey':
      return backupKey(deps, session, statement);
    case 'rotateKey':
      return rotateKey(deps, session, statement);
    case 'restore':
      return restoreTenant(deps, session, statement);
    case 'previewRestore':
      return previewRestore(deps, session, statement);
    case 'cancelRestore':
      return cancelRestore(deps, session, statement);
    case 'recoverTable':
      return recoverTable(deps, session, statement);
    case 'cancelRecoverTable':
      return cancelRecoverTable(deps, session, statement);
    case 'validate':
      return validateBackups(deps, session, statement);
    case 'cancelValidate':
      return cancelValidate(deps, session, statement);
    default:
      return (
        runStandbyStatement(deps, session, statement) ??
        runCleanStatement(deps, session, statement) ??
        runTenantStatement(deps, session, statement)
      );
  }
}

/** Statements of restored tenants; undefined for others. */
function runStandbyStatement(
  deps: SqlDependencies,
  session: Session,
  statement: Statement,
): Promise<StatementResult> | StatementResult | undefined {
  switch (statement.kind) {
    case 'setLogRestoreSource':
      return setLogRestoreSource(deps, session, statement);
    case 'recoverStandby':
      return recoverStandby(deps, session, statement);
    case 'activateStandby':
      return activateStandby(deps, session, statement);
    case 'runUpgradeJob':
      return runUpgradeJob(deps, session, statement);
    default:
      return undefined;
  }
}

/** Statements of cleaning and of schedules; undefined for others. */
function runCleanStatement(deps: SqlDependencies, session: Session, statement: Statement): StatementResult | undefined {
  switch (statement.kind) {
    case 'addDeletePolicy':
      return addDeletePolicy(deps, session, statement);
    case 'dropDeletePolicy':
      return dropDeletePolicy(deps, session, statement);
    case 'deleteBackup':
      return deleteBackup(deps, session, statement);
    case 'deleteObsolete':
      return deleteObsolete(deps, session, statement);
    case 'cancelDelete':
      return cancelDelete(deps, session, statement);
    case 'addSchedule':
      return addSchedule(deps, session, statement);
    case 'changeSchedule':
      return changeSchedule(deps, session, statement);
    default:
      return undefined;
  }
}

function runTenantStatement(
  deps: SqlDependencies,
  session: Session,
  statement: Statement,
): Promise<StatementResult> | StatementResult {
  switch (statement.kind) {
    case 'createTenant':
      return createTenant(deps, session, statement);
    case 'alterTenant':
      return alterTenant(deps, session, statement);
    case 'dropTenant':
      return dropTenant(deps, session, statement);
    case 'createUnit':
      return createUnit(deps, session, statement);
    case 'alterUnit':
      return alterUnit(deps, session, statement);
    case 'dropUnit':
      return dropUnit(deps, session, statement);
    case 'createPool':
      return createPool(deps, session, statement);
    case 'alterPool':
      return alterPool(deps, session, statement);
    case 'dropPool':
      return dropPool(deps, session, statement);
    default:
      throw fail('NOT_SUPPORTED', { what: NOT_BUILT[statement.kind] ?? `${statement.kind} is` });
  }
}
