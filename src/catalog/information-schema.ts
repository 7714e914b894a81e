// information_schema: what ordinary clients ask about databases, tables and the server. Made for each statement from
// facts that were gathered beforehand; nothing here reads anything.
import { ACCOUNT_TABLES } from './account-tables.ts';
import { CHARACTER_SETS, COLLATIONS, DEFAULT_CHARSET, DEFAULT_COLLATION } from './character-sets.ts';
import { EMPTY_TABLES } from './information-schema-empty.ts';
import { type InfoTable, infoTable } from './information-schema-table.ts';
import { type ColumnFacts, factsOfType, PRIMARY, type TableFacts } from './table-facts.ts';
import { bigint, datetime, longtext, NULLABLE, ubigint, type ViewColumns, varchar } from './view.ts';

const CATALOG = 'def';
const PRIVILEGES = 'select,insert,update,references';

const TABLE_NAME_COLUMNS = {
  TABLE_CATALOG: varchar(512, ''),
  TABLE_SCHEMA: varchar(64, ''),
  TABLE_NAME: varchar(64, ''),
} satisfies ViewColumns;

const tableName = (table: TableFacts) => ({
  TABLE_CATALOG: CATALOG,
  TABLE_SCHEMA: table.schema,
  TABLE_NAME: table.name,
});

const SCHEMATA = infoTable({
  name: 'SCHEMATA',
  columns: {
    CATALOG_NAME: varchar(512, ''),
    SCHEMA_NAME: varchar(64, ''),
    DEFAULT_CHARACTER_SET_NAME: varchar(32, ''),
    DEFAULT_COLLATION_NAME: varchar(32, ''),
    SQL_PATH: varchar(512, '', NULLABLE),
  },
  rows: ({ databases }) =>
    databases.map((name) => ({
      CATALOG_NAME: CATALOG,
      SCHEMA_NAME: name,
      DEFAULT_CHARACTER_SET_NAME: DEFAULT_CHARSET,
      DEFAULT_COLLATION_NAME: DEFAULT_COLLATION,
      SQL_PATH: null,
    })),
});

const TABLES = infoTable({
  name: 'TABLES',
  columns: {
    ...TABLE_NAME_COLUMNS,
    TABLE_TYPE: varchar(64, ''),
    ENGINE: varchar(64, '', NULLABLE),
    VERSION: ubigint('', NULLABLE),
    ROW_FORMAT: varchar(10, '', NULLABLE),
    TABLE_ROWS: ubigint('', NULLABLE),
    AVG_ROW_LENGTH: ubigint('', NULLABLE),
    DATA_LENGTH: ubigint('', NULLABLE),
    MAX_DATA_LENGTH: ubigint('', NULLABLE),
    INDEX_LENGTH: ubigint('', NULLABLE),
    DATA_FREE: ubigint('', NULLABLE),
    AUTO_INCREMENT: ubigint('', NULLABLE),
    CREATE_TIME: datetime(0, '', NULLABLE),
    UPDATE_TIME: datetime(0, '', NULLABLE),
    CHECK_TIME: datetime(0, '', NULLABLE),
    TABLE_COLLATION: varchar(32, '', NULLABLE),
    CHECKSUM: ubigint('', NULLABLE),
    CREATE_OPTIONS: varchar(255, '', NULLABLE),
    TABLE_COMMENT: varchar(2048, ''),
  },
  rows: ({ tables }) =>
    tables.map((table) => ({
      ...tableName(table),
      TABLE_TYPE: table.kind,
      ENGINE: table.engine,
      VERSION: null,
      ROW_FORMAT: null,
      TABLE_ROWS: null,
      AVG_ROW_LENGTH: null,
      DATA_LENGTH: null,
      MAX_DATA_LENGTH: null,
      INDEX_LENGTH: null,
      DATA_FREE: null,
      AUTO_INCREMENT: null,
      CREATE_TIME: null,
      UPDATE_TIME: null,
      CHECK_TIME: null,
      TABLE_COLLATION: table.kind === 'BASE TABLE' ? DEFAULT_COLLATION : null,
      CHECKSUM: null,
      CREATE_OPTIONS: '',
      TABLE_COMMENT: table.kind === 'VIEW' ? 'VIEW' : '',
    })),
});

