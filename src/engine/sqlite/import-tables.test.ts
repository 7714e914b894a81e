// Goal: tables of another database come into a tenant as they were, all or none, and nothing else of the tenant changes.
// Method: two real files; the source is written by a connection of the test, the target is a tenant with sessions.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HoldfastError } from '../../base/errors.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import type { SqlValue } from '../../model/result.ts';
import type { EngineSession, EngineTenant, ImportRun, TableImport } from '../engine-driver.ts';
import { rowsOf, run, type SqliteFixture, sqliteFixture } from './sqlite.fixture.ts';

let fixture: SqliteFixture;
let tenant: EngineTenant;
let session: EngineSession;
let sourcePath: string;

beforeEach(async () => {
  fixture = sqliteFixture({ lockWaitMs: 300 });
  tenant = fixture.tenant();
  await fixture.driver.create(tenant);
  session = await fixture.driver.openSession(tenant);
  sourcePath = join(fixture.directory, 'AUX_RECOVER$1.db');
});
afterEach(() => fixture[Symbol.asyncDispose]());

/** Writes the source as a restore leaves it: one file, in WAL mode. */
function source(...statements: string[]): void {
  const db = new DatabaseSync(sourcePath);
  db.exec('PRAGMA journal_mode = WAL');
  for (const sql of statements) db.exec(sql);
  db.close();
}

const noSignal = () => new AbortController().signal;

function importing(over: Partial<TableImport> = {}, handlers: Partial<ImportRun> = {}): Promise<string[]> {
  const request: TableImport = { tenant, sourcePath, tables: 'all', renames: {}, ...over };
  const quiet = { onBegin: () => {}, onTable: () => {}, onReady: () => {} };
  return fixture.driver.importTables(request, { signal: noSignal(), ...quiet, ...handlers });
}

const rows = (sql: string): Promise<SqlValue[][]> => rowsOf(session, sql);
const schema = async () => (await rows('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid')).flat();

async function failureOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof HoldfastError)) throw new Error(`no expected error: ${String(error)}`);
  return `${error.code} ${error.message}`;
}

const ORDERS = [
  `CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer TEXT NOT NULL, amount REAL CHECK (amount > 0),
     double AS (amount * 2) STORED, half AS (amount / 2), code TEXT UNIQUE, parent REFERENCES orders (id))`,
  'CREATE INDEX by_customer ON orders (customer COLLATE NOCASE DESC, lower(code)) WHERE amount > 1',
  'CREATE UNIQUE INDEX "by code" ON orders (code, customer)',
  `INSERT INTO orders (id, customer, amount, code) VALUES (1, 'Ada', 12.5, 'x'), (2, x'00ff', 7, NULL), (9, 'Émeka', 99.9, '')`,
  "UPDATE sqlite_sequence SET seq = 41 WHERE name = 'orders'",
  "CREATE TRIGGER [on orders] AFTER INSERT ON orders BEGIN UPDATE orders SET code = 'T' || new.id WHERE id = new.id; END",
];
const SELECT_ORDERS = 'SELECT id, hex(customer), amount, double, half, code, typeof(customer) FROM';

