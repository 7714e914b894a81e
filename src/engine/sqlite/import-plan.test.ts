// What an import is made of, from schemas in memory: which tables, which statements, what is in the way.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HoldfastError } from '../../base/errors.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import { conflictsOf, readWork } from './import-plan.ts';
import { renameObject } from './import-rename.ts';

let db: DatabaseSync;
beforeEach(() => {
  db = new DatabaseSync(':memory:');
  db.exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, double AS (id * 2),
      parent REFERENCES orders (id));
    CREATE INDEX by_code ON orders (code);
    CREATE TRIGGER noted AFTER INSERT ON orders BEGIN SELECT 1; END;
    CREATE TABLE fresh (k TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE VIEW big AS SELECT 1;
    CREATE VIRTUAL TABLE docs USING fts5 (body)`);
});
afterEach(() => db.close());

function failureOf(tables: string[] | 'all', renames: Record<string, string> = {}): string {
  try {
    readWork(db, { tables, renames });
  } catch (error) {
    if (error instanceof HoldfastError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the tables of an import', () => {
  test('are told apart by their exact names, and must be plain', () => {
    expect(failureOf(['Orders', 'nothing', 'orders'])).toBe("5019 Table 'Orders', 'nothing' doesn't exist");
    expect(failureOf(['big'])).toBe("4007 RECOVER TABLE of the view 'big' is not supported");
    expect(failureOf(['docs'])).toBe("4007 RECOVER TABLE of the virtual table 'docs' is not supported");
    expect(failureOf(['docs_data'])).toContain("4007 RECOVER TABLE of the part of a virtual table 'docs_data'");
    expect(failureOf(['sqlite_sequence'])).toContain('5019 ');
    expect(failureOf('all', { nothing: 'x' })).toBe("5019 Table 'nothing' doesn't exist");
    expect(failureOf('all', { orders: 'Fresh' })).toBe(
      "4002 Incorrect arguments to RECOVER TABLE: two tables would be named 'fresh'",
    );
  });

  test('are all plain ones when none is named; the others are told', () => {
    const { tables, leftOut } = readWork(db, { tables: 'all', renames: {} });
    expect(tables).toMatchObject([
      { source: 'orders', columnCount: 4, indexCount: 1, constraintCount: 2, foreignKeyCount: 1 },
      { source: 'fresh', columnCount: 1, indexCount: 0, constraintCount: 1, foreignKeyCount: 0 },
    ]);
    expect(leftOut).toEqual(["view 'big'", "virtual table 'docs'"]);
    db.exec('DROP TABLE orders; DROP TABLE fresh');
    expect(failureOf('all')).toContain('4018 ');
  });

  test('are copied as they are where SQLite can, else without generated columns, and with the numbers of their rows', () => {
    const { tables } = readWork(db, { tables: ['orders', 'fresh'], renames: { orders: 'o"' } });
    expect(tables.map(({ statements }) => statements[1])).toEqual([
      'INSERT INTO main."o""" (rowid, "id", "code", "parent") SELECT rowid, "id", "code", "parent" FROM holdfast_source."orders"',
      'INSERT INTO main."fresh" SELECT * FROM holdfast_source."fresh"',
    ]);
  });

  test('are renamed also where a view is broken, and not where a trigger is', () => {
    db.exec('CREATE VIEW broken AS SELECT * FROM gone');
    const [table] = readWork(db, { tables: ['orders'], renames: { orders: 'new' } }).tables;
    expect(table).toMatchObject({
      target: 'new',
      indexes: [{ name: 'new_by_code' }],
      triggers: [{ name: 'new_noted' }],
    });
    db.exec('CREATE TRIGGER bad AFTER DELETE ON orders BEGIN DELETE FROM gone; END');
    expect(failureOf(['orders'], { orders: 'new' })).toContain('4007 REMAP of a table that SQLite can not rename (');
  });

  test('may take the name of a table of the source that stays behind', () => {
    const [table] = readWork(db, { tables: ['orders'], renames: { orders: 'FRESH' } }).tables;
    expect(table!.createSql).toContain('CREATE TABLE "FRESH" (');
    expect(table!.createSql).toContain('REFERENCES "FRESH" (id)');
  });
});

describe('conflicts', () => {
  const conflicts = (taken: Array<{ type: string; name: string }>) =>
    conflictsOf(readWork(db, { tables: 'all', renames: {} }).tables, taken);

  test('are names of tables, views and indexes in any case, and apart from them of triggers', () => {
    expect(conflicts([])).toEqual([]);
    expect(
      conflicts([
        { type: 'view', name: 'ORDERS' },
        { type: 'table', name: 'by_Code' },
        { type: 'trigger', name: 'fresh' },
        { type: 'trigger', name: 'noted' },
        { type: 'index', name: 'other' },
      ]),
    ).toEqual(["view 'ORDERS'", "table 'by_Code'", "trigger 'noted'"]);
  });

  test('are found inside of an import too', () => {
    db.exec('CREATE INDEX fresh_by_code ON orders (code); CREATE INDEX by_k ON fresh (k)');
    const { tables } = readWork(db, { tables: 'all', renames: { orders: 'fresh_by', fresh: 'x' } });
    expect(conflictsOf(tables, [])).toEqual([]);
    tables[1]!.indexes.push({ name: 'FRESH_BY_by_code', sql: '' });
    expect(conflictsOf(tables, [])).toEqual(["index 'fresh_by_by_code' twice"]);
  });
});

test.each([
  ['CREATE INDEX a ON t (x)', 'CREATE INDEX "n" ON t (x)'],
  ['CREATE UNIQUE INDEX "a ""b" ON t (x)', 'CREATE UNIQUE INDEX "n" ON t (x)'],
  ['CREATE INDEX [unique] ON t (x)', 'CREATE INDEX "n" ON t (x)'],
  ["CREATE INDEX 'a''b' ON t(x)", 'CREATE INDEX "n" ON t(x)'],
  ['CREATE INDEX `a`/**/ON t(x)', 'CREATE INDEX "n"/**/ON t(x)'],
  [
    'CREATE TRIGGER a AFTER INSERT ON a BEGIN SELECT 1; END',
    'CREATE TRIGGER "n" AFTER INSERT ON a BEGIN SELECT 1; END',
  ],
])('%s gets another name', (sql, expected) => {
  expect(renameObject(sql, 'n')).toBe(expected);
});