function columnRow(table: TableFacts, column: ColumnFacts, index: number) {
  const type = factsOfType(column.type);
  return {
    ...tableName(table),
    COLUMN_NAME: column.name,
    ORDINAL_POSITION: index + 1,
    COLUMN_DEFAULT: column.defaultText,
    IS_NULLABLE: column.isNullable ? 'YES' : 'NO',
    DATA_TYPE: type.dataType,
    CHARACTER_MAXIMUM_LENGTH: type.characters,
    CHARACTER_OCTET_LENGTH: type.octets,
    NUMERIC_PRECISION: type.precision,
    NUMERIC_SCALE: type.scale,
    DATETIME_PRECISION: type.fraction,
    CHARACTER_SET_NAME: type.hasCharset ? DEFAULT_CHARSET : null,
    COLLATION_NAME: type.hasCharset ? DEFAULT_COLLATION : null,
    COLUMN_TYPE: type.columnType,
    COLUMN_KEY: column.key,
    EXTRA: column.extra,
    PRIVILEGES,
    COLUMN_COMMENT: '',
    GENERATION_EXPRESSION: '',
  };
}

const COLUMNS = infoTable({
  name: 'COLUMNS',
  columns: {
    ...TABLE_NAME_COLUMNS,
    COLUMN_NAME: varchar(64, ''),
    ORDINAL_POSITION: ubigint(''),
    COLUMN_DEFAULT: longtext('', NULLABLE),
    IS_NULLABLE: varchar(3, ''),
    DATA_TYPE: varchar(64, ''),
    CHARACTER_MAXIMUM_LENGTH: ubigint('', NULLABLE),
    CHARACTER_OCTET_LENGTH: ubigint('', NULLABLE),
    NUMERIC_PRECISION: ubigint('', NULLABLE),
    NUMERIC_SCALE: ubigint('', NULLABLE),
    DATETIME_PRECISION: ubigint('', NULLABLE),
    CHARACTER_SET_NAME: varchar(32, '', NULLABLE),
    COLLATION_NAME: varchar(32, '', NULLABLE),
    COLUMN_TYPE: longtext(''),
    COLUMN_KEY: varchar(3, ''),
    EXTRA: varchar(30, ''),
    PRIVILEGES: varchar(80, ''),
    COLUMN_COMMENT: varchar(1024, ''),
    GENERATION_EXPRESSION: longtext(''),
  },
  rows: ({ tables }) =>
    tables.flatMap((table) => table.columns.map((column, index) => columnRow(table, column, index))),
});

const STATISTICS = infoTable({
  name: 'STATISTICS',
  columns: {
    ...TABLE_NAME_COLUMNS,
    NON_UNIQUE: bigint(''),
    INDEX_SCHEMA: varchar(64, ''),
    INDEX_NAME: varchar(64, ''),
    SEQ_IN_INDEX: bigint(''),
    COLUMN_NAME: varchar(64, ''),
    COLLATION: varchar(1, '', NULLABLE),
    CARDINALITY: bigint('', NULLABLE),
    SUB_PART: bigint('', NULLABLE),
    PACKED: varchar(10, '', NULLABLE),
    NULLABLE: varchar(3, ''),
    INDEX_TYPE: varchar(16, ''),
    COMMENT: varchar(16, '', NULLABLE),
    INDEX_COMMENT: varchar(1024, ''),
  },
  rows: ({ tables }) =>
    tables.flatMap((table) =>
      table.indexes.flatMap((index) =>
        index.columns.map((name, place) => ({
          ...tableName(table),
          NON_UNIQUE: index.isUnique ? 0 : 1,
          INDEX_SCHEMA: table.schema,
          INDEX_NAME: index.name,
          SEQ_IN_INDEX: place + 1,
          COLUMN_NAME: name,
          COLLATION: 'A',
          CARDINALITY: null,
          SUB_PART: null,
          PACKED: null,
          NULLABLE: table.columns.find((column) => column.name === name)?.isNullable ? 'YES' : '',
          INDEX_TYPE: 'BTREE',
          COMMENT: '',
          INDEX_COMMENT: '',
        })),
      ),
    ),
});

