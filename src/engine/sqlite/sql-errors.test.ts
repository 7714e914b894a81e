// SQLite's errors as MySQL clients know them, provoked on a real engine.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toClientError } from '../../base/errors.ts';
import type { EngineSession } from '../engine-driver.ts';
import { run, type SqliteFixture, sqliteFixture } from './sqlite.fixture.ts';

let fixture: SqliteFixture;
let session: EngineSession;
beforeAll(async () => {
  fixture = sqliteFixture();
  const tenant = fixture.tenant();
  await fixture.driver.create(tenant);
  session = await fixture.driver.openSession(tenant);
  await run(session, 'CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n NOT NULL CHECK (n > 0))');
  await run(session, 'CREATE TABLE lines (order_id REFERENCES orders (id), a, b, UNIQUE (a, b))');
  await run(session, "INSERT INTO orders VALUES (1, 'a', 1)");
  await run(session, 'INSERT INTO lines VALUES (1, 1, 1)');
});
afterAll(() => fixture[Symbol.asyncDispose]());

describe('errors of tenant SQL', () => {
  it.each<[string, number, RegExp]>([
    ["INSERT INTO orders VALUES (1, 'b', 1)", 1062, /Duplicate entry for key 'orders\.id'/],
    ["INSERT INTO orders VALUES (2, 'a', 1)", 1062, /'orders\.code'/],
    ["INSERT INTO orders VALUES (2, 'a', 1) RETURNING id", 1062, /'orders\.code'/],
    ['INSERT INTO lines VALUES (1, 1, 1)', 1062, /'lines\.a, lines\.b'/],
    ["INSERT INTO orders VALUES (2, 'b', NULL)", 1048, /Column 'n' cannot be null/],
    ["INSERT INTO orders VALUES (2, 'b', -1)", 3819, /Check constraint 'n > 0' is violated/],
    ['INSERT INTO lines VALUES (9, 2, 2)', 1452, /foreign key/],
    ['DELETE FROM orders', 1452, /foreign key/],
    ['SELECT * FROM nix', 1146, /Table 'nix' doesn't exist/],
    ['SELECT nix FROM orders', 1054, /Unknown column 'nix'/],
    ['SELECT o.nix FROM orders o', 1054, /Unknown column 'o\.nix'/],
    ['INSERT INTO orders (nix) VALUES (1)', 1054, /Unknown column 'nix'/],
    ['CREATE TABLE orders (a)', 1050, /Table 'orders' already exists/],
    ['SELEC 1', 1064, /near 'SELEC 1' at line 1/],
    ['SELECT 1\nFROM orders\nWERE id = 1', 1064, /near 'id = 1' at line 3/],
    ["SELECT 'a' AS a,\n a.a a a FROM orders", 1064, /near 'a FROM orders' at line 2/],
    ['SELECT (1', 1064, /near '' at line 1/],
    ["SELECT 'open", 1064, /near ''open' at line 1/],
    ['SELECT 1; SELECT 2', 1064, /near 'SELECT 2' at line 1/],
    ['', 1064, /near ''/],
    ['-- nothing', 1064, /near ''/],
    [';', 1064, /near ';'/],
    ['SELECT 1 \0', 1064, /near/],
    ['SELECT :name', 1235, /named or numbered parameter/],
    ['SELECT nofunction(1)', 1105, /no such function: nofunction/],
    ['SELECT abs(-9223372036854775808)', 1105, /integer overflow/],
    ["SELECT json_extract('{', '$')", 1105, /malformed JSON/],
    ['SELECT left(1)', 1105, /wrong number of arguments to function left\(\)/],
    ['DROP TABLE sqlite_schema', 1105, /may not be dropped/],
    ['ROLLBACK TO nix', 1105, /no such savepoint/],
  ])('%j is error %i', async (sql, errno, message) => {
    const error = await session.execute(sql, [], new AbortController().signal).then(
      () => new Error('it passed'),
      (thrown: unknown) => thrown,
    );
    const told = toClientError(error, 'mysql');
    expect([told.errno, told.message]).toEqual([errno, expect.stringMatching(message)]);
  });

  it('says that the file is missing instead of making a new one', async () => {
    const tenant = fixture.tenant({ tenantId: 1004, location: `${fixture.directory}/none.db` });
    const lost = await fixture.driver.openSession(tenant);
    await expect(run(lost, 'SELECT 1')).rejects.toMatchObject({ errorName: 'ENGINE' });
  });
});
