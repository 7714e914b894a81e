// The packets that end an answer: OK, EOF and ERR.
import type { ByteWriter } from './byte-writer.ts';
import { HEADER } from './constants.ts';

export interface OkFacts {
  affectedRows?: bigint;
  lastInsertId?: bigint;
  status: number;
  warnings?: number;
  info?: string;
}

/** Longest count that the two bytes of the protocol can say. */
const WARNINGS_MAX = 0xffff;

/**
 * Writes an OK packet.
 * @param header HEADER.EOF when it stands in for the EOF packet at the end of rows (DEPRECATE_EOF)
 */
export function writeOk(writer: ByteWriter, facts: OkFacts, header: 0x00 | 0xfe = HEADER.OK): void {
  writer.u8(header);
  writer.lenencInt(facts.affectedRows ?? 0n);
  writer.lenencInt(facts.lastInsertId ?? 0n);
  writer.u16(facts.status);
  writer.u16(Math.min(facts.warnings ?? 0, WARNINGS_MAX));
  // The documentation says "to the end of the packet", but servers send a length and the C clients demand it.
  if (facts.info) writer.lenencString(facts.info);
}

/** Ends column definitions or rows for clients without DEPRECATE_EOF. */
export function writeEof(writer: ByteWriter, facts: { status: number; warnings?: number }): void {
  writer.u8(HEADER.EOF);
  writer.u16(Math.min(facts.warnings ?? 0, WARNINGS_MAX));
  writer.u16(facts.status);
}

export interface ErrFacts {
  errno: number;
  sqlState: string;
  message: string;
}

/** Longest error text in bytes: MySQL's own clients keep 512, so a longer one only wastes the line. */
const MESSAGE_BYTES_MAX = 4096;

/**
 * Writes an ERR packet.
 * @param withSqlState false before the client has said that it speaks the 4.1 protocol
 */
export function writeErr(writer: ByteWriter, facts: ErrFacts, { withSqlState = true } = {}): void {
  writer.u8(HEADER.ERR);
  writer.u16(facts.errno);
  if (withSqlState) writer.string(`#${facts.sqlState.padEnd(5, '0').slice(0, 5)}`);
  writer.string(shorten(facts.message));
}

/** Cuts at a character, never inside one. */
function shorten(message: string): string {
  const bytes = Buffer.from(message, 'utf8');
  if (bytes.length <= MESSAGE_BYTES_MAX) return message;
  let end = MESSAGE_BYTES_MAX;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