const uniqueKeys = (tables: readonly TableFacts[]) =>
  tables.flatMap((table) => table.indexes.filter((index) => index.isUnique).map((index) => ({ table, index })));

const KEY_COLUMN_USAGE = infoTable({
  name: 'KEY_COLUMN_USAGE',
  columns: {
    CONSTRAINT_CATALOG: varchar(512, ''),
    CONSTRAINT_SCHEMA: varchar(64, ''),
    CONSTRAINT_NAME: varchar(64, ''),
    ...TABLE_NAME_COLUMNS,
    COLUMN_NAME: varchar(64, ''),
    ORDINAL_POSITION: bigint(''),
    POSITION_IN_UNIQUE_CONSTRAINT: bigint('', NULLABLE),
    REFERENCED_TABLE_SCHEMA: varchar(64, '', NULLABLE),
    REFERENCED_TABLE_NAME: varchar(64, '', NULLABLE),
    REFERENCED_COLUMN_NAME: varchar(64, '', NULLABLE),
  },
  rows: ({ tables }) =>
    uniqueKeys(tables).flatMap(({ table, index }) =>
      index.columns.map((name, place) => ({
        CONSTRAINT_CATALOG: CATALOG,
        CONSTRAINT_SCHEMA: table.schema,
        CONSTRAINT_NAME: index.name,
        ...tableName(table),
        COLUMN_NAME: name,
        ORDINAL_POSITION: place + 1,
        POSITION_IN_UNIQUE_CONSTRAINT: null,
        REFERENCED_TABLE_SCHEMA: null,
        REFERENCED_TABLE_NAME: null,
        REFERENCED_COLUMN_NAME: null,
      })),
    ),
});

const TABLE_CONSTRAINTS = infoTable({
  name: 'TABLE_CONSTRAINTS',
  columns: {
    CONSTRAINT_CATALOG: varchar(512, ''),
    CONSTRAINT_SCHEMA: varchar(64, ''),
    CONSTRAINT_NAME: varchar(64, ''),
    TABLE_SCHEMA: varchar(64, ''),
    TABLE_NAME: varchar(64, ''),
    CONSTRAINT_TYPE: varchar(64, ''),
  },
  rows: ({ tables }) =>
    uniqueKeys(tables).map(({ table, index }) => ({
      CONSTRAINT_CATALOG: CATALOG,
      CONSTRAINT_SCHEMA: table.schema,
      CONSTRAINT_NAME: index.name,
      TABLE_SCHEMA: table.schema,
      TABLE_NAME: table.name,
      CONSTRAINT_TYPE: index.name === PRIMARY ? 'PRIMARY KEY' : 'UNIQUE',
    })),
});

const VIEWS = infoTable({
  name: 'VIEWS',
  columns: {
    ...TABLE_NAME_COLUMNS,
    VIEW_DEFINITION: longtext(''),
    CHECK_OPTION: varchar(8, ''),
    IS_UPDATABLE: varchar(3, ''),
    DEFINER: varchar(93, ''),
    SECURITY_TYPE: varchar(7, ''),
    CHARACTER_SET_CLIENT: varchar(32, ''),
    COLLATION_CONNECTION: varchar(32, ''),
  },
  rows: ({ tables, administrator }) =>
    tables
      .filter((table) => table.kind === 'VIEW')
      .map((table) => ({
        ...tableName(table),
        VIEW_DEFINITION: table.createSql.replace(/^[\s\S]*?\bAS\b\s*/i, ''),
        CHECK_OPTION: 'NONE',
        IS_UPDATABLE: 'NO',
        DEFINER: `${administrator}@%`,
        SECURITY_TYPE: 'DEFINER',
        CHARACTER_SET_CLIENT: DEFAULT_CHARSET,
        COLLATION_CONNECTION: DEFAULT_COLLATION,
      })),
});

const CHARACTER_SETS_TABLE = infoTable({
  name: 'CHARACTER_SETS',
  columns: {
    CHARACTER_SET_NAME: varchar(32, ''),
    DEFAULT_COLLATE_NAME: varchar(32, ''),
    DESCRIPTION: varchar(60, ''),
    MAXLEN: bigint(''),
  },
  rows: () =>
    CHARACTER_SETS.map((charset) => ({
      CHARACTER_SET_NAME: charset.name,
      DEFAULT_COLLATE_NAME: charset.defaultCollation,
      DESCRIPTION: charset.description,
      MAXLEN: charset.maxBytes,
    })),
});

