// SHOW of databases, tables, columns and indexes; DESCRIBE.

import { fail } from '../base/errors.ts';
import { DEFAULT_CHARSET, DEFAULT_COLLATION } from '../catalog/character-sets.ts';
import { oracleTypeText } from '../catalog/oracle-types.ts';
import { type ColumnFacts, factsOfType, type TableFacts } from '../catalog/table-facts.ts';
import { quoteName, quoteNameMysql } from '../engine/sql-tokens.ts';
import { isAllowed } from '../model/privilege.ts';
import type { TenantMode } from '../model/tenant.ts';
import { rightsOf } from './rights.ts';
import { columns, type Listing, type ShowRequest, toBig } from './show-listing.ts';
import { viewerOf } from './viewer-of.ts';

/** The database that a statement means. @throws NO_DATABASE (1046), UNKNOWN_DATABASE (1049) */
function databaseOf({ deps, session, statement }: ShowRequest): string {
  const named = statement.database ?? session.database;
  if (named === null) throw fail('NO_DATABASE', {});
  const known = deps.catalog.resolveDatabase(session, named);
  if (known === undefined) throw fail('UNKNOWN_DATABASE', { database: named });
  return known;
}

const isSame = (a: string, b: string) => a.toUpperCase() === b.toUpperCase();

