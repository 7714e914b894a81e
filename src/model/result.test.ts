import { expect, test } from 'vitest';
import { bigint, datetime, decimal, longtext, okResult, rowsResult, timestamp, varchar } from './result.ts';

test('a result that is whole comes as one batch, an empty one as none', async () => {
  const column = { name: 'a', type: bigint() };
  const full = [];
  for await (const batch of rowsResult([column], [[1n], [2n]], 3).rows) full.push(batch);
  expect(full).toEqual([[[1n], [2n]]]);
  const empty = [];
  for await (const batch of rowsResult([column], []).rows) empty.push(batch);
  expect(empty).toEqual([]);
});

test('an OK says what it was given, zeros otherwise', () => {
  expect(okResult()).toEqual({ kind: 'ok', affectedRows: 0n, lastInsertId: 0n, warnings: 0 });
  expect(okResult(2n, 7n, 1)).toEqual({ kind: 'ok', affectedRows: 2n, lastInsertId: 7n, warnings: 1 });
});

test('types carry their length, scale and sign', () => {
  expect([bigint(), bigint(true), varchar(64), datetime(6), timestamp(3), decimal(10, 2), longtext()]).toEqual([
    { base: 'bigint' },
    { base: 'bigint', unsigned: true },
    { base: 'varchar', length: 64 },
    { base: 'datetime', scale: 6 },
    { base: 'timestamp', scale: 3 },
    { base: 'decimal', length: 10, scale: 2 },
    { base: 'longtext' },
  ]);
});
