// Statements that run on the tenant's own engine, and the transactions of a session.
import { fail, isFailure } from '../base/errors.ts';
import type { EngineSession } from '../engine/engine-driver.ts';
import { isAllowed } from '../model/privilege.ts';
import { okResult, type SqlValue, type StatementResult } from '../model/result.ts';
import { isSys, ownTenant, type SqlDependencies } from './dependencies.ts';
import type { StatementOf, TextFacts } from './grammar/statement.ts';
import { substituteReferences } from './grammar/substitute.ts';
import { may, noPrivilege, rightsOf } from './rights.ts';
import { sessionFacts } from './select.ts';
import type { Session } from './session.ts';
import { readReference } from './variables.ts';

/** First words that no engine and no statement of ours knows get a syntax error also where there is no engine. */
const ENGINE_VERBS = new Set(
  'INSERT UPDATE DELETE REPLACE CREATE ALTER DROP TRUNCATE SELECT WITH VALUES EXPLAIN PRAGMA VACUUM ANALYZE REINDEX ATTACH DETACH SAVEPOINT RELEASE ROLLBACK LOCK UNLOCK CALL DO LOAD RENAME OPTIMIZE CHECK REPAIR FLUSH'.split(
    ' ',
  ),
);

/**
 * The engine session of a client, opened at the first statement that needs it, for no more than the account may do:
 * what it is opened for is the engine's to enforce. When that changes, so does the session.
 * @throws NO_PRIVILEGE (1227) for an account that may not read, or lost the right to write inside a transaction
 */
export async function engineOf(deps: SqlDependencies, session: Session): Promise<EngineSession> {
  const rights = rightsOf(deps, session);
  const mayWrite = isAllowed(rights, 'WRITE DATA');
  if (session.engine && mayWrite === session.mayEngineWrite && isAllowed(rights, 'READ DATA')) return session.engine;
  const wasInTransaction = session.engine?.isInTransaction ?? false;
  if (!mayWrite || !wasInTransaction) await endEngine(session);
  if (!isAllowed(rights, 'READ DATA')) throw noPrivilege('READ DATA');
  // The transaction is rolled back; the client must hear of it.
  if (!mayWrite && wasInTransaction) throw noPrivilege('WRITE DATA');
  // A transaction that began with reading only stays so to its end.
  if (session.engine) return session.engine;
  const tenant = ownTenant(deps, session);
  if (tenant.status !== 'NORMAL') throw fail('TENANT_NOT_NORMAL', { tenant: tenant.name, status: tenant.status });
  const asTenant = deps.tenants.engineTenant(tenant);
  const isReadOnly = asTenant.isReadOnly || !mayWrite;
  session.engine = await deps.tenants.driver(tenant.engine).openSession({ ...asTenant, isReadOnly });
  session.mayEngineWrite = mayWrite;
  return session.engine;
}

async function endEngine(session: Session): Promise<void> {
  const engine = session.engine;
  session.engine = null;
  await engine?.close();
}

/** A session that may only read gets the engine's words for a standby: the reason is another one. */
function asRefused(deps: SqlDependencies, session: Session, error: unknown): unknown {
  if (session.mayEngineWrite || !isFailure(error, 'READ_ONLY_STANDBY')) return error;
  return ownTenant(deps, session).role === 'PRIMARY' ? noPrivilege('WRITE DATA') : error;
}

function refuseInSys(sql: string, statement: { verb: string }): void {
  if (!ENGINE_VERBS.has(statement.verb)) throw fail('SYNTAX', { near: sql.trim().slice(0, 80), line: 1 });
  throw fail('NOT_SUPPORTED', { what: `${statement.verb} in the sys tenant, which holds no user data,` });
}

/** `SET autocommit = 0`: the next statement opens a transaction. */
async function beginImplicitly(session: Session, engine: EngineSession, signal: AbortSignal): Promise<void> {
  const autocommit = session.variables.get('autocommit');
  const isOff = autocommit === 0n || String(autocommit).toUpperCase() === 'OFF';
  if (isOff && !engine.isInTransaction) await engine.execute('BEGIN', [], signal);
}

export interface EngineRequest {
  sql: string;
  statement: TextFacts & { verb: string };
  parameters: readonly SqlValue[];
  signal: AbortSignal;
}

/** The text as the engine reads it: MySQL's escapes and comments, variables and session functions are gone. */
export function textForEngine(deps: SqlDependencies, session: Session, sql: string, facts: TextFacts): string {
  return substituteReferences(sql, facts, session.mode, (reference) => readReference(deps, session, reference));
}

/** Runs a statement on the tenant's engine; a session whose engine process was lost gets a new one at the next statement. */
export async function runOnEngine(
  deps: SqlDependencies,
  session: Session,
  request: EngineRequest,
): Promise<StatementResult> {
  if (isSys(session)) refuseInSys(request.sql, request.statement);
  const engine = await engineOf(deps, session);
  try {
    if (!['PRAGMA', 'VACUUM', 'EXPLAIN'].includes(request.statement.verb))
      await beginImplicitly(session, engine, request.signal);
    const sql = textForEngine(deps, session, request.sql, request.statement);
    return await engine.execute(sql, request.parameters, request.signal, sessionFacts(deps, session));
  } catch (error) {
    if (isFailure(error, 'HOST_LOST') || isFailure(error, 'QUERY_INTERRUPTED')) await dropEngine(session);
    throw asRefused(deps, session, error);
  }
}

async function dropEngine(session: Session): Promise<void> {
  const engine = session.engine;
  if (engine && !engine.isInTransaction) await endEngine(session);
}

async function begin(
  deps: SqlDependencies,
  session: Session,
  { behaviour }: StatementOf<'transaction'>,
  signal: AbortSignal,
): Promise<void> {
  const engine = await engineOf(deps, session);
  try {
    await engine.execute(behaviour === null ? 'BEGIN' : `BEGIN ${behaviour}`, [], signal);
  } catch (error) {
    throw asRefused(deps, session, error);
  }
}

/** BEGIN, COMMIT, ROLLBACK with MySQL's manners: BEGIN ends the open transaction first, COMMIT of nothing is fine. */
export async function runTransaction(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'transaction'>,
  signal: AbortSignal,
): Promise<StatementResult> {
  // Clients begin and end transactions around whatever they do: where there is nothing to read, there is none.
  if (isSys(session) || (!session.engine && !may(deps, session, 'READ DATA'))) return okResult();
  if (statement.verb !== 'BEGIN' && !session.engine?.isInTransaction) return okResult();
  const engine = await engineOf(deps, session);
  if (statement.verb === 'BEGIN') {
    if (engine.isInTransaction) await engine.execute('COMMIT', [], signal);
    await begin(deps, session, statement, signal);
    return okResult();
  }
  await engine.execute(statement.verb, [], signal);
  if (statement.isChain) await engine.execute('BEGIN', [], signal);
  return okResult();
}