describe('a table under its own name', () => {
  test('has rows, definition, indexes, AUTOINCREMENT and triggers of the source', async () => {
    source(...ORDERS);
    const before = new DatabaseSync(`${pathToFileURL(sourcePath).href}?immutable=1`, {
      readOnly: true,
      returnArrays: true,
    });
    const expected = before.prepare(`${SELECT_ORDERS} orders`).all();
    const texts = before.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid').all().flat();
    before.close();
    expect(await importing({ tables: ['orders'] })).toEqual([]);
    expect((await rows(`${SELECT_ORDERS} orders`)).map((row) => row.map(asNumber))).toEqual(expected);
    expect(await schema()).toEqual(texts);
    const [detail] = (await rows("EXPLAIN QUERY PLAN SELECT * FROM orders WHERE code = 'x' AND customer = 'Ada'")).map(
      String,
    );
    expect(detail).toMatch(/USING (COVERING )?INDEX/);
    await run(session, "INSERT INTO orders (customer, amount) VALUES ('new', 3)");
    expect(await rows('SELECT id, code FROM orders ORDER BY id DESC LIMIT 1')).toEqual([[42n, 'T42']]);
    await expect(run(session, "INSERT INTO orders (customer, amount, code) VALUES ('n', 3, 'x')")).rejects.toThrow(
      /Duplicate/,
    );
    await expect(run(session, "INSERT INTO orders (customer, amount) VALUES ('n', -3)")).rejects.toThrow(/onstraint/);
    expect(await rows('PRAGMA integrity_check')).toEqual([['ok']]);
    for (const ending of ['-wal', '-shm', '-journal']) expect(existsSync(sourcePath + ending)).toBe(false);
  });

  test('keeps the numbers of its rows, also where a column hides their name', async () => {
    source(
      'CREATE TABLE plain (a)',
      "INSERT INTO plain (rowid, a) VALUES (5, 'x'), (700, 'y')",
      'CREATE TABLE hides (rowid TEXT, oid TEXT)',
      "INSERT INTO hides (_rowid_, rowid, oid) VALUES (31, 'r', 'o')",
      'CREATE TABLE unique_text (a TEXT UNIQUE, b)',
      "INSERT INTO unique_text (rowid, a, b) VALUES (9, 'x', 1), (4, NULL, 2)",
      'ALTER TABLE unique_text ADD COLUMN later DEFAULT 7',
      'CREATE INDEX later_part ON unique_text (later) WHERE b > 1',
      'CREATE TABLE keyed (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID',
      "INSERT INTO keyed VALUES ('b', 1), ('a', x'00'), ('c', NULL), ('d', '1')",
    );
    await importing();
    expect(await rows('SELECT rowid, a FROM plain')).toEqual([
      [5n, 'x'],
      [700n, 'y'],
    ]);
    expect(await rows('SELECT _rowid_, rowid, oid FROM hides')).toEqual([[31n, 'r', 'o']]);
    expect(await rows('SELECT rowid, a, b, later FROM unique_text')).toEqual([
      [4n, null, 2n, 7n],
      [9n, 'x', 1n, 7n],
    ]);
    expect(await rows('PRAGMA integrity_check')).toEqual([['ok']]);
    expect(await rows('SELECT k, typeof(v), hex(v) FROM keyed')).toEqual([
      ['a', 'blob', '00'],
      ['b', 'integer', '31'],
      ['c', 'null', ''],
      ['d', 'text', '31'],
    ]);
  });
});

describe('a table under a new name', () => {
  test('stands beside the old one; its indexes and triggers are named after it and work on it', async () => {
    source(...ORDERS);
    await run(session, 'CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, code TEXT)');
    await run(session, 'CREATE INDEX by_customer ON orders (customer)');
    await run(session, 'CREATE TRIGGER "on orders" AFTER DELETE ON orders BEGIN SELECT 1; END');
    const names = { tables: ['orders'], renames: { orders: 'orders "old"' } };
    const { tables } = await fixture.driver.planImport({ tenant, sourcePath, ...names }, noSignal());
    await importing(names);
    // By these words a server that died in the commit knows the table again.
    const described = await fixture.driver.describe(tenant);
    expect(described.map(({ createSql }) => createSql)).toContain(tables[0]!.createSql);
    expect(
      await rows('SELECT type, name, tbl_name FROM sqlite_schema WHERE name LIKE \'orders "old"%\' ORDER BY 1, 2'),
    ).toEqual([
      ['index', 'orders "old"_by code', 'orders "old"'],
      ['index', 'orders "old"_by_customer', 'orders "old"'],
      ['table', 'orders "old"', 'orders "old"'],
      ['trigger', 'orders "old"_on orders', 'orders "old"'],
    ]);
    await run(session, 'INSERT INTO "orders ""old""" (customer, amount, parent) VALUES (\'new\', 3, 9)');
    expect(await rows('SELECT id, code FROM "orders ""old""" ORDER BY id DESC LIMIT 1')).toEqual([[42n, 'T42']]);
    expect(await rows('SELECT count(*) FROM orders')).toEqual([[0n]]);
    await run(session, 'PRAGMA foreign_keys = ON');
    await expect(run(session, 'UPDATE "orders ""old""" SET parent = 12345')).rejects.toThrow(/foreign key/);
    expect(await rows('PRAGMA integrity_check')).toEqual([['ok']]);
  });

  test('takes references along: of tables that come too, in triggers, when names are swapped', async () => {
    source(
      'CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b (id))',
      'CREATE TABLE b (id INTEGER PRIMARY KEY, note)',
      'CREATE TABLE other (x)',
      'CREATE VIEW broken AS SELECT * FROM gone',
      'CREATE VIEW fine AS SELECT * FROM b',
      'CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET note = (SELECT count(*) FROM fine) WHERE id = new.b; INSERT INTO other VALUES (new.id); END',
      "INSERT INTO b VALUES (1, 'first')",
    );
    await run(session, 'CREATE TABLE other (x)');
    await run(session, 'CREATE VIEW fine AS SELECT 1');
    await importing({ tables: ['a', 'b'], renames: { a: 'b', b: 'a' } });
    expect(await rows("SELECT sql FROM sqlite_schema WHERE name = 'b' OR type = 'trigger'")).toEqual([
      ['CREATE TABLE "b" (id INTEGER PRIMARY KEY, b REFERENCES "a" (id))'],
      [
        'CREATE TRIGGER "b_t" AFTER INSERT ON "b" BEGIN UPDATE "a" SET note = (SELECT count(*) FROM fine) WHERE id = new.b; INSERT INTO other VALUES (new.id); END',
      ],
    ]);
    await run(session, 'INSERT INTO b VALUES (7, 1)');
    expect(await rows('SELECT * FROM a')).toEqual([[1n, '1']].map(([id]) => [id, 1n]));
    expect(await rows('SELECT * FROM other')).toEqual([[7n]]);
  });
});

