// Statements about the session itself: SET, USE, KILL.
import { fail } from '../base/errors.ts';
import { KIB, MIB } from '../base/limits.ts';
import { okResult, type SqlValue, type StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseStatement } from './grammar/parse.ts';
import type { Reference, SetItem, SetValue, StatementOf } from './grammar/statement.ts';
import { runSelect } from './select.ts';
import type { Session } from './session.ts';
import { readReference, setVariable } from './variables.ts';
import { viewerOf } from './viewer-of.ts';

/** What the user variables of one session may hold: they stand in the memory of the server, for every session anew. */
const USER_VARIABLES_BYTES_MAX = 16 * MIB;
/** What a variable costs beside its text; bounds their number. */
const USER_VARIABLE_BYTES = 1 * KIB;

/** The value of a SET item; DEFAULT is undefined. */
async function settingOf(
  deps: SqlDependencies,
  session: Session,
  value: SetValue,
  signal: AbortSignal,
): Promise<SqlValue | undefined> {
  switch (value.is) {
    case 'literal':
      return value.value;
    case 'word':
      return value.word;
    case 'default':
      return undefined;
    case 'reference':
      return referenceValue(deps, session, value.reference);
    case 'expression':
      return expressionValue(deps, session, value.text, signal);
  }
}

function referenceValue(deps: SqlDependencies, session: Session, reference: Reference): SqlValue {
  return readReference(deps, session, reference);
}

async function expressionValue(
  deps: SqlDependencies,
  session: Session,
  text: string,
  signal: AbortSignal,
): Promise<SqlValue> {
  const sql = `SELECT ${text}`;
  const statement = parseStatement(sql, session.mode);
  if (statement.kind !== 'select' || statement.hasFrom)
    throw fail('NOT_SUPPORTED', { what: 'SET with a query as its value is' });
  const result = await runSelect(deps, session, { sql, statement, parameters: [], signal, isSetValue: true });
  if (result === 'engine' || result.kind !== 'rows') return null;
  for await (const rows of result.rows) return rows[0]?.[0] ?? null;
  return null;
}

async function setItem(deps: SqlDependencies, session: Session, item: SetItem, signal: AbortSignal): Promise<void> {
  if (item.set === 'names') {
    const charset = item.charset ?? 'utf8mb4';
    for (const name of ['character_set_client', 'character_set_connection', 'character_set_results']) {
      setVariable(deps, session, null, name, charset);
    }
    if (item.collation !== null) setVariable(deps, session, null, 'collation_connection', item.collation);
    return;
  }
  const value = await settingOf(deps, session, item.value, signal);
  if (item.set === 'userVariable') setUserVariable(session, item.name, value ?? null);
  else setVariable(deps, session, item.scope, item.name, value);
}

function sizeOf(value: SqlValue): number {
  return USER_VARIABLE_BYTES + (typeof value === 'string' || value instanceof Uint8Array ? value.length : 0);
}

/** @throws INVALID_ARGUMENT (1210) when the session would hold too much */
function setUserVariable(session: Session, name: string, value: SqlValue): void {
  let bytes = sizeOf(value);
  for (const [other, held] of session.userVariables) if (other !== name) bytes += sizeOf(held);
  if (bytes > USER_VARIABLES_BYTES_MAX)
    throw fail('INVALID_ARGUMENT', {
      what: `SET @${name}: the user variables of a session hold at most ${USER_VARIABLES_BYTES_MAX} bytes`,
    });
  session.userVariables.set(name, value);
}

export async function runSet(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'set'>,
  signal: AbortSignal,
): Promise<StatementResult> {
  for (const item of statement.items) await setItem(deps, session, item, signal);
  return okResult(0n, 0n, session.warnings.length);
}

export function setTransaction(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setTransaction'>,
): StatementResult {
  if (statement.isolation !== null) {
    setVariable(deps, session, statement.scope, 'transaction_isolation', statement.isolation.replace(' ', '-'));
  }
  if (statement.isReadOnly !== null) {
    setVariable(deps, session, statement.scope, 'transaction_read_only', statement.isReadOnly ? 1n : 0n);
  }
  return okResult();
}

/** @throws UNKNOWN_DATABASE (1049) */
export function useDatabase(deps: SqlDependencies, session: Session, database: string): void {
  const known = deps.catalog.resolveDatabase(session, database);
  if (known === undefined) throw fail('UNKNOWN_DATABASE', { database });
  session.database = known;
}

/** KILL: whoever manages sys may end any connection, of a tenant that tenant's; anybody else those of his own account. */
export function kill(deps: SqlDependencies, session: Session, statement: StatementOf<'kill'>): StatementResult {
  const { connectionId: id, target } = statement;
  const isSeen = deps.catalog.connections(viewerOf(deps, session)).some((one) => one.id === id);
  if (!isSeen) throw fail('UNKNOWN_THREAD', { id });
  deps.connections.kill(id, target === 'QUERY' ? 'query' : 'connection');
  return okResult();
}
