// The prepared statements of one connection, with what is remembered between their executions.
import { fail } from '../base/errors.ts';
import { MAX_ALLOWED_PACKET_BYTES } from '../wire/constants.ts';
import type { ParameterType } from '../wire/prepared.ts';
import { PREPARED_BYTES_MAX, PREPARED_STATEMENTS_MAX } from './limits.ts';

export interface PreparedStatement {
  readonly id: number;
  readonly sql: string;
  readonly parameterCount: number;
  /** Types of the last execution that named them. */
  types: readonly ParameterType[] | null;
}

interface LongParameter {
  pieces: Uint8Array[];
  bytes: number;
}

interface Entry extends PreparedStatement {
  longData: Map<number, LongParameter>;
  /** Why pieces were refused: their command has no answer, so the next execution says it. */
  longDataError: Error | null;
}

const STATEMENT_ID_MAX = 0xffff_ffff;

export class PreparedStatements {
  readonly #entries = new Map<number, Entry>();
  #lastId = 0;
  #keptBytes = 0;

  /** @throws TOO_MANY_PREPARED (1461) */
  add(sql: string, parameterCount: number): PreparedStatement {
    if (this.#entries.size >= PREPARED_STATEMENTS_MAX) {
      throw fail('TOO_MANY_PREPARED', { what: 'statements', max: PREPARED_STATEMENTS_MAX });
    }
    if (this.#keptBytes + sql.length > PREPARED_BYTES_MAX) {
      throw fail('TOO_MANY_PREPARED', { what: 'bytes of statements and parameters', max: PREPARED_BYTES_MAX });
    }
    do {
      this.#lastId = this.#lastId >= STATEMENT_ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#entries.has(this.#lastId));
    const entry: Entry = {
      id: this.#lastId,
      sql,
      parameterCount,
      types: null,
      longData: new Map(),
      longDataError: null,
    };
    this.#entries.set(entry.id, entry);
    this.#keptBytes += sql.length;
    return entry;
  }

  /** @throws UNKNOWN_STATEMENT_ID (1243) */
  get(id: number): PreparedStatement {
    return this.#entry(id);
  }

  /** Keeps a piece of a parameter. Errors wait for the execution, because this command has no answer. */
  addLongData({ statementId, parameter, bytes }: { statementId: number; parameter: number; bytes: Uint8Array }): void {
    const entry = this.#entries.get(statementId);
    if (!entry || entry.longDataError) return;
    if (parameter >= entry.parameterCount) {
      entry.longDataError = fail('INVALID_ARGUMENT', { what: 'COM_STMT_SEND_LONG_DATA' });
      return;
    }
    const kept = entry.longData.get(parameter) ?? { pieces: [], bytes: 0 };
    const total = kept.bytes + bytes.length;
    if (total > MAX_ALLOWED_PACKET_BYTES || this.#keptBytes + bytes.length > PREPARED_BYTES_MAX) {
      this.#forgetLongData(entry);
      entry.longDataError = fail('PACKET_TOO_LARGE', { bytes: total });
      return;
    }
    kept.pieces.push(bytes);
    kept.bytes = total;
    this.#keptBytes += bytes.length;
    entry.longData.set(parameter, kept);
  }

  /** The long parameters of the next execution, which uses them up. @throws what was wrong with their pieces */
  takeLongData(id: number): Map<number, Uint8Array> {
    const entry = this.#entry(id);
    const error = entry.longDataError;
    const whole = new Map<number, Uint8Array>();
    for (const [parameter, { pieces }] of entry.longData) whole.set(parameter, Buffer.concat(pieces));
    this.#forgetLongData(entry);
    if (error) throw error;
    return whole;
  }

  /** COM_STMT_RESET. @throws UNKNOWN_STATEMENT_ID (1243) */
  reset(id: number): void {
    this.#forgetLongData(this.#entry(id));
  }

  /** COM_STMT_CLOSE: has no answer, so an unknown id is no error. */
  close(id: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#forgetLongData(entry);
    this.#keptBytes -= entry.sql.length;
    this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
    this.#keptBytes = 0;
  }

  #entry(id: number): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw fail('UNKNOWN_STATEMENT_ID', { id });
    return entry;
  }

  #forgetLongData(entry: Entry): void {
    for (const { bytes } of entry.longData.values()) this.#keptBytes -= bytes;
    entry.longData.clear();
    entry.longDataError = null;
  }
}
