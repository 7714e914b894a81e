// The dictionary of an oracle tenant, as far as ordinary clients ask: tables, views, columns, users, settings, version.
// DBA_, ALL_ and USER_ show the same: SYS is the only owner. Tables of the tenant stand under the database that finds them.
import type { SqlValue } from '../model/result.ts';
import type { InfoFacts, InfoTable } from './information-schema-table.ts';
import { oracleType, oracleTypeText } from './oracle-types.ts';
import type { ColumnFacts, TableFacts } from './table-facts.ts';
import { bigint, longtext, NULLABLE, type ViewColumns, varchar } from './view.ts';

type Rows = (facts: InfoFacts) => Iterable<Readonly<Record<string, SqlValue>>>;

const OCTETS_PER_CHARACTER = 4;
/** Octets that Oracle keeps a number, a date and a time in. */
const NUMBER_OCTETS = 22;
const TIME_OCTETS = 11;

/** The three views of one kind; USER_ does without the owner. */
function threefold(name: string, columns: ViewColumns, rows: Rows): InfoTable[] {
  const withOwner = { OWNER: varchar(128, 'Database that holds it.'), ...columns };
  return ['DBA', 'ALL', 'USER'].map((prefix) => ({
    name: `${prefix}_${name}`,
    columns: prefix === 'USER' ? columns : withOwner,
    rows,
  }));
}

const isView = (table: TableFacts) => table.kind !== 'BASE TABLE';
const named = (table: TableFacts) => ({ OWNER: table.schema, TABLE_NAME: table.name, VIEW_NAME: table.name });

const TABLES = threefold(
  'TABLES',
  {
    TABLE_NAME: varchar(128, 'The table.'),
    TABLESPACE_NAME: varchar(30, 'None.', NULLABLE),
    STATUS: varchar(8, 'VALID.'),
    NUM_ROWS: bigint('Not counted.', NULLABLE),
    PARTITIONED: varchar(3, 'NO.'),
    TEMPORARY: varchar(1, 'N.'),
  },
  ({ tables }) =>
    tables
      .filter((table) => !isView(table))
      .map((table) => ({ ...named(table), STATUS: 'VALID', PARTITIONED: 'NO', TEMPORARY: 'N' })),
);

const VIEWS = threefold(
  'VIEWS',
  {
    VIEW_NAME: varchar(128, 'The view.'),
    TEXT_LENGTH: bigint('Characters of its text.', NULLABLE),
    TEXT: longtext('Its text; none for a system view.', NULLABLE),
  },
  ({ tables }) =>
    tables.filter(isView).map((table) => ({
      ...named(table),
      TEXT_LENGTH: table.createSql.length,
      TEXT: table.createSql || null,
    })),
);

const OBJECTS = threefold(
  'OBJECTS',
  {
    OBJECT_NAME: varchar(128, 'Its name.'),
    SUBOBJECT_NAME: varchar(128, 'None.', NULLABLE),
    OBJECT_ID: bigint('Its place in this list.'),
    OBJECT_TYPE: varchar(23, 'TABLE or VIEW.'),
    STATUS: varchar(7, 'VALID.'),
    TEMPORARY: varchar(1, 'N.'),
    GENERATED: varchar(1, 'N.'),
  },
  ({ tables }) =>
    tables.map((table, place) => ({
      ...named(table),
      OBJECT_NAME: table.name,
      OBJECT_ID: place + 1,
      OBJECT_TYPE: isView(table) ? 'VIEW' : 'TABLE',
      STATUS: 'VALID',
      TEMPORARY: 'N',
      GENERATED: 'N',
    })),
);