async function tablesOf(request: ShowRequest, database: string): Promise<TableFacts[]> {
  const all = await request.deps.catalog.tables(viewerOf(request.deps, request.session));
  const own = all.filter((table) => table.schema === database);
  return own.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/**
 * The table of COLUMNS, INDEX and CREATE TABLE. A bare name means a table of the session's database, else a system view.
 * @throws UNKNOWN_TABLE (1146), UNKNOWN_DATABASE (1049)
 */
async function tableOf(request: ShowRequest): Promise<TableFacts> {
  const { deps, session, statement } = request;
  const { schema, name } = statement.table!;
  const all = await deps.catalog.tables(viewerOf(deps, session));
  const inDatabase = (database: string) => all.find((table) => table.schema === database && isSame(table.name, name));
  const named = schema ?? session.database ?? deps.catalog.defaultDatabase(session);
  const database = deps.catalog.resolveDatabase(session, named);
  if (database === undefined) throw fail('UNKNOWN_DATABASE', { database: named });
  const isBare = schema === null;
  const found =
    inDatabase(database) ??
    (isBare ? (inDatabase(deps.catalog.dataDatabase) ?? inDatabase(deps.catalog.systemSchema(session))) : undefined);
  if (!found) throw fail('UNKNOWN_TABLE', { table: `${named}.${name}` });
  return found;
}

export function showDatabases({ deps, session, statement }: ShowRequest): Listing {
  const rights = rightsOf(deps, session);
  const seen = deps.catalog.databases(session).filter((name) => isAllowed(rights, deps.catalog.needOf(name)));
  const rows = seen.map((name) => [name]);
  return { columns: columns({ [withPattern('Database', statement)]: 'text' }), rows };
}

/** MySQL puts the pattern into the name of the column. */
function withPattern(name: string, { filter }: ShowRequest['statement']): string {
  return filter?.by === 'LIKE' ? `${name} (${filter.pattern})` : name;
}

export async function showTables(request: ShowRequest): Promise<Listing> {
  const database = databaseOf(request);
  const { statement } = request;
  const tables = await tablesOf(request, database);
  const name = withPattern(`Tables_in_${database}`, statement);
  if (!statement.isFull) return { columns: columns({ [name]: 'text' }), rows: tables.map((table) => [table.name]) };
  return {
    columns: columns({ [name]: 'text', Table_type: 'text' }),
    rows: tables.map((table) => [table.name, table.kind]),
  };
}

export async function showTableStatus(request: ShowRequest): Promise<Listing> {
  const tables = await tablesOf(request, databaseOf(request));
  const status = columns({
    Name: 'text',
    Engine: 'text',
    Version: 'number',
    Row_format: 'text',
    Rows: 'number',
    Avg_row_length: 'number',
    Data_length: 'number',
    Max_data_length: 'number',
    Index_length: 'number',
    Data_free: 'number',
    Auto_increment: 'number',
    Create_time: 'time',
    Update_time: 'time',
    Check_time: 'time',
    Collation: 'text',
    Checksum: 'number',
    Create_options: 'text',
    Comment: 'line',
  });
  const unknown = (count: number) => Array<null>(count).fill(null);
  return {
    columns: status,
    rows: tables.map((table) => [
      table.name,
      table.engine,
      ...unknown(12),
      table.kind === 'BASE TABLE' ? DEFAULT_COLLATION : null,
      null,
      '',
      table.kind === 'BASE TABLE' ? '' : 'VIEW',
    ]),
  };
}

function columnRow(column: ColumnFacts, isFull: boolean) {
  const { columnType, hasCharset } = factsOfType(column.type);
  const isNullable = column.isNullable ? 'YES' : 'NO';
  const rest = [isNullable, column.key, column.defaultText, column.extra];
  if (!isFull) return [column.name, columnType, ...rest];
  const collation = hasCharset ? DEFAULT_COLLATION : null;
  return [column.name, columnType, collation, ...rest, 'select,insert,update,references', ''];
}

/** As an oracle tenant describes a column: it has no empty text. */
function oracleColumnRow(column: ColumnFacts) {
  const isNullable = column.isNullable ? 'YES' : 'NO';
  return [column.name, oracleTypeText(column.type), isNullable, column.key || null, column.defaultText, null];
}

export async function showColumns(request: ShowRequest): Promise<Listing> {
  const { isFull } = request.statement;
  const table = await tableOf(request);
  if (request.session.mode === 'oracle') {
    const shape = columns({ FIELD: 'text', TYPE: 'long', NULL: 'text', KEY: 'text', DEFAULT: 'long', EXTRA: 'text' });
    return { columns: shape, rows: table.columns.map(oracleColumnRow) };
  }
  const shape = isFull
    ? columns({
        Field: 'text',
        Type: 'long',
        Collation: 'text',
        Null: 'text',
        Key: 'text',
        Default: 'long',
        Extra: 'text',
        Privileges: 'line',
        Comment: 'line',
      })
    : columns({ Field: 'text', Type: 'long', Null: 'text', Key: 'text', Default: 'long', Extra: 'text' });
  return { columns: shape, rows: table.columns.map((column) => columnRow(column, isFull)) };
}

export async function showIndex(request: ShowRequest): Promise<Listing> {
  const table = await tableOf(request);
  const isNullable = (name: string) => table.columns.find((column) => column.name === name)?.isNullable;
  return {
    columns: columns({
      Table: 'text',
      Non_unique: 'number',
      Key_name: 'text',
      Seq_in_index: 'number',
      Column_name: 'text',
      Collation: 'text',
      Cardinality: 'number',
      Sub_part: 'number',
      Packed: 'text',
      Null: 'text',
      Index_type: 'text',
      Comment: 'text',
      Index_comment: 'line',
    }),
    likeColumn: 2,
    rows: table.indexes.flatMap((index) =>
      index.columns.map((name, place) => [
        table.name,
        index.isUnique ? 0n : 1n,
        index.name,
        toBig(place + 1),
        name,
        'A',
        null,
        null,
        null,
        isNullable(name) ? 'YES' : '',
        'BTREE',
        '',
        '',
      ]),
    ),
  };
}

/** The columns of a system view in the form of CREATE TABLE: there is no other text of it. */
function describeAsTable(table: TableFacts, mode: TenantMode): string {
  const quote = mode === 'oracle' ? quoteName : quoteNameMysql;
  const typeOf = (column: ColumnFacts) =>
    mode === 'oracle' ? oracleTypeText(column.type) : factsOfType(column.type).columnType;
  const lines = table.columns.map(
    (column) => `  ${quote(column.name)} ${typeOf(column)}${column.isNullable ? '' : ' NOT NULL'}`,
  );
  return `CREATE TABLE ${quote(table.name)} (\n${lines.join(',\n')}\n)`;
}

/** CREATE TABLE, also of a view; CREATE VIEW only of one. */
export async function showCreateTable(request: ShowRequest): Promise<Listing> {
  const table = await tableOf(request);
  if (request.statement.subject === 'CREATE VIEW' && table.kind !== 'VIEW') {
    throw fail('NOT_A_VIEW', { what: `${table.schema}.${table.name}` });
  }
  if (table.kind !== 'VIEW') {
    const sql = table.createSql || describeAsTable(table, request.session.mode);
    return { columns: columns({ Table: 'text', 'Create Table': 'long' }), rows: [[table.name, sql]] };
  }
  return {
    columns: columns({
      View: 'text',
      'Create View': 'long',
      character_set_client: 'text',
      collation_connection: 'text',
    }),
    rows: [[table.name, table.createSql, DEFAULT_CHARSET, DEFAULT_COLLATION]],
  };
}

export function showCreateDatabase(request: ShowRequest): Listing {
  const database = databaseOf(request);
  const sql = `CREATE DATABASE ${quoteNameMysql(database)} /*!40100 DEFAULT CHARACTER SET ${DEFAULT_CHARSET} */`;
  return { columns: columns({ Database: 'text', 'Create Database': 'line' }), rows: [[database, sql]] };
}
