import { describe, expect, test } from 'vitest';
import { formatTable, formatVertical } from './result-table.ts';

const result = {
  columns: ['ID', '名字'],
  isNumeric: [true, false],
  rows: [
    ['1', '租户'],
    ['22', null],
  ],
};

describe('results', () => {
  test('are boxed, numbers to the right, wide characters counted twice', () => {
    expect(formatTable(result)).toBe(
      ['+----+------+', '| ID | 名字 |', '+----+------+', '|  1 | 租户 |', '| 22 | NULL |', '+----+------+', ''].join(
        '\n',
      ),
    );
  });

  test('are one column a line after \\G', () => {
    expect(formatVertical({ ...result, rows: [['1', 'x']] })).toBe(
      `${'*'.repeat(27)} 1. row ${'*'.repeat(27)}\n  ID: 1\n名字: x\n`,
    );
  });

  test('show control characters as escapes', () => {
    expect(formatTable({ columns: ['a'], isNumeric: [false], rows: [['x\ny\u001b[2J']] })).toContain('x\\ny\\x1b[2J');
  });
});
