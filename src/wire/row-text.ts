// Rows of the text protocol (COM_QUERY): every value as its text, whatever the column says.
import type { SqlValue } from '../model/result.ts';
import type { ByteWriter } from './byte-writer.ts';
import { HEADER } from './constants.ts';

/** The text of a number as MySQL writes it: integers in full, exponents without a plus. */
function numberText(value: number): string {
  if (Number.isInteger(value) && !Object.is(value, -0)) return BigInt(value).toString();
  return String(value).replace('e+', 'e');
}

/** The text of a value that is neither null nor bytes. */
export function valueText(value: bigint | number | string): string {
  if (typeof value === 'string') return value;
  return typeof value === 'bigint' ? value.toString() : numberText(value);
}

/** @source MySQL documentation, Text Resultset Row */
export function writeTextRow(writer: ByteWriter, row: readonly SqlValue[]): void {
  for (const value of row) {
    if (value === null) writer.u8(HEADER.NULL_VALUE);
    else if (value instanceof Uint8Array) writer.lenencBytes(value);
    else writer.lenencString(valueText(value));
  }
}