describe('what is in the way', () => {
  test('is named, each of it, and nothing is written', async () => {
    source(...ORDERS, 'CREATE TABLE fresh (a)');
    await run(session, 'CREATE TABLE ORDERS (x)');
    await run(session, 'CREATE TABLE other (x)');
    await run(session, 'CREATE INDEX by_customer ON other (x)');
    await run(session, 'CREATE TRIGGER "ON ORDERS" AFTER INSERT ON other BEGIN SELECT 1; END');
    const before = await schema();
    expect(await failureOf(importing())).toBe(
      "4017 Entry already exist: table 'ORDERS', index 'by_customer', trigger 'ON ORDERS' in tenant 't1'",
    );
    expect(await schema()).toEqual(before);
  });

  test('is another writer: the import waits for its turn, and not for ever', async () => {
    source('CREATE TABLE t (a)');
    await run(session, 'BEGIN IMMEDIATE');
    expect(await failureOf(importing())).toContain('5205 ');
    const waiting = importing();
    await run(session, 'COMMIT');
    await waiting;
    expect(await rows('SELECT count(*) FROM t')).toEqual([[0n]]);
  });
});

describe('all or none', () => {
  test('a table that can not be made takes the others with it', async () => {
    source(
      'CREATE TABLE first (a)',
      "INSERT INTO first VALUES ('x')",
      'CREATE TABLE second (a)',
      'CREATE TABLE third (a)',
    );
    const done: number[] = [];
    const stop = { onTable: (count: number) => (done.push(count) === 2 ? stopped() : undefined) };
    const stopped = () => {
      throw new Error('stop here');
    };
    await expect(importing({}, stop)).rejects.toThrow('stop here');
    expect(done).toEqual([1, 2]);
    expect(await schema()).toEqual([]);
    await importing();
    expect(await rows('SELECT * FROM first')).toEqual([['x']]);
  });

  test('an import that is cancelled inside of a long statement ends, and leaves nothing', async () => {
    source('CREATE TABLE big (a)');
    const db = new DatabaseSync(sourcePath);
    db.exec(
      'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) INSERT INTO big SELECT i FROM n',
    );
    db.exec('CREATE INDEX slow ON big (hex(randomblob(1)) )'.replace('randomblob(1)', 'a || a'));
    db.close();
    const controller = new AbortController();
    const handlers = { signal: controller.signal, onBegin: () => controller.abort(new Error('cancelled')) };
    await expect(importing({}, handlers)).rejects.toThrow();
    expect(await schema()).toEqual([]);
    await run(session, 'CREATE TABLE big (free)');
  });
});

describe('what a user should know', () => {
  test('a trigger that would stop every write of the target is left out, one with a function of the application is not', async () => {
    source(
      'CREATE TABLE t (a)',
      'CREATE TABLE gone (a)',
      'CREATE TRIGGER breaks AFTER INSERT ON t BEGIN INSERT INTO gone VALUES (new.a); END',
      'CREATE TRIGGER owned AFTER UPDATE ON t BEGIN SELECT our_function(new.a); END',
    );
    expect(await importing({ tables: ['t'] })).toEqual([
      "trigger 'breaks' is left out, it does not work in the target: no such table: main.gone",
    ]);
    await run(session, 'INSERT INTO t VALUES (1)');
    expect(await rows("SELECT name FROM sqlite_schema WHERE type = 'trigger'")).toEqual([['owned']]);
  });

  test('references that lead nowhere are counted', async () => {
    source(
      'CREATE TABLE p (id INTEGER PRIMARY KEY)',
      'CREATE TABLE c (p REFERENCES p (id))',
      'PRAGMA foreign_keys = OFF',
    );
    const db = new DatabaseSync(sourcePath, { enableForeignKeyConstraints: false });
    db.exec('INSERT INTO c VALUES (1), (2), (NULL)');
    db.close();
    await run(session, 'CREATE TABLE p (id INTEGER PRIMARY KEY)');
    await run(session, 'INSERT INTO p VALUES (2)');
    expect(await importing({ tables: ['c'] })).toEqual(["1 references of table 'c' lead to no row"]);
    expect(await rows('SELECT p FROM c')).toEqual([[1n], [2n], [null]]);
  });
});

function asNumber(value: SqlValue): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}
