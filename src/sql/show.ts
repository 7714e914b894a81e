// SHOW and DESCRIBE: the table from a subject to what lists it, then LIKE or WHERE over the listing.

import { fail } from '../base/errors.ts';
import { rowsResult, type StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseStatement } from './grammar/parse.ts';
import type { Show, ShowSubject } from './grammar/statement.ts';
import { likeMatcher } from './like-pattern.ts';
import { selectFromListing } from './select.ts';
import type { Session } from './session.ts';
import { emptyListing, type Listing, type MakeListing } from './show-listing.ts';
import {
  showCharset,
  showCollation,
  showCreateTenant,
  showEngines,
  showGrants,
  showParameters,
  showPrivileges,
  showProcesslist,
  showStatus,
  showTenant,
  showTenants,
  showVariables,
  showWarningCount,
  showWarnings,
} from './show-server.ts';
import {
  showColumns,
  showCreateDatabase,
  showCreateTable,
  showDatabases,
  showIndex,
  showTableStatus,
  showTables,
} from './show-tables.ts';

const CLIENT = { character_set_client: 'text', collation_connection: 'text', 'Database Collation': 'text' } as const;
const ROUTINES = emptyListing({
  Db: 'text',
  Name: 'text',
  Type: 'text',
  Definer: 'text',
  Modified: 'time',
  Created: 'time',
  Security_type: 'text',
  Comment: 'long',
  ...CLIENT,
});

const LISTINGS: Readonly<Record<ShowSubject, MakeListing>> = {
  VARIABLES: showVariables,
  STATUS: showStatus,
  DATABASES: showDatabases,
  TABLES: showTables,
  'TABLE STATUS': showTableStatus,
  'OPEN TABLES': emptyListing({ Database: 'text', Table: 'text', In_use: 'number', Name_locked: 'number' }),
  COLUMNS: showColumns,
  INDEX: showIndex,
  'CREATE TABLE': showCreateTable,
  'CREATE VIEW': showCreateTable,
  'CREATE DATABASE': showCreateDatabase,
  'CREATE TENANT': showCreateTenant,
  WARNINGS: showWarnings,
  ERRORS: showWarnings,
  'COUNT WARNINGS': showWarningCount,
  'COUNT ERRORS': showWarningCount,
  PROCESSLIST: showProcesslist,
  PARAMETERS: showParameters,
  ENGINES: showEngines,
  'ENGINE STATUS': emptyListing({ Type: 'text', Name: 'text', Status: 'long' }),
  CHARSET: showCharset,
  COLLATION: showCollation,
  GRANTS: showGrants,
  PRIVILEGES: showPrivileges,
  PLUGINS: emptyListing({ Name: 'text', Status: 'text', Type: 'text', Library: 'text', License: 'text' }),
  TENANT: showTenant,
  TENANTS: showTenants,
  'MASTER STATUS': emptyListing({
    File: 'text',
    Position: 'number',
    Binlog_Do_DB: 'text',
    Binlog_Ignore_DB: 'text',
    Executed_Gtid_Set: 'text',
  }),
  'SLAVE STATUS': emptyListing({ Slave_IO_State: 'text', Master_Host: 'text', Master_User: 'text' }),
  'BINARY LOGS': emptyListing({ Log_name: 'text', File_size: 'number' }),
  TRIGGERS: emptyListing({
    Trigger: 'text',
    Event: 'text',
    Table: 'text',
    Statement: 'long',
    Timing: 'text',
    Created: 'time',
    sql_mode: 'line',
    Definer: 'text',
    ...CLIENT,
  }),
  'PROCEDURE STATUS': ROUTINES,
  'FUNCTION STATUS': ROUTINES,
  EVENTS: emptyListing({
    Db: 'text',
    Name: 'text',
    Definer: 'text',
    'Time zone': 'text',
    Type: 'text',
    'Execute at': 'time',
    'Interval value': 'text',
    'Interval field': 'text',
    Starts: 'time',
    Ends: 'time',
    Status: 'text',
    Originator: 'number',
    ...CLIENT,
  }),
  PROFILES: emptyListing({ Query_ID: 'number', Duration: 'text', Query: 'line' }),
};

function filterByPattern(listing: Listing, pattern: string): StatementResult {
  const place = listing.likeColumn ?? 0;
  const matches = likeMatcher(pattern);
  return rowsResult(
    listing.columns,
    listing.rows.filter((row) => row[place] !== null && matches(String(row[place]))),
  );
}

async function filterByCondition(
  deps: SqlDependencies,
  session: Session,
  listing: Listing,
  request: { text: string; signal: AbortSignal },
): Promise<StatementResult> {
  const sql = `SELECT * FROM listing WHERE ${request.text}`;
  const statement = parseStatement(sql, session.mode);
  if (statement.kind !== 'select') throw fail('SYNTAX', { near: request.text.slice(0, 80), line: 1 });
  const { signal } = request;
  return selectFromListing(deps, session, { sql, statement, signal }, { name: 'listing', ...listing });
}

/** Names of columns are upper case in an oracle tenant. */
function namedFor(session: Session, listing: Listing): Listing {
  if (session.mode === 'mysql') return listing;
  const columns = listing.columns.map((column) => ({ ...column, name: column.name.toUpperCase() }));
  return { ...listing, columns };
}

/** @throws UNKNOWN_TABLE (1146), UNKNOWN_DATABASE (1049), NO_DATABASE (1046), NO_PRIVILEGE (1227), SYNTAX (1064) in WHERE */
export async function runShow(
  deps: SqlDependencies,
  session: Session,
  statement: Show,
  signal: AbortSignal,
): Promise<StatementResult> {
  const listing = namedFor(session, await LISTINGS[statement.subject]({ deps, session, statement }));
  const { filter } = statement;
  if (filter === null) return rowsResult(listing.columns, listing.rows);
  if (filter.by === 'LIKE') return filterByPattern(listing, filter.pattern);
  return filterByCondition(deps, session, listing, { text: filter.text, signal });
}
