// SELECT: answered from the session, from the system views, or handed to the tenant's engine. A query over system views
// runs apart from everything, over only those views and only the rows that the session may see.

import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import type { SystemTable, WantedRows } from '../catalog/catalog.ts';
import { oracleItemName } from '../engine/oracle-sql.ts';
import type { SessionFacts } from '../engine/session-facts.ts';
import { quoteNameMysql } from '../engine/sql-tokens.ts';
import { tenantOfQuery } from '../engine/view-filter.ts';
import { runViewQuery } from '../engine/view-query.ts';
import type { ViewSchema } from '../engine/view-request.ts';
import { translateViewQuery } from '../engine/view-sql.ts';
import type { Column, SqlValue, StatementResult } from '../model/result.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { Reference, Select, TableName, TextFacts } from './grammar/statement.ts';
import { toLiteral } from './grammar/substitute.ts';
import { may, noPrivilege, requireRight } from './rights.ts';
import { selectFromSession } from './select-session.ts';
import type { Session } from './session.ts';
import { readReference, readVariable, sessionTimeZone } from './variables.ts';
import { viewerOf } from './viewer-of.ts';

export interface SelectRequest {
  sql: string;
  statement: Select;
  parameters: readonly SqlValue[];
  signal: AbortSignal;
  /** The value of a SET: MySQL's dialect, and never the engine's business. */
  isSetValue?: boolean;
}

/** Longest time that a query over system views may take, whatever ob_query_timeout says. */
const QUERY_MS_MAX = 60_000;
const US_PER_MS = 1000n;

// ## Which tables are system views

interface NamedView {
  table: SystemTable;
  /** The database under which the statement finds it. */
  schema: string;
}

interface NamedTables {
  views: NamedView[];
  /** Tables of the tenant's engine, or of nobody. */
  others: TableName[];
}

/** True when the tenant has a table of its own with this name: it goes before a system view that is named alone. */
async function hasOwnTable(deps: SqlDependencies, session: Session, name: string): Promise<boolean> {
  const own = await deps.catalog.engineTables(viewerOf(deps, session));
  return own.some((table) => table.name.toUpperCase() === name.toUpperCase());
}

/** The database in which names without one are looked up among the system views. */
function currentSchema(deps: SqlDependencies, session: Session): string {
  const { catalog } = deps;
  const isData = session.database === null || session.database === catalog.dataDatabase;
  return isData ? catalog.systemSchema(session) : session.database!;
}

/** @throws UNKNOWN_TABLE (1146) for a name that a system database has not */
function findQualified(deps: SqlDependencies, session: Session, schema: string, name: string): NamedView | undefined {
  const { catalog } = deps;
  const known = catalog.resolveDatabase(session, schema);
  if (known === undefined || known === catalog.dataDatabase) return undefined;
  const table = catalog.find(viewerOf(deps, session), known, name);
  if (!table) throw fail('UNKNOWN_TABLE', { table: `${known}.${name}` });
  return { table, schema: known };
}

async function findBare(deps: SqlDependencies, session: Session, name: string): Promise<NamedView | undefined> {
  const { catalog } = deps;
  const viewer = viewerOf(deps, session);
  const current = currentSchema(deps, session);
  const table = catalog.find(viewer, current, name) ?? catalog.find(viewer, catalog.systemSchema(session), name);
  if (!table) return undefined;
  const isCertain = isSys(session) || (session.mode === 'mysql' && session.database === table.schema);
  if (!isCertain && (await hasOwnTable(deps, session, name))) return undefined;
  return { table, schema: current };
}

async function classify(deps: SqlDependencies, session: Session, tables: readonly TableName[]): Promise<NamedTables> {
  const named: NamedTables = { views: [], others: [] };
  for (const table of tables) {
    const view =
      table.schema === null
        ? await findBare(deps, session, table.name)
        : findQualified(deps, session, table.schema, table.name);
    if (view) named.views.push(view);
    else named.others.push(table);
  }
  return named;
}

/** The complaint about a table that sys has not. */
function unknownTable(deps: SqlDependencies, session: Session, { schema, name }: TableName) {
  if (schema !== null && deps.catalog.resolveDatabase(session, schema) === undefined) {
    return fail('UNKNOWN_DATABASE', { database: schema });
  }
  return fail('UNKNOWN_TABLE', { table: `${schema ?? currentSchema(deps, session)}.${name}` });
}