const isDefaultCollation = (name: string) => CHARACTER_SETS.some((charset) => charset.defaultCollation === name);

const COLLATIONS_TABLE = infoTable({
  name: 'COLLATIONS',
  columns: {
    COLLATION_NAME: varchar(32, ''),
    CHARACTER_SET_NAME: varchar(32, ''),
    ID: bigint(''),
    IS_DEFAULT: varchar(3, ''),
    IS_COMPILED: varchar(3, ''),
    SORTLEN: bigint(''),
  },
  rows: () =>
    COLLATIONS.map((collation) => ({
      COLLATION_NAME: collation.name,
      CHARACTER_SET_NAME: collation.charset,
      ID: collation.id,
      IS_DEFAULT: isDefaultCollation(collation.name) ? 'Yes' : '',
      IS_COMPILED: 'Yes',
      SORTLEN: 1,
    })),
});

const COLLATION_CHARSETS = infoTable({
  name: 'COLLATION_CHARACTER_SET_APPLICABILITY',
  columns: { COLLATION_NAME: varchar(32, ''), CHARACTER_SET_NAME: varchar(32, '') },
  rows: () =>
    COLLATIONS.map((collation) => ({ COLLATION_NAME: collation.name, CHARACTER_SET_NAME: collation.charset })),
});

const ENGINES = infoTable({
  name: 'ENGINES',
  columns: {
    ENGINE: varchar(64, ''),
    SUPPORT: varchar(8, ''),
    COMMENT: varchar(80, ''),
    TRANSACTIONS: varchar(3, '', NULLABLE),
    XA: varchar(3, '', NULLABLE),
    SAVEPOINTS: varchar(3, '', NULLABLE),
  },
  rows: ({ engines }) =>
    engines.map((engine, index) => ({
      ENGINE: engine,
      SUPPORT: index === 0 ? 'DEFAULT' : 'YES',
      COMMENT: 'Holds the data of tenants',
      TRANSACTIONS: 'YES',
      XA: 'NO',
      SAVEPOINTS: 'YES',
    })),
});

const PROCESSLIST = infoTable({
  name: 'PROCESSLIST',
  columns: {
    ID: ubigint(''),
    USER: varchar(32, ''),
    HOST: varchar(64, ''),
    DB: varchar(64, '', NULLABLE),
    COMMAND: varchar(16, ''),
    TIME: bigint(''),
    STATE: varchar(64, '', NULLABLE),
    INFO: longtext('', NULLABLE),
  },
  rows: ({ connections }) =>
    connections.map((connection) => ({
      ID: connection.id,
      USER: connection.user,
      HOST: connection.host,
      DB: connection.database,
      COMMAND: connection.command,
      TIME: Math.floor(connection.elapsedMs / 1000),
      STATE: connection.state,
      INFO: connection.info,
    })),
});

const variablesTable = (name: string, scope: 'SESSION' | 'GLOBAL') =>
  infoTable({
    name,
    columns: { VARIABLE_NAME: varchar(64, ''), VARIABLE_VALUE: varchar(1024, '', NULLABLE) },
    rows: ({ variables }) =>
      variables(scope).map((variable) => ({ VARIABLE_NAME: variable.name, VARIABLE_VALUE: variable.value })),
  });

export const INFORMATION_SCHEMA: readonly InfoTable[] = [
  SCHEMATA,
  TABLES,
  COLUMNS,
  STATISTICS,
  KEY_COLUMN_USAGE,
  TABLE_CONSTRAINTS,
  VIEWS,
  CHARACTER_SETS_TABLE,
  COLLATIONS_TABLE,
  COLLATION_CHARSETS,
  ENGINES,
  PROCESSLIST,
  variablesTable('GLOBAL_VARIABLES', 'GLOBAL'),
  variablesTable('SESSION_VARIABLES', 'SESSION'),
  ...ACCOUNT_TABLES,
  ...EMPTY_TABLES,
];
