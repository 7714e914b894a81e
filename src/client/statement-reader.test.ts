import { describe, expect, test } from 'vitest';
import { StatementReader } from './statement-reader.ts';

describe('typed statements', () => {
  test('end at ; \\g and \\G, over any number of lines', () => {
    const reader = new StatementReader();
    expect(reader.take('SELECT 1; SELECT\n')).toEqual([{ sql: 'SELECT 1', isVertical: false }]);
    expect(reader.isPending).toBe(true);
    expect(reader.take(' 2\\G select 3\\g')).toEqual([
      { sql: 'SELECT\n 2', isVertical: true },
      { sql: 'select 3', isVertical: false },
    ]);
    expect(reader.isPending).toBe(false);
  });

  test('do not end inside strings and comments', () => {
    const reader = new StatementReader();
    const sql = 'SELECT \'a;b\', "c;\\";", `d;` /* ; */ -- ;';
    expect(reader.take(`${sql}\n;`)).toEqual([{ sql, isVertical: false }]);
  });

  test('may lack their end at the end of a script', () => {
    const reader = new StatementReader();
    expect(reader.take('SELECT 1')).toEqual([]);
    expect(reader.rest()).toEqual([{ sql: 'SELECT 1', isVertical: false }]);
    expect(reader.rest()).toEqual([]);
  });
});
