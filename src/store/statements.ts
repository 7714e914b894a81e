// Prepared statements of the metadata store, kept for reuse. A statement left open would keep a closed database locked,
// so all of them are closed with it.
import type { DatabaseSync } from '../base/sqlite.ts';

export type StoredValue = null | bigint | number | string | Uint8Array;
type Statement = ReturnType<DatabaseSync['prepare']>;

export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, Statement>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Rows of a query, integers as bigint. */
  all(sql: string, values: readonly StoredValue[] = []): Array<Record<string, StoredValue>> {
    return this.#prepare(sql).all(...values) as Array<Record<string, StoredValue>>;
  }

  get(sql: string, values: readonly StoredValue[] = []): Record<string, StoredValue> | undefined {
    return this.#prepare(sql).get(...values) as Record<string, StoredValue> | undefined;
  }

  /** @returns the number of rows changed */
  run(sql: string, values: readonly StoredValue[] = []): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  get isInTransaction(): boolean {
    return this.#db.isTransaction;
  }

  close(): void {
    for (const statement of this.#prepared.values()) statement.close();
    this.#prepared.clear();
    this.#db.close();
  }

  #prepare(sql: string): Statement {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    statement.setReadBigInts(true);
    this.#prepared.set(sql, statement);
    return statement;
  }
}
