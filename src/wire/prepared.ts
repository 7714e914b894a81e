// Packets of prepared statements: the answer to PREPARE, the parameters of EXECUTE, pieces of long parameters.
import { isUtf8 } from 'node:buffer';
import { fail } from '../base/errors.ts';
import type { SqlValue } from '../model/result.ts';
import { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { HEADER, TYPE } from './constants.ts';
import { readDateTime, readTime } from './temporal.ts';

/** Most parameters or columns of a prepared statement: their number has two bytes. */
export const PREPARED_FIELDS_MAX = 0xffff;

/** @source MySQL documentation, COM_STMT_PREPARE_OK */
export function writePrepareOk(
  writer: ByteWriter,
  facts: { statementId: number; columnCount: number; parameterCount: number },
): void {
  writer.u8(HEADER.OK);
  writer.u32(facts.statementId);
  writer.u16(facts.columnCount);
  writer.u16(facts.parameterCount);
  writer.u8(0);
  writer.u16(0);
}

/** COM_STMT_SEND_LONG_DATA after its command byte. */
export function parseSendLongData(body: Uint8Array): { statementId: number; parameter: number; bytes: Buffer } {
  const reader = new ByteReader(body, 'COM_STMT_SEND_LONG_DATA');
  return { statementId: reader.u32(), parameter: reader.u16(), bytes: reader.rest() };
}

/** Type of a bound parameter: its code, and whether an integer has no sign. */
export interface ParameterType {
  code: number;
  isUnsigned: boolean;
}

/** What the server remembers of a statement between its executions. */
export interface PreparedState {
  parameterCount: number;
  /** Types bound by an earlier execution; null before the first. */
  types: readonly ParameterType[] | null;
  /** Parameters sent in pieces before this execution. */
  longData: ReadonlyMap<number, Uint8Array>;
}

/** The statement that an EXECUTE, RESET or CLOSE is about: the first four bytes after the command byte. */
export function parseStatementId(body: Uint8Array): number {
  return new ByteReader(body, 'prepared statement').u32();
}

/**
 * Parses COM_STMT_EXECUTE after its command byte.
 * @throws INVALID_ARGUMENT (1210) when no types were ever bound, MALFORMED_PACKET (1835)
 * @source MySQL documentation, COM_STMT_EXECUTE (without query attributes)
 */
export function parseExecute(
  body: Uint8Array,
  state: PreparedState,
): { types: readonly ParameterType[]; values: SqlValue[] } {
  const reader = new ByteReader(body, 'COM_STMT_EXECUTE');
  reader.u32(); // The statement, looked up by the caller.
  reader.u8(); // Cursor wishes: rows are always sent at once, which the protocol allows.
  reader.u32(); // Iterations: always one.
  if (state.parameterCount === 0) return { types: [], values: [] };
  const nulls = reader.bytes((state.parameterCount + 7) >> 3);
  const types = reader.u8() === 1 ? readTypes(reader, state.parameterCount) : state.types;
  if (!types) throw fail('INVALID_ARGUMENT', { what: 'COM_STMT_EXECUTE' });
  const values: SqlValue[] = [];
  for (let i = 0; i < state.parameterCount; i++) {
    const type = types[i] as ParameterType;
    const longData = state.longData.get(i);
    if (longData) values.push(isTextType(type.code) ? textOf(longData) : longData);
    else if ((nulls[i >> 3] ?? 0) & (1 << (i & 7))) values.push(null);
    else values.push(readValue(reader, type));
  }
  return { types, values };
}

function readTypes(reader: ByteReader, count: number): ParameterType[] {
  const types: ParameterType[] = [];
  for (let i = 0; i < count; i++) {
    const code = reader.u8();
    types.push({ code, isUnsigned: (reader.u8() & 0x80) !== 0 });
  }
  return types;
}

const TEXT_TYPES: ReadonlySet<number> = new Set([
  TYPE.DECIMAL,
  TYPE.NEWDECIMAL,
  TYPE.VARCHAR,
  TYPE.VAR_STRING,
  TYPE.STRING,
  TYPE.ENUM,
  TYPE.SET,
  TYPE.JSON,
]);

const BYTES_TYPES: ReadonlySet<number> = new Set([
  TYPE.BIT,
  TYPE.TINY_BLOB,
  TYPE.MEDIUM_BLOB,
  TYPE.LONG_BLOB,
  TYPE.BLOB,
  TYPE.GEOMETRY,
]);

const isTextType = (code: number) => TEXT_TYPES.has(code);

/** Some clients bind bytes as text; what is no utf8mb4 can only have been meant as bytes. */
function textOf(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8') : bytes;
}

function readValue(reader: ByteReader, { code, isUnsigned }: ParameterType): SqlValue {
  switch (code) {
    case TYPE.NULL:
      return null;
    case TYPE.TINY:
      return BigInt(isUnsigned ? reader.u8() : reader.i8());
    case TYPE.SHORT:
    case TYPE.YEAR:
      return BigInt(isUnsigned ? reader.u16() : reader.i16());
    case TYPE.LONG:
    case TYPE.INT24:
      return BigInt(isUnsigned ? reader.u32() : reader.i32());
    case TYPE.LONGLONG:
      return isUnsigned ? reader.u64() : reader.i64();
    case TYPE.FLOAT:
      return reader.float();
    case TYPE.DOUBLE:
      return reader.double();
    case TYPE.DATE:
      return readDateTime(reader, 'date');
    case TYPE.DATETIME:
    case TYPE.TIMESTAMP:
      return readDateTime(reader, 'datetime');
    case TYPE.TIME:
      return readTime(reader);
    default:
      if (isTextType(code)) return textOf(reader.lenencBytes());
      if (BYTES_TYPES.has(code)) return reader.lenencBytes();
      throw reader.malformed();
  }
}
