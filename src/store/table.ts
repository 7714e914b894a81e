// One record type, one table: typed rows in and out, and updates that first check what they expect to find.
import { assert } from '../base/assert.ts';
import type { Statements, StoredValue } from './statements.ts';

/** How one field is kept: to a column value and back. */
interface Codec<V> {
  toStored(value: V): StoredValue;
  fromStored(value: StoredValue): V;
}

const codec = <V>(toStored: (value: V) => StoredValue, fromStored: (value: never) => V): Codec<V> => ({
  toStored,
  fromStored: fromStored as (value: StoredValue) => V,
});

/** Bytes inside JSON travel as `{ $b64 }`. */
function jsonOut(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { $b64: Buffer.from(value).toString('base64') } : value;
}
function jsonIn(_key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && '$b64' in value) {
    return new Uint8Array(Buffer.from(String(value.$b64), 'base64'));
  }
  return value;
}

export const int: Codec<number> = codec(
  (value) => BigInt(value),
  (value: bigint) => Number(value),
);
export const real: Codec<number> = codec(
  (value) => value,
  (value: number | bigint) => Number(value),
);
// biome-ignore lint/suspicious/noExplicitAny: serves bigint and the branded Scn alike
export const big: Codec<any> = codec(
  (value: bigint) => value,
  (value: bigint) => value,
);
// biome-ignore lint/suspicious/noExplicitAny: serves string and unions of string literals alike
export const text: Codec<any> = codec(
  (value: string) => value,
  (value: string) => value,
);
export const bool: Codec<boolean> = codec(
  (value) => (value ? 1n : 0n),
  (value: bigint) => value === 1n,
);
export const bytes: Codec<Uint8Array> = codec(
  (value) => value,
  (value: Uint8Array) => value,
);
// biome-ignore lint/suspicious/noExplicitAny: the record type says what the JSON holds
export const json: Codec<any> = codec(
  (value: unknown) => JSON.stringify(value, jsonOut),
  // To look at each value costs several times as much as to parse it.
  (value: string) => JSON.parse(value, value.includes('"$b64"') ? jsonIn : undefined) as unknown,
);

/** The same codec for a field that may be null (or, for optional fields, undefined). */
// biome-ignore lint/suspicious/noExplicitAny: see `big` and `text`
export const orNull = <V>(of: Codec<V>): Codec<any> =>
  codec(
    (value: V | null | undefined) => (value === null || value === undefined ? null : of.toStored(value)),
    (value: StoredValue) => (value === null ? null : of.fromStored(value)),
  );

export type Fields<T> = { readonly [K in keyof Required<T>]: Codec<Required<T>[K]> };

const toColumn = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export interface FindOptions<T> {
  orderBy?: keyof T & string;
  descending?: boolean;
}

export class Table<T extends object> {
  readonly #db: Statements;
  readonly #name: string;
  readonly #fields: Array<[field: keyof T & string, column: string, codec: Codec<unknown>]>;
  readonly #key: ReadonlyArray<keyof T & string>;

  constructor(db: Statements, name: string, fields: Fields<T>, key: ReadonlyArray<keyof T & string>) {
    this.#db = db;
    this.#name = name;
    this.#key = key;
    this.#fields = Object.entries(fields).map(([field, of]) => [
      field as keyof T & string,
      toColumn(field),
      of as Codec<unknown>,
    ]);
  }

  insert(row: T): void {
    const columns = this.#fields.map(([, column]) => column).join(', ');
    const marks = this.#fields.map(() => '?').join(', ');
    const values = this.#fields.map(([field, , of]) => of.toStored(row[field]));
    this.#db.run(`INSERT INTO ${this.#name} (${columns}) VALUES (${marks})`, values);
  }

  /** The row with this key; undefined when there is none. */
  get(key: Partial<T>): T | undefined {
    this.#checkKey(key);
    return this.find(key)[0];
  }

  /** Rows whose fields equal `where`, by key unless ordered otherwise. */
  find(where: Partial<T> = {}, options: FindOptions<T> = {}): T[] {
    const [clause, values] = this.#where(where);
    const order = options.orderBy ? toColumn(options.orderBy) : this.#key.map(toColumn).join(', ');
    const sql = `SELECT * FROM ${this.#name}${clause} ORDER BY ${order}${options.descending ? ' DESC' : ''}`;
    return this.#db.all(sql, values).map((stored) => this.#fromStored(stored));
  }

  /**
   * Changes the row with this key, but only when it still has the `expected` values (compare-and-set).
   * @returns false when it has not
   */
  update(key: Partial<T>, patch: Partial<T>, expected: Partial<T> = {}): boolean {
    this.#checkKey(key);
    const changes = this.#fields.filter(([field]) => field in patch);
    assert(changes.length > 0, 'an update changes something');
    const set = changes.map(([, column]) => `${column} = ?`).join(', ');
    const [clause, values] = this.#where({ ...key, ...expected });
    const stored = changes.map(([field, , of]) => of.toStored(patch[field]));
    return this.#db.run(`UPDATE ${this.#name} SET ${set}${clause}`, [...stored, ...values]) === 1;
  }

  /** Like `update`, where another value would be a bug. */
  change(key: Partial<T>, patch: Partial<T>, expected: Partial<T> = {}): void {
    assert(this.update(key, patch, expected), `${this.#name} still is as its worker left it`);
  }

  remove(where: Partial<T>): void {
    const [clause, values] = this.#where(where);
    assert(clause !== '', 'a removal names what goes');
    this.#db.run(`DELETE FROM ${this.#name}${clause}`, values);
  }

  #checkKey(key: Partial<T>): void {
    for (const field of this.#key) assert(key[field] !== undefined, `the key of ${this.#name} has ${field}`);
  }

  #where(where: Partial<T>): [clause: string, values: StoredValue[]] {
    const used = this.#fields.filter(([field]) => where[field] !== undefined);
    assert(used.length === Object.keys(where).length, `every condition on ${this.#name} is a field with a value`);
    if (used.length === 0) return ['', []];
    const clause = ` WHERE ${used.map(([, column]) => `${column} IS ?`).join(' AND ')}`;
    return [clause, used.map(([field, , of]) => of.toStored(where[field]))];
  }

  #fromStored(stored: Record<string, StoredValue>): T {
    const row: Record<string, unknown> = {};
    for (const [field, column, of] of this.#fields) row[field] = of.fromStored(stored[column] ?? null);
    return row as T;
  }
}
