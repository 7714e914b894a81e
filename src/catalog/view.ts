// System views as data: columns in the documented order, and the rows they show. `CDB_…` is declared, `DBA_…` derived.
import type { ColumnType, SqlValue } from '../model/result.ts';
import type { TenantMode } from '../model/tenant.ts';
import { oracleColumnType, oracleType } from './oracle-types.ts';
import type { ViewReader } from './view-reader.ts';

declare const valueType: unique symbol;

/** One column of a view; `V` is what its rows hold. */
export interface ViewColumn<V extends SqlValue = SqlValue> {
  type: ColumnType;
  info: string;
  isNullable: boolean;
  /** Type in the DBA_ view, where the documentation gives another one. */
  dba?: ColumnType;
  /** Type in an oracle tenant where it is not the one that follows by rule; null: the column is not there. */
  oracle?: ColumnType | null;
  readonly [valueType]?: V;
}

export type ViewColumns = Readonly<Record<string, ViewColumn>>;
/** A row of a view with these columns. */
export type ViewRow<C extends ViewColumns> = {
  readonly [K in keyof C]: C[K] extends ViewColumn<infer V> ? V : never;
};

export interface ViewDefinition<C extends ViewColumns> {
  name: string;
  /** Where the columns are documented. */
  source: string;
  columns: C;
  /** Only the rows that `reader.where` lets through. */
  rows(reader: ViewReader): Iterable<ViewRow<C>>;
}

export interface View {
  readonly name: string;
  readonly source: string;
  readonly columns: ViewColumns;
  /** `sys`: the view exists in the sys tenant alone. */
  readonly audience: 'sys' | 'everyone';
  /** `fleet`: the sys tenant sees the rows of all tenants; `own`: every tenant sees its own rows only. */
  readonly reach: 'fleet' | 'own';
  rows(reader: ViewReader): Iterable<Readonly<Record<string, SqlValue>>>;
}

/**
 * Declares a view.
 * @example export const CDB_OB_X = view({ name: 'CDB_OB_X', source: '…', columns: { TENANT_ID: bigint('…') }, rows })
 */
export function view<C extends ViewColumns>(
  definition: ViewDefinition<C>,
  of: Pick<View, 'audience' | 'reach'> = { audience: 'sys', reach: 'fleet' },
): View {
  return { ...definition, ...of };
}

/** The view of a tenant's own rows: without TENANT_ID unless the documentation keeps it there. */
export function deriveDba(cdb: View, options: { keepsTenantId?: boolean } = {}): View {
  const columns: Record<string, ViewColumn> = {};
  for (const [name, column] of Object.entries(cdb.columns)) {
    if (name === 'TENANT_ID' && !options.keepsTenantId) continue;
    columns[name] = column.dba ? { ...column, type: column.dba } : column;
  }
  return { ...cdb, name: cdb.name.replace(/^CDB_/, 'DBA_'), columns, audience: 'everyone', reach: 'own' };
}

/** A column as a client sees it. */
export interface ShownColumn {
  name: string;
  type: ColumnType;
  isNullable: boolean;
}

/** The type of a column in an oracle tenant; null when it is not there. */
export function oracleTypeOf(name: string, { type, oracle }: ViewColumn): ColumnType | null {
  if (oracle === null) return null;
  return oracle ? oracleType(oracle) : oracleColumnType(name, type);
}

/** The columns of a view in a tenant of this mode. */
export function shownColumns(columns: ViewColumns, mode: TenantMode): ShownColumn[] {
  const shown: ShownColumn[] = [];
  for (const [name, column] of Object.entries(columns)) {
    const type = mode === 'oracle' ? oracleTypeOf(name, column) : column.type;
    if (type === null) continue;
    const { base } = column.type;
    // The documentation calls times NOT NULL that are NULL while something has not happened yet.
    const isNullable =
      column.isNullable || base === 'datetime' || base === 'timestamp' || /(_DISPLAY|_TIMESTAMP)$/.test(name);
    shown.push({ name, type, isNullable });
  }
  return shown;
}

const isInteger = (type: ColumnType) => ['tinyint', 'int', 'bigint'].includes(type.base);

const travelsAsText = (type: ColumnType) => ['varchar', 'longtext', 'decimal'].includes(type.base);

/** The values of a row in the order of the columns; integers as bigint, numbers in text and decimal columns as text. */
export function toValues(row: Readonly<Record<string, SqlValue>>, columns: readonly ShownColumn[]): SqlValue[] {
  return columns.map(({ name, type }) => {
    const value = row[name] ?? null;
    if (typeof value === 'number' && isInteger(type)) return BigInt(value);
    if ((typeof value === 'number' || typeof value === 'bigint') && travelsAsText(type)) return String(value);
    return value;
  });
}

// ## Column makers

export const NULLABLE = { isNullable: true } as const;
/** Of times that an oracle tenant gets as text although no rule says so. */
export const ORACLE_TIME = { oracle: { base: 'varchar', length: 256 } } as const;

interface ColumnOptions {
  isNullable?: boolean;
  dba?: ColumnType;
  oracle?: ColumnType | null;
}

const column = <V extends SqlValue>(type: ColumnType, info: string, options: ColumnOptions): ViewColumn<V> => ({
  type,
  info,
  isNullable: false,
  ...options,
});

type Integer = bigint | number | null;
type Text = string | null;

export const bigint = (info: string, options: ColumnOptions & { length?: number } = {}): ViewColumn<Integer> => {
  const { length, ...rest } = options;
  return column({ base: 'bigint', ...(length === undefined ? {} : { length }) }, info, rest);
};
export const tinyint = (length: number, info: string, options: ColumnOptions = {}): ViewColumn<Integer> =>
  column({ base: 'tinyint', length }, info, options);
export const ubigint = (info: string, options: ColumnOptions = {}): ViewColumn<Integer> =>
  column({ base: 'bigint', unsigned: true }, info, options);
export const double = (info: string, options: ColumnOptions = {}): ViewColumn<number | null> =>
  column({ base: 'double' }, info, options);
export const varchar = (length: number, info: string, options: ColumnOptions = {}): ViewColumn<Text> =>
  column({ base: 'varchar', length }, info, options);
export const longtext = (info: string, options: ColumnOptions = {}): ViewColumn<Text> =>
  column({ base: 'longtext' }, info, options);
export const datetime = (scale: number, info: string, options: ColumnOptions = {}): ViewColumn<Text> =>
  column({ base: 'datetime', scale }, info, options);
export const timestamp = (scale: number, info: string, options: ColumnOptions = {}): ViewColumn<Text> =>
  column({ base: 'timestamp', scale }, info, options);
/** Values travel as text with exactly `scale` digits. */
export const decimal = (length: number, scale: number, info: string, options: ColumnOptions = {}): ViewColumn<Text> =>
  column({ base: 'decimal', length, scale }, info, options);
