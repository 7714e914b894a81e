// SHOW and DESCRIBE.
import { readAccount, readTableName } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { Show, ShowSubject, TableName, VariableScope } from './statement.ts';

/** What may follow the words of a form: read in this order. */
type Part =
  | 'table'
  | 'ofTable'
  | 'fromDatabase'
  | 'database'
  | 'tenant'
  | 'account'
  | 'filter'
  | 'tenantClause'
  | 'limit'
  | 'rest';

interface Form {
  words: readonly string[];
  subject: ShowSubject;
  parts: readonly Part[];
}

const form = (text: string, subject: ShowSubject, ...parts: Part[]): Form => ({
  words: text.split(' '),
  subject,
  parts,
});

/** Longer forms before those that begin alike. */
const FORMS: readonly Form[] = [
  form('VARIABLES', 'VARIABLES', 'filter'),
  form('STATUS', 'STATUS', 'filter'),
  form('DATABASES', 'DATABASES', 'filter'),
  form('SCHEMAS', 'DATABASES', 'filter'),
  form('TABLES', 'TABLES', 'fromDatabase', 'filter'),
  form('TABLE STATUS', 'TABLE STATUS', 'fromDatabase', 'filter'),
  form('OPEN TABLES', 'OPEN TABLES', 'fromDatabase', 'filter'),
  form('COLUMNS', 'COLUMNS', 'ofTable', 'filter'),
  form('FIELDS', 'COLUMNS', 'ofTable', 'filter'),
  form('INDEX', 'INDEX', 'ofTable', 'filter'),
  form('INDEXES', 'INDEX', 'ofTable', 'filter'),
  form('KEYS', 'INDEX', 'ofTable', 'filter'),
  form('CREATE TABLE', 'CREATE TABLE', 'table'),
  form('CREATE VIEW', 'CREATE VIEW', 'table'),
  form('CREATE DATABASE IF NOT EXISTS', 'CREATE DATABASE', 'database'),
  form('CREATE SCHEMA IF NOT EXISTS', 'CREATE DATABASE', 'database'),
  form('CREATE DATABASE', 'CREATE DATABASE', 'database'),
  form('CREATE SCHEMA', 'CREATE DATABASE', 'database'),
  form('CREATE TENANT', 'CREATE TENANT', 'tenant'),
  form('WARNINGS', 'WARNINGS', 'limit'),
  form('ERRORS', 'ERRORS', 'limit'),
  form('PROCESSLIST', 'PROCESSLIST'),
  form('PARAMETERS', 'PARAMETERS', 'tenantClause', 'filter', 'tenantClause'),
  form('ENGINES', 'ENGINES'),
  form('STORAGE ENGINES', 'ENGINES'),
  form('ENGINE', 'ENGINE STATUS', 'rest'),
  form('CHARSET', 'CHARSET', 'filter'),
  form('CHARACTER SET', 'CHARSET', 'filter'),
  form('COLLATION', 'COLLATION', 'filter'),
  form('GRANTS', 'GRANTS', 'account'),
  form('PRIVILEGES', 'PRIVILEGES'),
  form('PLUGINS', 'PLUGINS'),
  form('TENANTS', 'TENANTS', 'filter'),
  form('TENANT STATUS', 'TENANT', 'filter'),
  form('TENANT', 'TENANT', 'filter'),
  form('MASTER STATUS', 'MASTER STATUS'),
  form('BINARY LOG STATUS', 'MASTER STATUS'),
  form('SLAVE STATUS', 'SLAVE STATUS'),
  form('REPLICA STATUS', 'SLAVE STATUS'),
  form('BINARY LOGS', 'BINARY LOGS'),
  form('MASTER LOGS', 'BINARY LOGS'),
  form('TRIGGERS', 'TRIGGERS', 'fromDatabase', 'filter'),
  form('PROCEDURE STATUS', 'PROCEDURE STATUS', 'filter'),
  form('FUNCTION STATUS', 'FUNCTION STATUS', 'filter'),
  form('EVENTS', 'EVENTS', 'fromDatabase', 'filter'),
  form('PROFILES', 'PROFILES'),
];

/** Forms that FULL, and those that GLOBAL or SESSION, may stand before. */
const FULL = new Set<ShowSubject>(['TABLES', 'COLUMNS', 'PROCESSLIST']);
const SCOPED = new Set<ShowSubject>(['VARIABLES', 'STATUS']);

function blankShow(subject: ShowSubject): Show {
  return {
    kind: 'show',
    subject,
    isFull: false,
    scope: null,
    table: null,
    database: null,
    account: null,
    tenant: null,
    filter: null,
    limit: null,
  };
}

/** What follows SHOW, to the end of the statement. */
export function parseShow(cursor: Cursor): Show {
  if (cursor.accept('COUNT')) return parseCount(cursor);
  const start = cursor.peek();
  const word = cursor.acceptOneOf(['GLOBAL', 'SESSION', 'LOCAL']);
  const scope: VariableScope | null = word === null ? null : word === 'GLOBAL' ? 'GLOBAL' : 'SESSION';
  cursor.accept('EXTENDED');
  const isFull = cursor.accept('FULL');
  const found = findForm(cursor);
  if ((isFull && !FULL.has(found.subject)) || (scope !== null && !SCOPED.has(found.subject))) throw cursor.error(start);
  cursor.expect(...found.words);
  const show: Show = { ...blankShow(found.subject), isFull, scope };
  for (const part of found.parts) readPart(cursor, show, part);
  cursor.end();
  return show;
}