/** System views live in another place than the tenant's data, so a query cannot span both. */
async function checkNotMixed(deps: SqlDependencies, session: Session, { views, others }: NamedTables): Promise<void> {
  for (const { name } of others) {
    if (!(await hasOwnTable(deps, session, name))) continue;
    throw fail('NOT_SUPPORTED', {
      what: `a query over the system view ${views[0]!.table.name} and the table ${name} of the tenant is`,
    });
  }
}

/** What names no table needs no engine where there is none to use: it runs over no views, and so over nothing. */
function routeToEngine(
  deps: SqlDependencies,
  session: Session,
  { statement, isSetValue }: Pick<SelectRequest, 'statement' | 'isSetValue'>,
): NamedView[] | 'engine' {
  if (isSetValue && !statement.hasFrom) return [];
  if (may(deps, session, 'READ DATA')) return 'engine';
  if (statement.hasFrom || statement.tables.length > 0) throw noPrivilege('READ DATA');
  return [];
}

/** What answers a SELECT. @throws NO_PRIVILEGE (1227) */
async function route(
  deps: SqlDependencies,
  session: Session,
  request: Pick<SelectRequest, 'statement' | 'isSetValue'>,
): Promise<NamedView[] | 'engine'> {
  const { statement } = request;
  const named = await classify(deps, session, statement.tables);
  if (named.views.length > 0) {
    for (const { table } of named.views) requireRight(deps, session, deps.catalog.needOf(table.schema));
    await checkNotMixed(deps, session, named);
    return named.views;
  }
  // FROM DUAL is Oracle's own: what it asks is in Oracle's words, and of no table.
  const asksDual = session.mode === 'oracle' && statement.dual.length > 0 && named.others.length === 0;
  if (!isSys(session) && !asksDual) return routeToEngine(deps, session, request);
  if (named.others.length > 0) throw unknownTable(deps, session, named.others[0]!);
  return [];
}

// ## Queries over views

/** A literal as a view query reads it: in a mysql tenant a backslash escapes. */
function literalFor(session: Session, value: SqlValue): string {
  const isEscaped = typeof value === 'string' && session.mode === 'mysql' && value.includes('\\');
  return toLiteral(isEscaped ? value.replaceAll('\\', '\\\\') : value);
}

/** The text with the session's values in place of its references; columns keep the names they had. */
function withValues(deps: SqlDependencies, session: Session, sql: string, facts: TextFacts): string {
  const edits = facts.references.map((reference: Reference) => ({
    start: reference.start,
    end: reference.end,
    // Parentheses keep a sign from meeting the one before it.
    by: `(${literalFor(session, readReference(deps, session, reference))})`,
  }));
  for (const { offset, name } of facts.aliases) {
    const shown = session.mode === 'oracle' ? oracleItemName(name) : name;
    edits.push({ start: offset, end: offset, by: ` AS ${quoteNameMysql(shown)}` });
  }
  edits.sort((a, b) => a.start - b.start || a.end - b.end);
  let text = '';
  let at = 0;
  for (const { start, end, by } of edits) {
    assert(start >= at, 'references do not overlap');
    text += sql.slice(at, start) + by;
    at = end;
  }
  return text + sql.slice(at);
}

export function sessionFacts(deps: SqlDependencies, session: Session): SessionFacts {
  return {
    user: session.user,
    host: session.host,
    database: session.database,
    connectionId: session.id,
    lastInsertId: session.lastInsertId,
    rowCount: session.rowCount,
    foundRows: 0n,
    timeZone: sessionTimeZone(deps, session),
    version: deps.serverVersion,
    nowNs: deps.clock.nowNs(),
  };
}

/** The time that ob_query_timeout leaves; 0 means no wish. */
function queryTimeoutMs(deps: SqlDependencies, session: Session): number {
  const wantedUs = readVariable(deps, session, 'SESSION', 'ob_query_timeout');
  assert(typeof wantedUs === 'bigint', 'ob_query_timeout is a number');
  if (wantedUs === 0n) return QUERY_MS_MAX;
  return Math.min(QUERY_MS_MAX, Math.max(1, Number(wantedUs / US_PER_MS)));
}

