// What a SHOW statement answers before its LIKE or WHERE is applied.
import type { ColumnType, SqlValue } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import type { Show } from './grammar/statement.ts';
import type { Session } from './session.ts';

export interface ListingColumn {
  name: string;
  type: ColumnType;
}

export interface Listing {
  columns: ListingColumn[];
  rows: SqlValue[][];
  /** Place of the column that LIKE compares; 0 unless said otherwise. */
  likeColumn?: number;
}

export interface ShowRequest {
  deps: SqlDependencies;
  session: Session;
  statement: Show;
}

export type MakeListing = (request: ShowRequest) => Listing | Promise<Listing>;

/** Columns that may be anything short: `text:Field,number:Code`. Kinds: text (64), long (longtext), number, time. */
const TYPES: Record<string, ColumnType> = {
  text: { base: 'varchar', length: 64 },
  line: { base: 'varchar', length: 1024 },
  long: { base: 'longtext' },
  number: { base: 'bigint' },
  time: { base: 'datetime', scale: 0 },
};

/** Declares columns in order: `columns({ Variable_name: 'text', Value: 'line' })`. */
export function columns(shape: Readonly<Record<string, keyof typeof TYPES>>): ListingColumn[] {
  return Object.entries(shape).map(([name, kind]) => ({ name, type: TYPES[kind]! }));
}

/** A listing that never has a row here. */
export const emptyListing =
  (shape: Readonly<Record<string, keyof typeof TYPES>>): MakeListing =>
  () => ({ columns: columns(shape), rows: [] });

export const toBig = (value: number | null): bigint | null => (value === null ? null : BigInt(value));
