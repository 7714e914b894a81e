// Tables of information_schema that are always empty here: clients ask for them and expect "none", not an error.
import { type InfoTable, infoTable } from './information-schema-table.ts';
import { bigint, datetime, longtext, ubigint, type ViewColumn, type ViewColumns, varchar } from './view.ts';

type Shape = Record<string, 'name' | 'text' | 'integer' | 'unsigned' | 'time'>;

const MAKERS: Record<Shape[string], () => ViewColumn> = {
  name: () => varchar(64, '', { isNullable: true }),
  text: () => longtext('', { isNullable: true }),
  integer: () => bigint('', { isNullable: true }),
  unsigned: () => ubigint('', { isNullable: true }),
  time: () => datetime(0, '', { isNullable: true }),
};

function empty(name: string, shape: Shape): InfoTable {
  const columns: Record<string, ViewColumn> = {};
  for (const [column, kind] of Object.entries(shape)) columns[column] = MAKERS[kind]();
  return infoTable<ViewColumns>({ name, columns, rows: () => [] });
}

const NAMES = (names: string): Shape => Object.fromEntries(names.split(' ').map((name) => [name, 'name']));

const CLIENT_COLUMNS = {
  CHARACTER_SET_CLIENT: 'name',
  COLLATION_CONNECTION: 'name',
  DATABASE_COLLATION: 'name',
} as const;
const TYPE_COLUMNS = {
  DATA_TYPE: 'name',
  CHARACTER_MAXIMUM_LENGTH: 'integer',
  CHARACTER_OCTET_LENGTH: 'integer',
  NUMERIC_PRECISION: 'unsigned',
  NUMERIC_SCALE: 'integer',
  DATETIME_PRECISION: 'unsigned',
  CHARACTER_SET_NAME: 'name',
  COLLATION_NAME: 'name',
  DTD_IDENTIFIER: 'text',
} as const;

export const EMPTY_TABLES: readonly InfoTable[] = [
  empty('ROUTINES', {
    ...NAMES('SPECIFIC_NAME ROUTINE_CATALOG ROUTINE_SCHEMA ROUTINE_NAME ROUTINE_TYPE'),
    ...TYPE_COLUMNS,
    ROUTINE_BODY: 'name',
    ROUTINE_DEFINITION: 'text',
    ...NAMES('EXTERNAL_NAME EXTERNAL_LANGUAGE PARAMETER_STYLE IS_DETERMINISTIC SQL_DATA_ACCESS SQL_PATH SECURITY_TYPE'),
    CREATED: 'time',
    LAST_ALTERED: 'time',
    SQL_MODE: 'text',
    ROUTINE_COMMENT: 'text',
    DEFINER: 'name',
    ...CLIENT_COLUMNS,
  }),
  empty('PARAMETERS', {
    ...NAMES('SPECIFIC_CATALOG SPECIFIC_SCHEMA SPECIFIC_NAME'),
    ORDINAL_POSITION: 'integer',
    ...NAMES('PARAMETER_MODE PARAMETER_NAME'),
    ...TYPE_COLUMNS,
    ROUTINE_TYPE: 'name',
  }),
  empty('TRIGGERS', {
    ...NAMES('TRIGGER_CATALOG TRIGGER_SCHEMA TRIGGER_NAME EVENT_MANIPULATION'),
    ...NAMES('EVENT_OBJECT_CATALOG EVENT_OBJECT_SCHEMA EVENT_OBJECT_TABLE'),
    ACTION_ORDER: 'integer',
    ACTION_CONDITION: 'text',
    ACTION_STATEMENT: 'text',
    ...NAMES('ACTION_ORIENTATION ACTION_TIMING ACTION_REFERENCE_OLD_TABLE ACTION_REFERENCE_NEW_TABLE'),
    ...NAMES('ACTION_REFERENCE_OLD_ROW ACTION_REFERENCE_NEW_ROW'),
    CREATED: 'time',
    SQL_MODE: 'text',
    DEFINER: 'name',
    ...CLIENT_COLUMNS,
  }),
  empty('EVENTS', {
    ...NAMES('EVENT_CATALOG EVENT_SCHEMA EVENT_NAME DEFINER TIME_ZONE EVENT_BODY'),
    EVENT_DEFINITION: 'text',
    EVENT_TYPE: 'name',
    EXECUTE_AT: 'time',
    ...NAMES('INTERVAL_VALUE INTERVAL_FIELD'),
    SQL_MODE: 'text',
    STARTS: 'time',
    ENDS: 'time',
    ...NAMES('STATUS ON_COMPLETION'),
    CREATED: 'time',
    LAST_ALTERED: 'time',
    LAST_EXECUTED: 'time',
    EVENT_COMMENT: 'name',
    ORIGINATOR: 'integer',
    ...CLIENT_COLUMNS,
  }),
  empty('REFERENTIAL_CONSTRAINTS', {
    ...NAMES('CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME UNIQUE_CONSTRAINT_CATALOG UNIQUE_CONSTRAINT_SCHEMA'),
    ...NAMES('UNIQUE_CONSTRAINT_NAME MATCH_OPTION UPDATE_RULE DELETE_RULE TABLE_NAME REFERENCED_TABLE_NAME'),
  }),
  empty('PARTITIONS', {
    ...NAMES('TABLE_CATALOG TABLE_SCHEMA TABLE_NAME PARTITION_NAME SUBPARTITION_NAME'),
    PARTITION_ORDINAL_POSITION: 'unsigned',
    SUBPARTITION_ORDINAL_POSITION: 'unsigned',
    ...NAMES('PARTITION_METHOD SUBPARTITION_METHOD'),
    PARTITION_EXPRESSION: 'text',
    SUBPARTITION_EXPRESSION: 'text',
    PARTITION_DESCRIPTION: 'text',
    TABLE_ROWS: 'unsigned',
    AVG_ROW_LENGTH: 'unsigned',
    DATA_LENGTH: 'unsigned',
    MAX_DATA_LENGTH: 'unsigned',
    INDEX_LENGTH: 'unsigned',
    DATA_FREE: 'unsigned',
    CREATE_TIME: 'time',
    UPDATE_TIME: 'time',
    CHECK_TIME: 'time',
    CHECKSUM: 'unsigned',
    ...NAMES('PARTITION_COMMENT NODEGROUP TABLESPACE_NAME'),
  }),
  empty('PLUGINS', {
    ...NAMES('PLUGIN_NAME PLUGIN_VERSION PLUGIN_STATUS PLUGIN_TYPE PLUGIN_TYPE_VERSION PLUGIN_LIBRARY'),
    ...NAMES('PLUGIN_LIBRARY_VERSION PLUGIN_AUTHOR'),
    PLUGIN_DESCRIPTION: 'text',
    ...NAMES('PLUGIN_LICENSE LOAD_OPTION'),
  }),
  empty('TABLE_PRIVILEGES', NAMES('GRANTEE TABLE_CATALOG TABLE_SCHEMA TABLE_NAME PRIVILEGE_TYPE IS_GRANTABLE')),
  empty(
    'COLUMN_PRIVILEGES',
    NAMES('GRANTEE TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME PRIVILEGE_TYPE IS_GRANTABLE'),
  ),
];