/** @throws SYNTAX near the first word that no form has in its place */
function findForm(cursor: Cursor): Form {
  const found = FORMS.find(({ words }) => cursor.at(...words));
  if (found) return found;
  const isSecondWrong = FORMS.some(({ words }) => words.length > 1 && words[0] === cursor.word());
  throw cursor.error(cursor.peek(isSecondWrong ? 1 : 0));
}

/** COUNT(*) {WARNINGS|ERRORS} */
function parseCount(cursor: Cursor): Show {
  for (const operator of ['(', '*', ')']) cursor.expectOperator(operator);
  const what = cursor.expectOneOf(['WARNINGS', 'ERRORS']);
  cursor.end();
  return blankShow(`COUNT ${what}`);
}

function readPart(cursor: Cursor, show: Show, part: Part): void {
  if (part === 'table') show.table = readTableName(cursor);
  else if (part === 'ofTable') show.table = readOfTable(cursor);
  else if (part === 'database') show.database = cursor.identifier();
  else if (part === 'fromDatabase') show.database = readFrom(cursor) ? cursor.identifier() : null;
  else if (part === 'tenant') show.tenant = cursor.name();
  else if (part === 'tenantClause') readTenantClause(cursor, show);
  else if (part === 'account') readGrantee(cursor, show);
  else if (part === 'filter') readFilter(cursor, show);
  else if (part === 'limit') readLimit(cursor, show);
  else while (!cursor.isAtEnd) cursor.take();
}

function readFrom(cursor: Cursor): boolean {
  return cursor.acceptOneOf(['FROM', 'IN']) !== null;
}

/** `{FROM|IN} t [{FROM|IN} db]` */
function readOfTable(cursor: Cursor): TableName {
  if (!readFrom(cursor)) throw cursor.error();
  const table = readTableName(cursor);
  return readFrom(cursor) ? { ...table, schema: cursor.identifier() } : table;
}

function readTenantClause(cursor: Cursor, show: Show): void {
  if (show.tenant !== null || !cursor.accept('TENANT')) return;
  cursor.acceptOperator('=');
  show.tenant = cursor.name();
}

function readGrantee(cursor: Cursor, show: Show): void {
  if (!cursor.accept('FOR')) return;
  const isOwn = cursor.at('CURRENT_USER');
  if (!isOwn) {
    show.account = readAccount(cursor);
    return;
  }
  cursor.take();
  if (cursor.acceptOperator('(')) cursor.expectOperator(')');
}

function readFilter(cursor: Cursor, show: Show): void {
  if (cursor.accept('LIKE')) {
    show.filter = { by: 'LIKE', pattern: cursor.string() };
  } else if (cursor.accept('WHERE')) {
    const { start } = cursor.peek();
    if (cursor.isAtEnd) throw cursor.error();
    // PARAMETERS may close with a TENANT clause; a column of that name is not followed by a name.
    const isTenantClause = () => show.subject === 'PARAMETERS' && cursor.at('TENANT') && cursor.isOperator('=', 1);
    while (!cursor.isAtEnd && !isTenantClause()) cursor.take();
    show.filter = { by: 'WHERE', text: cursor.sql.slice(start, cursor.lastEnd) };
  }
}

function readLimit(cursor: Cursor, show: Show): void {
  if (!cursor.accept('LIMIT')) return;
  const first = cursor.integer('LIMIT');
  if (cursor.acceptOperator(',')) show.limit = { offset: first, count: cursor.integer('LIMIT') };
  else show.limit = { offset: cursor.accept('OFFSET') ? cursor.integer('LIMIT') : 0, count: first };
}

/** Words that open a statement to explain, so no table's name. */
const EXPLAINED = new Set(['SELECT', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'WITH', 'VALUES', 'TABLE', 'QUERY']);

/**
 * `{DESCRIBE|DESC|EXPLAIN} t [column | 'pattern']`, the verb already read.
 * @returns null when it is an EXPLAIN of a statement; nothing is consumed then
 */
export function parseDescribe(cursor: Cursor): Show | null {
  if (EXPLAINED.has(cursor.word())) return null;
  const isQualified = cursor.isOperator('.', 1);
  const place = isQualified ? 3 : 1;
  const isEndAt = (ahead: number) => cursor.peek(ahead).kind === 'end' || cursor.isOperator(';', ahead);
  const hasColumn = ['word', 'quoted', 'string'].includes(cursor.peek(place).kind) && isEndAt(place + 1);
  if (!cursor.isAtName || cursor.peek().kind === 'string' || !(isEndAt(place) || hasColumn)) return null;
  const show = blankShow('COLUMNS');
  show.table = readTableName(cursor);
  if (cursor.isAtName) show.filter = { by: 'LIKE', pattern: cursor.name() };
  cursor.end();
  return show;
}
