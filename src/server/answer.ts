// Writes what a statement answered: OK, rows in text or binary form, or an error in their place.
import { assert } from '../base/assert.ts';
import { fail, HoldfastError, toClientError } from '../base/errors.ts';
import type { Column, OkResult, RowsResult, SqlValue, StatementResult } from '../model/result.ts';
import type { Session, SqlService } from '../sql/session.ts';
import { writeColumnDefinition } from '../wire/column-definition.ts';
import { CAPABILITY, HEADER, MAX_ALLOWED_PACKET_BYTES, STATUS } from '../wire/constants.ts';
import { writeEof, writeErr, writeOk } from '../wire/ok-err.ts';
import { writeBinaryRow } from '../wire/row-binary.ts';
import { writeTextRow } from '../wire/row-text.ts';
import { FLUSH_BYTES } from './limits.ts';
import type { PacketStream } from './packet-stream.ts';

/** Where answers go and what their flags depend on. */
export interface AnswerContext {
  readonly stream: PacketStream;
  readonly service: SqlService;
  readonly session: Session;
  readonly capabilities: number;
  readonly signal: AbortSignal;
}

export interface AnswerOptions {
  form: 'text' | 'binary';
  /** Another result of the same command follows. */
  hasMore: boolean;
}

const isOff = (value: SqlValue | undefined) =>
  value !== undefined && value !== null && /^(0|off|false)$/i.test(String(value));

function statusOf(context: AnswerContext, hasMore: boolean): number {
  return (
    (context.service.isInTransaction(context.session) ? STATUS.IN_TRANS : 0) |
    (isOff(context.session.variables.get('autocommit')) ? 0 : STATUS.AUTOCOMMIT) |
    (hasMore ? STATUS.MORE_RESULTS_EXISTS : 0)
  );
}

/** OK of a command that changed nothing, or of a statement without rows. */
export function answerOk(context: AnswerContext, result: Partial<OkResult> = {}, { hasMore = false } = {}): void {
  writeOkOf(context, result, statusOf(context, hasMore));
}

/** OK of a login. @source OceanBase, ObMPBase::send_ok_packet: from it OceanBase's own drivers learn the tenant's mode */
export function answerLogin(context: AnswerContext): void {
  const mode = context.session.mode === 'oracle' ? STATUS.ORACLE_MODE : 0;
  writeOkOf(context, {}, statusOf(context, false) | mode);
}

function writeOkOf(context: AnswerContext, result: Partial<OkResult>, status: number): void {
  const { affectedRows, lastInsertId, warnings, info } = result;
  context.stream.write((writer) =>
    writeOk(writer, {
      affectedRows: affectedRows ?? 0n,
      // The wire's field has no sign: a negative rowid travels as its 64 bits, as MySQL does it.
      lastInsertId: BigInt.asUintN(64, lastInsertId ?? 0n),
      warnings: warnings ?? 0,
      status,
      ...(info === undefined ? {} : { info }),
    }),
  );
}

/** The end of rows: EOF, or for newer clients an OK packet that looks like one. */
export function answerEnd(context: AnswerContext, { warnings = 0, hasMore = false } = {}): void {
  const status = statusOf(context, hasMore);
  context.stream.write((writer) => {
    if (context.capabilities & CAPABILITY.DEPRECATE_EOF) writeOk(writer, { status, warnings }, HEADER.EOF);
    else writeEof(writer, { status, warnings });
  });
}

/** The end of definitions, which newer clients do without. */
export function answerEndOfDefinitions(context: AnswerContext): void {
  if (context.capabilities & CAPABILITY.DEPRECATE_EOF) return;
  context.stream.write((writer) => writeEof(writer, { status: statusOf(context, false) }));
}

/** An error, in the words of the tenant's mode. */
export function answerError(stream: PacketStream, error: unknown, mode: 'mysql' | 'oracle'): void {
  stream.write((writer) => writeErr(writer, toClientError(error, mode)));
}

/** Sends one result; a large one in pieces, at the client's speed. @throws what the rows' source throws */
export async function answerResult(
  context: AnswerContext,
  result: StatementResult,
  options: AnswerOptions,
): Promise<void> {
  if (result.kind === 'ok') answerOk(context, result, options);
  else await answerRows(context, result, options);
}

async function answerRows(context: AnswerContext, result: RowsResult, options: AnswerOptions): Promise<void> {
  const { columns } = result;
  const { stream } = context;
  assert(columns.length > 0, 'a result with rows has columns');
  stream.write((writer) => writer.lenencInt(columns.length));
  for (const column of columns) stream.write((writer) => writeColumnDefinition(writer, column));
  answerEndOfDefinitions(context);
  for await (const batch of result.rows) {
    for (const row of batch) {
      writeRow(stream, { columns, row, form: options.form });
      if (stream.pendingBytes >= FLUSH_BYTES) {
        await stream.flush();
        throwIfAborted(context.signal);
      }
    }
    throwIfAborted(context.signal);
  }
  answerEnd(context, { warnings: result.warnings, hasMore: options.hasMore });
}

function writeRow(
  stream: PacketStream,
  { columns, row, form }: { columns: readonly Column[]; row: readonly SqlValue[]; form: 'text' | 'binary' },
): void {
  assert(row.length === columns.length, 'a row has a value for every column');
  checkSize(row);
  stream.write((writer) => (form === 'text' ? writeTextRow(writer, row) : writeBinaryRow(writer, columns, row)));
}

/** A short statement can ask for the same long value a thousand times: that is found out before the row is built. */
function checkSize(row: readonly SqlValue[]): void {
  let bytes = 0;
  for (const value of row) bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
  if (bytes > MAX_ALLOWED_PACKET_BYTES) throw fail('PACKET_TOO_LARGE', { bytes });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw fail('QUERY_INTERRUPTED', {});
}

/** What an interrupted statement threw on its way out is its interruption, whatever the layers below called it. */
export function interruptionOr(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && !(error instanceof HoldfastError) ? fail('QUERY_INTERRUPTED', {}, { cause: error }) : error;
}