/** The named views by database, each once. @param wanted 'none' leaves them without rows */
async function schemasOf(
  deps: SqlDependencies,
  session: Session,
  views: readonly NamedView[],
  wanted: WantedRows | 'none',
): Promise<ViewSchema[]> {
  const distinct = [...new Map(views.map((view) => [`${view.schema}.${view.table.name}`, view])).values()];
  const tables = distinct.map(({ table }) => table);
  const filled =
    wanted === 'none'
      ? tables.map((table) => ({ ...table, rows: [] }))
      : await deps.catalog.fill(viewerOf(deps, session), tables, wanted);
  const schemas = new Map<string, ViewSchema['tables'][number][]>();
  for (const [i, { name, columns, rows }] of filled.entries()) {
    const { schema } = distinct[i]!;
    schemas.set(schema, [...(schemas.get(schema) ?? []), { name, columns, rows }]);
  }
  return [...schemas].map(([schema, own]) => ({ schema, tables: own }));
}

async function runOverViews(
  deps: SqlDependencies,
  session: Session,
  request: Pick<SelectRequest, 'sql' | 'statement' | 'parameters' | 'signal'>,
  schemas: ViewSchema[],
): Promise<StatementResult> {
  return runViewQuery({
    schemas,
    sql: withValues(deps, session, request.sql, request.statement),
    parameters: request.parameters,
    mode: session.mode,
    currentSchema: currentSchema(deps, session),
    facts: sessionFacts(deps, session),
    signal: request.signal,
    timeoutMs: queryTimeoutMs(deps, session),
  });
}

/** What LIKE and WHERE of SHOW run over: rows that are already made, as a view of the name `listing`. */
export async function selectFromListing(
  deps: SqlDependencies,
  session: Session,
  request: Pick<SelectRequest, 'sql' | 'statement' | 'signal'>,
  listing: ViewSchema['tables'][number],
): Promise<StatementResult> {
  const schema = currentSchema(deps, session);
  return runOverViews(deps, session, { ...request, parameters: [] }, [{ schema, tables: [listing] }]);
}

/**
 * Answers a SELECT, or says that it is the engine's.
 * @throws UNKNOWN_TABLE (1146), UNKNOWN_DATABASE (1049), UNKNOWN_COLUMN (1054), UNKNOWN_VARIABLE (1193), SYNTAX (1064),
 *         TIMEOUT (4012), QUERY_INTERRUPTED (1317); NOT_SUPPORTED (4007) over system views and the tenant's tables at once
 */
export async function runSelect(
  deps: SqlDependencies,
  session: Session,
  request: SelectRequest,
): Promise<StatementResult | 'engine'> {
  if (request.parameters.length === 0) {
    const answered = selectFromSession(deps, session, request);
    if (answered) return answered;
  }
  const views = await route(deps, session, request);
  if (views === 'engine') return 'engine';
  const tenantId = request.statement.tables.length === 1 ? tenantOfQuery(request.sql, session.mode) : undefined;
  return runOverViews(deps, session, request, await schemasOf(deps, session, views, { tenantId }));
}

/**
 * Parameter count and columns of a SELECT that is not the engine's, without reading rows. Types of computed columns are
 * known only when it runs.
 * @returns null when it is the engine's
 * @throws what `runSelect` throws before it reads rows
 */
export async function prepareSelect(
  deps: SqlDependencies,
  session: Session,
  request: Pick<SelectRequest, 'sql' | 'statement'>,
): Promise<{ parameterCount: number; columns: Column[] } | null> {
  const answered = selectFromSession(deps, session, request);
  if (answered?.kind === 'rows') return { parameterCount: 0, columns: answered.columns };
  const views = await route(deps, session, request);
  if (views === 'engine') return null;
  const { parameterCount } = translateViewQuery(request.sql, session.mode);
  // Zeros stand for the parameters: unlike NULL they may also stand behind LIMIT.
  const parameters = new Array<SqlValue>(parameterCount).fill(0n);
  const { signal } = new AbortController();
  const schemas = await schemasOf(deps, session, views, 'none');
  const result = await runOverViews(deps, session, { ...request, parameters, signal }, schemas);
  return { parameterCount, columns: result.kind === 'rows' ? result.columns : [] };
}
