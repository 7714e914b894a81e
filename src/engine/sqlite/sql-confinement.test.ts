// What a tenant's SQL can not do, tried with a real host process: each refusal names its reason and leaves no file.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../base/errors.ts';
import type { EngineSession } from '../engine-driver.ts';
import { judgePragma } from './sql-confinement.ts';
import { rowsOf, run, type SqliteFixture, sqliteFixture } from './sqlite.fixture.ts';

let fixture: SqliteFixture;
let session: EngineSession;
beforeAll(async () => {
  fixture = sqliteFixture();
  const tenant = fixture.tenant();
  await fixture.driver.create(tenant);
  session = await fixture.driver.openSession(tenant);
  await run(session, 'CREATE TABLE t (a)');
  writeFileSync(join(fixture.directory, 'secret.txt'), 'secret');
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function failureOf(sql: string): Promise<HoldfastError> {
  try {
    const result = await session.execute(sql, [], new AbortController().signal);
    if (result.kind === 'rows') for await (const _batch of result.rows);
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error(`was not refused: ${sql}`);
}

const files = () => readdirSync(fixture.directory, { recursive: true }).map(String).sort();

describe('confinement', () => {
  it.each([
    "ATTACH 'DIR/other.db' AS o",
    "ATTACH DATABASE 'file:DIR/other.db?mode=rwc' AS o",
    "ATTACH '' AS o",
    "ATTACH ':memory:' AS o",
    "ATTACH 'DIR/' || 'other.db' AS o",
    'DETACH main',
    "VACUUM INTO 'DIR/copy.db'",
    "VACUUM main INTO 'DIR/copy.db'",
    "VACUUM /* x */ INTO ('DIR/' || 'copy.db')",
    "SELECT load_extension('DIR/x.so')",
    "SELECT fts3_tokenizer('simple')",
    'PRAGMA journal_mode = DELETE',
    'PRAGMA journal_mode(TRUNCATE)',
    'PRAGMA main.journal_mode = MEMORY',
    'PRAGMA wal_checkpoint(TRUNCATE)',
    'PRAGMA wal_checkpoint',
    'PRAGMA wal_autocheckpoint = 0',
    'PRAGMA locking_mode = EXCLUSIVE',
    'PRAGMA synchronous = OFF',
    'PRAGMA page_size = 8192',
    'PRAGMA auto_vacuum = FULL',
    'PRAGMA mmap_size = 1000000',
    'PRAGMA journal_size_limit = 0',
    'PRAGMA writable_schema = ON',
    'PRAGMA writable_schema = RESET',
    'PRAGMA trusted_schema = ON',
    "PRAGMA temp_store_directory = 'DIR'",
    "PRAGMA data_store_directory = 'DIR'",
    "PRAGMA key = 'x'",
    'PRAGMA database_list',
    'PRAGMA busy_timeout = 60000',
    'PRAGMA hard_heap_limit = 1',
    'PRAGMA query_only = ON',
    'PRAGMA no_such_pragma',
    'PRAGMA constructor',
    'SELECT * FROM pragma_database_list',
    'EXPLAIN PRAGMA wal_checkpoint(TRUNCATE)',
    "CREATE VIRTUAL TABLE v USING csv(filename = 'DIR/secret.txt')",
    "CREATE VIRTUAL TABLE v USING dbstat('main')",
  ])('refuses %s', async (sql) => {
    const before = files();
    const error = await failureOf(sql.replaceAll('DIR', fixture.directory));
    expect([error.errorName, error.message]).toEqual([
      'ENGINE_STATEMENT_REFUSED',
      expect.stringMatching(/because|refused/),
    ]);
    expect(error.message).not.toContain('undefined');
    expect(files()).toEqual(before);
  });

  it.each([
    "SELECT readfile('DIR/secret.txt')",
    "SELECT writefile('DIR/new.txt', 'x')",
    "SELECT edit('x')",
    "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, 'CREATE TABLE x (a)')",
    "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (b)'",
    'SELECT 1; ATTACH x AS y',
    'CREATE VIEW w AS SELECT sleep(1); SELECT 1',
  ])('has no way to run %s', async (sql) => {
    const before = files();
    const error = await failureOf(sql.replaceAll('DIR', fixture.directory));
    expect(error.errorName).toMatch(/^(ENGINE|ENGINE_STATEMENT_REFUSED|SYNTAX)$/);
    expect(files()).toEqual(before);
  });

  it('lets what is harmless pass', async () => {
    await run(session, 'INSERT INTO t VALUES (1)');
    await run(session, 'VACUUM');
    expect(await rowsOf(session, 'PRAGMA journal_mode')).toEqual([['wal']]);
    expect(await rowsOf(session, 'PRAGMA synchronous')).toEqual([[2n]]);
    expect(await rowsOf(session, 'PRAGMA integrity_check')).toEqual([['ok']]);
    expect(await rowsOf(session, 'PRAGMA page_size')).toEqual([[4096n]]);
    expect(await rowsOf(session, "SELECT name FROM pragma_table_info('t')")).toEqual([['a']]);
    await run(session, 'PRAGMA foreign_keys = OFF');
    expect(await rowsOf(session, 'PRAGMA foreign_keys')).toEqual([[0n]]);
    await run(session, 'CREATE VIRTUAL TABLE words USING fts5 (body)');
    await run(session, "INSERT INTO words VALUES ('to be or not')");
    expect(await rowsOf(session, "SELECT count(*) FROM words WHERE words MATCH 'be'")).toEqual([[1n]]);
    await run(session, 'CREATE VIRTUAL TABLE boxes USING rtree (id, x1, x2)');
    await run(session, 'CREATE TEMP TABLE scratch (a)');
    await run(session, 'ALTER TABLE t RENAME COLUMN a TO b');
    await run(session, 'ALTER TABLE t RENAME TO t2');
    await run(session, 'CREATE TABLE c AS SELECT * FROM t2');
    await run(session, 'ANALYZE');
    await run(session, 'REINDEX');
  });

  it('refuses a trigger that would call a refused function when it fires', async () => {
    await run(session, 'CREATE TABLE fires (a)');
    await run(session, "CREATE TRIGGER g AFTER INSERT ON fires BEGIN SELECT load_extension('x'); END");
    expect((await failureOf('INSERT INTO fires VALUES (1)')).errorName).toBe('ENGINE_STATEMENT_REFUSED');
  });

  it('keeps views and triggers from calling functions of the session', async () => {
    await run(session, 'CREATE VIEW asks AS SELECT sleep(0) AS s');
    expect((await failureOf('SELECT * FROM asks')).message).toMatch(/unsafe use/);
  });

  it('names a better reason than the list where there is one', () => {
    expect(judgePragma('JOURNAL_MODE', 'delete')?.because).toMatch(/log archive/);
    expect(judgePragma('journal_mode', null)).toBeNull();
    expect(judgePragma('toString', null)?.because).toMatch(/may use/);
  });
});
