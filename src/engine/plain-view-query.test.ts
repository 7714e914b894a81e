// Goal: a query that is answered without an engine gets exactly what the engine would have answered.
// Method: texts put together at random from plain parts and others that are not plain, each asked of both.
import { expect, it } from 'vitest';
import { bigint, type ColumnType, datetime, decimal, longtext, type SqlValue, varchar } from '../model/result.ts';
import { plainAnswer } from './plain-view-query.ts';
import { completeFacts } from './session-facts.ts';
import { ViewEngine } from './view-engine.ts';
import type { ViewQuery } from './view-request.ts';

const TYPES: Record<string, ColumnType> = {
  TENANT_ID: bigint(),
  STATUS: varchar(64),
  START_SCN: bigint(true),
  BYTES: decimal(30, 2),
  START_TIME: datetime(6),
  COMMENT: longtext(),
};
const COLUMNS = Object.entries(TYPES).map(([name, type]) => ({ name, type }));
const ROWS: SqlValue[][] = [
  [1002n, 'COMPLETED', 2n ** 64n - 1n, '1024.00', '2026-11-22 09:00:00.000000', null],
  [1004, 'FAILED', 1_760_000_000_000_000_001n, '0.50', null, "the disk's full"],
  [1002n, 'completed', 5n, '123456789012345678901234.25', '2026-11-21 09:00:00.000000', ''],
  [null, 'Übung', 7n, null, '2026-11-21 09:00:00.000000', 'a_b'],
];
const SEED = Date.now() % 1_000_000;
const ROUNDS = 3000;

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

const next = randomFrom(SEED);
const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!;
const some = <T>(most: number, make: () => T): T[] => Array.from({ length: 1 + Math.floor(next() * most) }, make);

const name = () => pick([...Object.keys(TYPES), ...Object.keys(TYPES), 'tenant_id', 'status', 'v.STATUS', 'NOTHING']);
const literal = () =>
  pick([
    ...['1002', '1004', '5', '0', '7', '18446744073709551615', '1e3', '0x3EA', '1002.0', "'1002'", '-5', 'NULL'],
    ...[
      "'COMPLETED'",
      "'completed'",
      "'failed'",
      "''",
      "'a_b'",
      "'the disk''s full'",
      '"FAILED"',
      "'Übung'",
      "'A\\_B'",
    ],
  ]);
const condition = () =>
  pick([`${name()} = ${literal()}`, `${name()}=${literal()}`, `${name()} > 5`, `${name()} IS NULL`]);

function text(): string {
  const columns = pick(['*', '*', some(3, name).join(', '), `${name()} AS x`, 'COUNT(*)', `DISTINCT ${name()}`]);
  const from = pick(['v', 'V', 'oceanbase.v', 'OceanBase.V', 'v x', 'v /* c */', 'other.v', 'nothing']);
  const where = pick(['', ` WHERE ${some(3, condition).join(pick([' AND ', ' and ', ' OR ']))}`]);
  const end = pick([
    '',
    '',
    ';',
    ' LIMIT 1',
    ' limit 2',
    ' LIMIT 0',
    ' LIMIT 1, 1',
    ' ORDER BY TENANT_ID',
    ' LIMIT -1',
  ]);
  return `${pick(['SELECT', 'select', ' Select'])} ${columns} FROM ${from}${where}${end}`;
}

it(`answers as the engine does, whatever is asked (seed ${SEED})`, () => {
  const engine = new ViewEngine();
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const rows = next() < 0.1 ? [] : ROWS.slice(0, 1 + Math.floor(next() * ROWS.length));
    const query: ViewQuery = {
      schemas: [{ schema: 'oceanbase', tables: [{ name: 'v', columns: COLUMNS, rows }] }],
      sql: text(),
      parameters: [],
      mode: pick(['mysql', 'oracle'] as const),
      currentSchema: 'oceanbase',
      facts: completeFacts({}, 1n),
    };
    const plain = plainAnswer(query);
    if (!plain) continue;
    answered++;
    expect(plain, `${query.mode}: ${query.sql}`).toEqual(engine.run(query));
  }
  expect(answered).toBeGreaterThan(ROUNDS / 50);
});

it('leaves to the engine what is long, large, or over more than one view', () => {
  const table = { name: 'v', columns: COLUMNS, rows: ROWS };
  const of = (over: Partial<Parameters<typeof plainAnswer>[0]>) =>
    plainAnswer({
      schemas: [{ schema: 's', tables: [table] }],
      ...{ sql: 'SELECT * FROM v', parameters: [], mode: 'mysql' },
      ...over,
    });
  expect(of({})?.rows).toHaveLength(ROWS.length);
  expect(of({ sql: `SELECT *${' '.repeat(2000)}FROM v` })).toBeUndefined();
  expect(of({ parameters: [1n] })).toBeUndefined();
  expect(of({ schemas: [{ schema: 's', tables: [table, { ...table, name: 'w' }] }] })).toBeUndefined();
  const many = Array.from({ length: 1001 }, () => ROWS[0]!);
  expect(of({ schemas: [{ schema: 's', tables: [{ ...table, rows: many }] }] })).toBeUndefined();
});
