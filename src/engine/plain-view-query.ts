// Answers the plainest queries over one view without an engine: `SELECT * | columns FROM view [WHERE column = literal
// [AND …]] [LIMIT n]`. The work is bounded by the rows, and nothing of the text is run: whatever is less plain, or needs a
// rule of SQL that is not here, goes to the view host. Pure.
import type { Column, SqlValue } from '../model/result.ts';
import { type Token, tokenize, viewRulesOf } from './sql-tokens.ts';
import type { ViewAnswer, ViewQuery, ViewTable } from './view-request.ts';
import { fromStored, isInteger, toStored } from './view-values.ts';

/** Longer texts are not plain. */
const SQL_CHARS_MAX = 2000;
/** More rows are the host's: the server has other work. */
const ROWS_MAX = 1000;

type Condition = (row: readonly SqlValue[]) => boolean;

interface PlainQuery {
  /** Places of the columns; in the order asked for. */
  columns: number[];
  conditions: Condition[];
  limit: number;
}

/** @returns undefined for a query that is the host's */
export function plainAnswer(query: Pick<ViewQuery, 'sql' | 'mode' | 'schemas' | 'parameters'>): ViewAnswer | undefined {
  const [schema, ...otherSchemas] = query.schemas;
  const [table, ...otherTables] = schema?.tables ?? [];
  if (!schema || !table || otherSchemas.length + otherTables.length + query.parameters.length > 0) return undefined;
  if (table.rows.length > ROWS_MAX || query.sql.length > SQL_CHARS_MAX) return undefined;
  const tokens = tokenize(query.sql, viewRulesOf(query.mode)).filter(({ kind }) => kind !== 'space');
  const plain = parse(tokens, { schema: schema.schema, table, mode: query.mode });
  if (!plain) return undefined;
  const rows = table.rows.filter((row) => plain.conditions.every((holds) => holds(row))).slice(0, plain.limit);
  const columns = plain.columns.map((at): Column => {
    const { name, type } = table.columns[at]!;
    return { name, type, schema: schema.schema, table: table.name, orgName: name };
  });
  // As values come back from the engine that they were stored in.
  const shown = rows.map((row) =>
    plain.columns.map((at, i) => fromStored(columns[i]!.type, toStored(columns[i]!.type, row[at] ?? null))),
  );
  return shown.some((row) => row.includes(undefined)) ? undefined : { columns, rows: shown as SqlValue[][] };
}

/** Reads tokens one after another. */
class Reading {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get isOver(): boolean {
    return this.#at >= this.#tokens.length;
  }

  next(): Token | undefined {
    return this.#tokens[this.#at++];
  }

  /** Passes over a word or sign when it is next. */
  takes(key: string): boolean {
    const isNext = this.#tokens[this.#at]?.key === key;
    if (isNext) this.#at++;
    return isNext;
  }
}

function parse(
  tokens: readonly Token[],
  { schema, table, mode }: { schema: string; table: ViewTable; mode: ViewQuery['mode'] },
): PlainQuery | undefined {
  const reading = new Reading(tokens);
  if (!reading.takes('SELECT')) return undefined;
  const columns = columnsOf(reading, table, mode);
  if (!columns || !reading.takes('FROM') || !namesTable(reading, schema, table)) return undefined;
  const conditions: Condition[] = [];
  if (reading.takes('WHERE'))
    do {
      const condition = conditionOf(reading, table);
      if (!condition) return undefined;
      conditions.push(condition);
    } while (reading.takes('AND'));
  let limit = ROWS_MAX;
  if (reading.takes('LIMIT')) {
    const count = reading.next();
    if (count?.kind !== 'number' || !/^\d{1,6}$/.test(count.text)) return undefined;
    limit = Number(count.text);
  }
  reading.takes(';');
  return reading.isOver ? { columns, conditions, limit } : undefined;
}

function columnsOf(reading: Reading, table: ViewTable, mode: ViewQuery['mode']): number[] | undefined {
  if (reading.takes('*')) return table.columns.map((_, at) => at);
  const columns: number[] = [];
  do {
    const named = reading.next();
    // Written otherwise than declared, it is the engine that names the column of the answer; Oracle's are upper case.
    const written = mode === 'oracle' ? named?.key : named?.text;
    const at = named?.kind === 'word' ? table.columns.findIndex(({ name }) => name === written) : -1;
    if (at < 0) return undefined;
    columns.push(at);
  } while (reading.takes(','));
  return columns;
}

function namesTable(reading: Reading, schema: string, table: ViewTable): boolean {
  const [first, isQualified] = [reading.next(), reading.takes('.')];
  if (first?.kind !== 'word') return false;
  if (!isQualified) return first.key === table.name.toUpperCase();
  const second = reading.next();
  const isSchema = first.key === schema.toUpperCase();
  return isSchema && second?.kind === 'word' && second.key === table.name.toUpperCase();
}

/** `column = literal`, where the literal is of the column's own kind. */
function conditionOf(reading: Reading, { columns, rows }: ViewTable): Condition | undefined {
  const [named, isEqual, literal] = [reading.next(), reading.takes('='), reading.next()];
  if (named?.kind !== 'word' || !isEqual || !literal) return undefined;
  const at = columns.findIndex(({ name }) => name.toUpperCase() === named.key);
  const type = columns[at]?.type;
  if (!type) return undefined;
  if (isInteger(type)) {
    if (literal.kind !== 'number' || !/^\d{1,15}$/.test(literal.text)) return undefined;
    const wanted = BigInt(literal.text);
    return (row) => toStored(type, row[at] ?? null) === wanted;
  }
  const isText = type.base === 'varchar' || type.base === 'longtext';
  if (!isText || literal.kind !== 'string' || !/^'[ -&(-[\]-~]*'$/.test(literal.text)) return undefined;
  if (rows.some((row) => row[at] !== null && typeof row[at] !== 'string')) return undefined;
  const wanted = foldAscii(literal.text.slice(1, -1));
  return (row) => row[at] !== null && foldAscii(row[at] as string) === wanted;
}

/** As NOCASE compares. */
const foldAscii = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