/** What ALL_TAB_COLUMNS says of a type. */
function typeColumns({ type }: ColumnFacts) {
  const { base, length, scale } = oracleType(type);
  const text = oracleTypeText(type);
  const isText = base === 'varchar';
  const octets = base === 'decimal' ? NUMBER_OCTETS : isText ? (length ?? 0) * OCTETS_PER_CHARACTER : TIME_OCTETS;
  const isFixed = base === 'decimal' && length !== undefined;
  return {
    // Only times carry their digits in the name of the type.
    DATA_TYPE: text.startsWith('TIMESTAMP') ? text : text.replace(/\(.*/, ''),
    DATA_LENGTH: octets,
    DATA_PRECISION: isFixed ? length : null,
    DATA_SCALE: isFixed || base === 'datetime' || base === 'timestamp' ? (scale ?? 0) : null,
    CHAR_LENGTH: isText ? (length ?? 0) : 0,
    CHAR_USED: isText ? 'C' : null,
  };
}

const TAB_COLUMNS = threefold(
  'TAB_COLUMNS',
  {
    TABLE_NAME: varchar(128, 'Table or view.'),
    COLUMN_NAME: varchar(128, 'The column.'),
    DATA_TYPE: varchar(128, 'Its type.'),
    DATA_TYPE_MOD: varchar(3, 'None.', NULLABLE),
    DATA_TYPE_OWNER: varchar(128, 'None.', NULLABLE),
    DATA_LENGTH: bigint('Octets.'),
    DATA_PRECISION: bigint('Digits of a number.', NULLABLE),
    DATA_SCALE: bigint('Digits after the point, or of the second.', NULLABLE),
    NULLABLE: varchar(1, 'Y or N.'),
    COLUMN_ID: bigint('Its place, from 1.'),
    DEFAULT_LENGTH: bigint('Characters of the default.', NULLABLE),
    DATA_DEFAULT: longtext('The default.', NULLABLE),
    CHAR_LENGTH: bigint('Characters of a text.'),
    CHAR_USED: varchar(1, 'C: the length is in characters.', NULLABLE),
  },
  function* ({ tables }) {
    for (const table of tables)
      for (const [place, column] of table.columns.entries())
        yield {
          ...named(table),
          COLUMN_NAME: column.name,
          ...typeColumns(column),
          NULLABLE: column.isNullable ? 'Y' : 'N',
          COLUMN_ID: place + 1,
          DEFAULT_LENGTH: column.defaultText?.length ?? null,
          DATA_DEFAULT: column.defaultText,
        };
  },
);

const USERS: InfoTable[] = ['DBA_USERS', 'ALL_USERS', 'USER_USERS'].map((name) => ({
  name,
  columns: { USERNAME: varchar(128, 'The user.'), USERID: bigint('Its place in this list.') },
  rows: ({ accounts }) => accounts.map(({ user }, place) => ({ USERNAME: user, USERID: place + 1 })),
}));

const variable = (facts: InfoFacts, name: string) =>
  facts.variables('SESSION').find((one) => one.name === name)?.value ?? '';

const VERSION: InfoTable = {
  name: 'V$VERSION',
  columns: {
    BANNER: varchar(256, 'Product and version.'),
    BANNER_FULL: varchar(256, 'The same.'),
    BANNER_LEGACY: varchar(256, 'The same.'),
    CON_ID: bigint('Always 0.'),
  },
  rows(facts) {
    const banner = variable(facts, 'version').replace(/^[\d.]+-OceanBase-v/, 'OceanBase ');
    return [{ BANNER: banner, BANNER_FULL: banner, BANNER_LEGACY: banner, CON_ID: 0 }];
  },
};

const NLS: InfoTable[] = ['NLS_SESSION_PARAMETERS', 'NLS_DATABASE_PARAMETERS', 'V$NLS_PARAMETERS'].map((name) => ({
  name,
  columns: { PARAMETER: varchar(30, 'The setting.'), VALUE: varchar(64, 'Its value.', NULLABLE) },
  rows: (facts) =>
    facts
      .variables(name === 'NLS_DATABASE_PARAMETERS' ? 'GLOBAL' : 'SESSION')
      .filter((one) => one.name.startsWith('nls_'))
      .map((one) => ({ PARAMETER: one.name.toUpperCase(), VALUE: one.value })),
}));

/** `FROM DUAL` alone needs no table; beside others, or as SYS.DUAL, it is this one. */
const DUAL: InfoTable = {
  name: 'DUAL',
  columns: { DUMMY: varchar(1, 'X.', NULLABLE) },
  rows: () => [{ DUMMY: 'X' }],
};

export const ORACLE_DICTIONARY: readonly InfoTable[] = [
  ...TABLES,
  ...VIEWS,
  ...OBJECTS,
  ...TAB_COLUMNS,
  ...USERS,
  ...NLS,
  VERSION,
  DUAL,
];
