// The service behind every connection: accounts, sessions, and statements from text to result.
import { fail, HoldfastError, toClientError } from '../base/errors.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import type { Column, SqlValue, StatementResult } from '../model/result.ts';
import { checkStillAllowed, findAccount, noteLogin } from './accounts.ts';
import { admit, runAudited } from './admit.ts';
import { setEncryptionPassword } from './backup-statements.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import { engineOf, textForEngine } from './engine-statements.ts';
import { redactSecrets } from './grammar/redact.ts';
import { splitStatements } from './grammar/split.ts';
import { setDecryptionPasswords } from './restore-statements.ts';
import { runStatement } from './run-statement.ts';
import { prepareSelect } from './select.ts';
import type { LoginAccount, LoginRequest, Session, SqlService } from './session.ts';
import { useDatabase } from './session-statements.ts';

export function createSqlService(deps: SqlDependencies): SqlService {
  return {
    serverVersion: deps.serverVersion,
    findAccount: (request) => findAccount(deps, request),
    async openSession(account, request, connectionId) {
      try {
        checkStillAllowed(deps, account, request);
        const session = newSession(deps, account, request, connectionId);
        if (request.database !== null && request.database !== '') useDatabase(deps, session, request.database);
        noteLogin(deps, request, null);
        return session;
      } catch (error) {
        noteLogin(deps, request, error);
        throw error;
      }
    },
    noteFailedLogin: (request, error) => noteLogin(deps, request, error),
    async closeSession(session) {
      await closeEngine(session);
    },
    async resetSession(session) {
      session.variables.clear();
      session.userVariables.clear();
      forgetPasswords(session);
      session.restoreSources = [];
      session.warnings = [];
      session.lastInsertId = 0n;
      await session.engine?.reset();
    },
    async useDatabase(session, database) {
      useDatabase(deps, session, database);
    },
    split: (sql, mode) => splitStatements(sql, mode),
    execute: (session, sql, parameters, signal) => execute(deps, session, { sql, parameters, signal }),
    prepare: (session, sql) => prepare(deps, session, sql),
    isInTransaction: (session) => session.engine?.isInTransaction ?? false,
  };
}

function newSession(
  deps: SqlDependencies,
  account: LoginAccount,
  request: LoginRequest,
  connectionId: number,
): Session {
  return {
    id: connectionId,
    user: account.user,
    tenantId: account.tenantId,
    tenantName: account.tenantName,
    mode: account.mode,
    host: request.host,
    isTls: request.isTls,
    database: deps.catalog.defaultDatabase(account),
    variables: new Map(),
    userVariables: new Map(),
    encryptionPassword: null,
    encryptionKeys: new DerivedKeys(),
    decryptionPasswords: [],
    decryptionKeys: new DerivedKeys(),
    restoreSources: [],
    warnings: [],
    lastInsertId: 0n,
    rowCount: -1n,
    engine: null,
    mayEngineWrite: false,
    running: null,
    sinceMs: deps.clock.monotonicMs(),
  };
}

async function closeEngine(session: Session): Promise<void> {
  const engine = session.engine;
  session.engine = null;
  forgetPasswords(session);
  await engine?.close();
}

function forgetPasswords(session: Session): void {
  setEncryptionPassword(session, null);
  setDecryptionPasswords(session, []);
}

async function execute(
  deps: SqlDependencies,
  session: Session,
  request: { sql: string; parameters: readonly SqlValue[]; signal: AbortSignal },
): Promise<StatementResult> {
  session.running = redactSecrets(request.sql, session.mode);
  session.sinceMs = deps.clock.monotonicMs();
  try {
    const statement = admit(deps, session, request.sql);
    const keepsWarnings = statement.kind === 'show' && /^(WARNINGS|ERRORS|COUNT)/.test(statement.subject);
    if (!keepsWarnings) session.warnings = [];
    const result = await runAudited(deps, session, { sql: request.sql, statement }, () =>
      runStatement(deps, session, statement, request),
    );
    noteOutcome(session, result);
    return result;
  } catch (error) {
    noteFailure(deps, session, error);
    throw error;
  } finally {
    session.running = null;
    session.sinceMs = deps.clock.monotonicMs();
  }
}

function noteOutcome(session: Session, result: StatementResult): void {
  if (result.kind === 'rows') {
    session.rowCount = -1n;
    return;
  }
  session.rowCount = result.affectedRows;
  if (result.lastInsertId !== 0n) session.lastInsertId = result.lastInsertId;
}

/** A failure is the statement's only warning, as in MySQL; a bug is also logged with its stack. */
function noteFailure(deps: SqlDependencies, session: Session, error: unknown): void {
  const { errno, message } = toClientError(error, session.mode);
  session.warnings = [{ level: 'Error', errno, message }];
  if (error instanceof HoldfastError) return;
  deps.log.error('statement failed unexpectedly', { tenantId: session.tenantId, statement: session.running, error });
}

async function prepare(
  deps: SqlDependencies,
  session: Session,
  sql: string,
): Promise<{ parameterCount: number; columns: Column[] }> {
  const statement = admit(deps, session, sql);
  if (statement.kind === 'select') {
    const prepared = await prepareSelect(deps, session, { sql, statement });
    if (prepared) return prepared;
  } else if (statement.kind !== 'engine') {
    // Statements of ours take no parameters; whether they return rows shows when they run.
    return { parameterCount: 0, columns: [] };
  }
  if (isSys(session))
    throw fail('NOT_SUPPORTED', { what: 'this statement in the sys tenant, which holds no user data,' });
  const engine = await engineOf(deps, session);
  return engine.prepare(textForEngine(deps, session, sql, statement));
}
