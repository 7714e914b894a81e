// The sqlite engine with real host processes: sessions, locks, kills, large results.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toClientError } from '../../base/errors.ts';
import { toScn } from '../../model/scn.ts';
import type { CapturedBatch, EngineSession } from '../engine-driver.ts';
import { query, rowsOf, run, type SqliteFixture, sqliteFixture } from './sqlite.fixture.ts';

let fixture: SqliteFixture;
beforeEach(() => {
  fixture = sqliteFixture();
});
afterEach(() => fixture[Symbol.asyncDispose]());

async function openTenant(over = {}): Promise<{ tenant: ReturnType<SqliteFixture['tenant']>; session: EngineSession }> {
  const tenant = fixture.tenant(over);
  await fixture.driver.create(tenant);
  return { tenant, session: await fixture.driver.openSession(tenant) };
}

const RUNAWAY = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c';

describe('create, drop and check', () => {
  it('makes one private WAL database file and tells its facts', async () => {
    const tenant = fixture.tenant();
    const facts = await fixture.driver.create(tenant);
    expect(facts).toMatchObject({ pageSize: 4096, pageCount: 1, tableCount: 0 });
    expect(facts.engineVersion).toMatch(/^sqlite 3\./);
    expect(statSync(tenant.location).mode & 0o777).toBe(0o600);
    expect(readdirSync(`${fixture.directory}/t1`)).toEqual(['data.db']);
    await expect(fixture.driver.create(tenant)).rejects.toMatchObject({ errorName: 'ENTRY_EXISTS' });
    expect(await fixture.driver.check(tenant.location, { level: 'quick' })).toEqual(facts);
    expect(readdirSync(`${fixture.directory}/t1`)).toEqual(['data.db']);
  });

  it('drops with or without the files, and may be asked again', async () => {
    const { tenant, session } = await openTenant();
    await run(session, 'CREATE TABLE t (a)');
    await fixture.driver.drop(tenant, { removeData: false });
    expect(existsSync(tenant.location)).toBe(true);
    expect(existsSync(`${tenant.location}-wal`)).toBe(true);
    await fixture.driver.drop(tenant, { removeData: true });
    await fixture.driver.drop(tenant, { removeData: true });
    expect(readdirSync(`${fixture.directory}/t1`)).toEqual([]);
  });
});

describe('statements', () => {
  it('refuses a row larger than max_allowed_packet, which the server would have to hold whole', async () => {
    const { session } = await openTenant();
    const tooLarge = { errorName: 'PACKET_TOO_LARGE' };
    await expect(query(session, 'SELECT zeroblob(70000000)')).rejects.toMatchObject(tooLarge);
    await expect(query(session, 'SELECT hex(zeroblob(20000000)), hex(zeroblob(20000000))')).rejects.toMatchObject(
      tooLarge,
    );
    expect(await rowsOf(session, 'SELECT length(zeroblob(70000000))')).toEqual([[70_000_000n]]);
  });

  it('answers affected rows and last insert ids of data changes only', async () => {
    const { session } = await openTenant();
    expect(await run(session, 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)')).toMatchObject({ affectedRows: 0n });
    expect(await run(session, "INSERT INTO t (a) VALUES ('x'), ('y')")).toMatchObject({
      affectedRows: 2n,
      lastInsertId: 2n,
    });
    expect(await run(session, "UPDATE t SET a = 'z'")).toMatchObject({ affectedRows: 2n, lastInsertId: 0n });
    expect(await run(session, 'CREATE INDEX i ON t (a)')).toMatchObject({ affectedRows: 0n, lastInsertId: 0n });
    expect(await run(session, 'REPLACE INTO t VALUES (?, ?)', { parameters: [2n ** 60n, 'big'] })).toMatchObject({
      affectedRows: 1n,
      lastInsertId: 2n ** 60n,
    });
    expect(await run(session, 'WITH d AS (SELECT 1 AS id) DELETE FROM t WHERE id IN (SELECT id FROM d)')).toMatchObject(
      {
        affectedRows: 1n,
      },
    );
    expect(await run(session, 'TRUNCATE TABLE t')).toMatchObject({ affectedRows: 0n });
    expect(await rowsOf(session, 'SELECT count(*) FROM t')).toEqual([[0n]]);
    await run(session, 'CREATE TABLE w (k INTEGER PRIMARY KEY, v) WITHOUT ROWID');
    expect(await run(session, 'INSERT INTO w VALUES (7, 7)')).toMatchObject({ affectedRows: 1n, lastInsertId: 0n });
  });

  it('keeps each value as it is through parameters and rows', async () => {
    const { session } = await openTenant();
    await run(session, 'CREATE TABLE v (a)');
    const values = [null, 9223372036854775807n, -1n, 1.5, 'é😀\n', new Uint8Array([0, 255]), new Uint8Array(0)];
    for (const value of values) {
      await run(session, 'DELETE FROM v');
      await run(session, 'INSERT INTO v VALUES (?)', { parameters: [value] });
      const [[back] = []] = await rowsOf(session, 'SELECT a FROM v');
      if (value instanceof Uint8Array) expect(Buffer.compare(back as Uint8Array, value)).toBe(0);
      else expect(back).toEqual(value);
    }
    await expect(run(session, 'INSERT INTO v VALUES (?)')).rejects.toMatchObject({ errorName: 'PARAMETER_COUNT' });
    await expect(run(session, 'INSERT INTO v VALUES (?)', { parameters: [2n ** 63n] })).rejects.toThrow(/64-bit/);
    await expect(run(session, 'INSERT INTO v VALUES (?)', { parameters: ['a\0b'] })).rejects.toThrow(/NUL/);
  });

  it('prepares without running', async () => {
    const { session } = await openTenant();
    await run(session, 'CREATE TABLE t (id INTEGER, name VARCHAR(20))');
    const prepared = await session.prepare('SELECT id, name AS n, ? FROM t WHERE id = ?');
    expect(prepared.parameterCount).toBe(2);
    expect(prepared.columns).toMatchObject([
      { name: 'id', type: { base: 'bigint' }, table: 't', orgName: 'id' },
      { name: 'n', type: { base: 'varchar', length: 20 }, orgName: 'name' },
      { name: '?', type: { base: 'longtext' } },
    ]);
    expect(await session.prepare('DELETE FROM t')).toEqual({ parameterCount: 0, columns: [] });
    await expect(session.prepare('SELECT nix FROM t')).rejects.toMatchObject({ errorName: 'UNKNOWN_COLUMN' });
  });

  it('follows transactions, those that an error leaves open too', async () => {
    const { session } = await openTenant();
    await run(session, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
    await run(session, 'COMMIT');
    await run(session, 'START TRANSACTION READ WRITE');
    expect(session.isInTransaction).toBe(true);
    await run(session, 'INSERT INTO t VALUES (1)');
    await expect(run(session, 'INSERT INTO t VALUES (1)')).rejects.toMatchObject({ errorName: 'DUPLICATE_KEY' });
    expect(session.isInTransaction).toBe(true);
    await run(session, 'SAVEPOINT s');
    await run(session, 'INSERT INTO t VALUES (2)');
    await run(session, 'ROLLBACK TO s');
    await run(session, 'BEGIN');
    await run(session, 'INSERT INTO t VALUES (3)');
    await run(session, 'ROLLBACK');
    expect(session.isInTransaction).toBe(false);
    expect(await rowsOf(session, 'SELECT id FROM t')).toEqual([[1n]]);
    await run(session, 'BEGIN');
    await run(session, 'CREATE TEMP TABLE x (a)');
    await session.reset();
    expect(session.isInTransaction).toBe(false);
    await expect(run(session, 'SELECT * FROM x')).rejects.toMatchObject({ errorName: 'UNKNOWN_TABLE' });
  });

  it('returns the rows of RETURNING and of pragmas', async () => {
    const { session } = await openTenant();
    await run(session, 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)');
    const { rows, columns } = await query(session, "INSERT INTO t (a) VALUES ('x'), ('y') RETURNING id, upper(a) AS u");
    expect(rows).toEqual([
      [1n, 'X'],
      [2n, 'Y'],
    ]);
    expect(columns.map((column) => column.name)).toEqual(['id', 'u']);
    expect(await rowsOf(session, 'PRAGMA table_info(t)')).toHaveLength(2);
    expect(await run(session, 'PRAGMA user_version = 7')).toMatchObject({ kind: 'ok' });
    expect(await rowsOf(session, 'PRAGMA user_version')).toEqual([[7n]]);
  });

  it('streams a million rows in batches and forgets what is not read', async () => {
    const { session } = await openTenant();
    const signal = new AbortController().signal;
    const sql =
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000) SELECT n, 'row ' || n FROM c";
    const result = await session.execute(sql, [], signal);
    if (result.kind !== 'rows') throw new Error('rows expected');
    let count = 0n;
    let most = 0;
    for await (const batch of result.rows) {
      most = Math.max(most, batch.length);
      for (const [n] of batch) {
        count += 1n;
        if (n !== count) throw new Error(`row ${count} is ${n}`);
      }
    }
    expect(count).toBe(1_000_000n);
    expect(most).toBeLessThanOrEqual(1000);

    const unread = await session.execute(sql, [], signal);
    if (unread.kind !== 'rows') throw new Error('rows expected');
    for await (const _batch of unread.rows) break;
    expect(await rowsOf(session, 'SELECT 1')).toEqual([[1n]]);
    const never = await session.execute(sql, [], signal);
    await run(session, 'CREATE TABLE t (a)');
    if (never.kind !== 'rows') throw new Error('rows expected');
    const read = async () => {
      for await (const _batch of never.rows);
    };
    await expect(read()).rejects.toMatchObject({ errorName: 'QUERY_INTERRUPTED' });
  });

  it('stops a stream whose signal is aborted between two batches', async () => {
    const { session } = await openTenant();
    const killer = new AbortController();
    const result = await session.execute(
      'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c',
      [],
      killer.signal,
    );
    if (result.kind !== 'rows') throw new Error('rows expected');
    const read = async () => {
      let batches = 0;
      for await (const _batch of result.rows) {
        batches += 1;
        if (batches === 3) killer.abort();
      }
    };
    await expect(read()).rejects.toMatchObject({ errorName: 'QUERY_INTERRUPTED' });
    expect(await rowsOf(session, 'SELECT 1')).toEqual([[1n]]);
  });
});

describe('locks between sessions', () => {
  it.each([1, 2])('waits for the lock of another session, with up to %i hosts', async (maxCpu) => {
    const { tenant, session: a } = await openTenant({ maxCpu });
    const b = await fixture.driver.openSession(tenant);
    await run(a, 'CREATE TABLE t (id INTEGER PRIMARY KEY, n)');
    await run(a, 'INSERT INTO t VALUES (1, 0)');
    await run(a, 'BEGIN IMMEDIATE');
    await run(a, 'UPDATE t SET n = n + 1');
    let isDone = false;
    const waiting = run(b, 'UPDATE t SET n = n + 10').then((result) => {
      isDone = true;
      return result;
    });
    await sleep(100);
    expect(isDone).toBe(false);
    expect(await rowsOf(a, 'SELECT n FROM t')).toEqual([[1n]]);
    await run(a, 'COMMIT');
    expect((await waiting).affectedRows).toBe(1n);
    expect(await rowsOf(a, 'SELECT n FROM t')).toEqual([[11n]]);
  });

  it('gives up with 1205 after the lock wait, and at once for a stale snapshot', async () => {
    await fixture[Symbol.asyncDispose]();
    fixture = sqliteFixture({ lockWaitMs: 200 });
    const { tenant, session: a } = await openTenant();
    const b = await fixture.driver.openSession(tenant);
    await run(a, 'CREATE TABLE t (n)');
    await run(a, 'INSERT INTO t VALUES (0)');
    await run(a, 'BEGIN IMMEDIATE');
    const error = await run(b, 'UPDATE t SET n = 1').catch((thrown: unknown) => thrown);
    expect(toClientError(error, 'mysql')).toMatchObject({ errno: 1205 });
    await run(a, 'COMMIT');
    await run(b, 'UPDATE t SET n = 1');
    await run(b, 'BEGIN');
    await rowsOf(b, 'SELECT * FROM t');
    await run(a, 'UPDATE t SET n = 2');
    await expect(run(b, 'UPDATE t SET n = 3')).rejects.toMatchObject({ errorName: 'LOCK_WAIT_TIMEOUT' });
    expect(b.isInTransaction).toBe(true);
    await run(b, 'ROLLBACK');
    await run(b, 'UPDATE t SET n = 3');
  });

  it('cancels a statement that waits for a lock without harm to anyone', async () => {
    const { tenant, session: a } = await openTenant();
    const b = await fixture.driver.openSession(tenant);
    await run(a, 'CREATE TABLE t (n)');
    await run(a, 'BEGIN IMMEDIATE');
    await run(a, 'INSERT INTO t VALUES (1)');
    const killer = new AbortController();
    const waiting = run(b, 'INSERT INTO t VALUES (2)', { signal: killer.signal });
    setTimeout(() => killer.abort(), 50);
    await expect(waiting).rejects.toMatchObject({ errorName: 'QUERY_INTERRUPTED' });
    await run(a, 'COMMIT');
    expect(await rowsOf(b, 'SELECT n FROM t')).toEqual([[1n]]);
  });
});

describe('kills', () => {
  it('ends a runaway statement by killing its host; the sessions beside it recover', async () => {
    const { tenant, session: runaway } = await openTenant();
    const inTransaction = await fixture.driver.openSession(tenant);
    const idle = await fixture.driver.openSession(tenant);
    await run(idle, 'CREATE TABLE t (n)');
    await run(inTransaction, 'BEGIN');
    await run(inTransaction, 'INSERT INTO t VALUES (1)');
    const killer = new AbortController();
    const victim = query(runaway, RUNAWAY, { signal: killer.signal });
    const queued = rowsOf(idle, 'SELECT count(*) FROM t');
    setTimeout(() => killer.abort(), 100);
    const error = await victim.catch((thrown: unknown) => thrown);
    expect(toClientError(error, 'mysql')).toMatchObject({ errno: 1317, sqlState: '70100' });
    // A session that lost nothing goes on without noticing.
    expect(await queued).toEqual([[0n]]);
    expect(await rowsOf(runaway, 'SELECT count(*) FROM t')).toEqual([[0n]]);
    expect(inTransaction.isInTransaction).toBe(true);
    await expect(run(inTransaction, 'INSERT INTO t VALUES (2)')).rejects.toMatchObject({ errorName: 'HOST_LOST' });
    expect(inTransaction.isInTransaction).toBe(false);
    await run(inTransaction, 'INSERT INTO t VALUES (3)');
    expect(await rowsOf(idle, 'SELECT n FROM t')).toEqual([[3n]]);
  });

  it('tells a killed transaction of its loss before anything else, unless it rolls back', async () => {
    const { session } = await openTenant();
    await run(session, 'CREATE TABLE t (n)');
    for (const next of ['ROLLBACK', 'COMMIT']) {
      await run(session, 'BEGIN');
      await run(session, 'INSERT INTO t VALUES (1)');
      await expect(query(session, RUNAWAY, { signal: AbortSignal.timeout(50) })).rejects.toThrow(/interrupted/);
      expect(session.isInTransaction).toBe(true);
      if (next === 'ROLLBACK') await run(session, next);
      else await expect(run(session, next)).rejects.toMatchObject({ errorName: 'HOST_LOST' });
      expect(session.isInTransaction).toBe(false);
    }
    expect(await rowsOf(session, 'SELECT * FROM t')).toEqual([]);
  });

  it('ends SLEEP, and every session when the role of the tenant changes', async () => {
    const { tenant, session } = await openTenant();
    await expect(query(session, 'SELECT SLEEP(60)', { signal: AbortSignal.timeout(50) })).rejects.toThrow(
      /interrupted/,
    );
    const running = query(session, 'SELECT SLEEP(60)').catch((thrown: unknown) => thrown);
    await sleep(50);
    await fixture.driver.closeSessions(tenant.tenantId);
    expect(await running).toMatchObject({ errorName: 'HOST_LOST' });
    await expect(run(session, 'SELECT 1')).rejects.toMatchObject({ errorName: 'HOST_LOST' });
    await session.close();
    const again = await fixture.driver.openSession(tenant);
    expect(await rowsOf(again, 'SELECT 1')).toEqual([[1n]]);
  });

  it('leaves the log in place when the driver ends', async () => {
    const { tenant, session } = await openTenant();
    await run(session, 'CREATE TABLE t (n)');
    await session.close();
    const before = statSync(`${tenant.location}-wal`).size;
    expect(before).toBeGreaterThan(0);
    await fixture.driver[Symbol.asyncDispose]();
    expect(statSync(`${tenant.location}-wal`).size).toBe(before);
  });
});

describe('a STANDBY tenant', () => {
  it('reads and refuses every write with 1290', async () => {
    const { tenant, session } = await openTenant();
    await run(session, 'CREATE TABLE t (n)');
    await run(session, 'INSERT INTO t VALUES (1)');
    await fixture.driver.closeSessions(tenant.tenantId);
    const reader = await fixture.driver.openSession({ ...tenant, isReadOnly: true });
    expect(await rowsOf(reader, 'SELECT n FROM t')).toEqual([[1n]]);
    const writes = [
      'INSERT INTO t VALUES (2)',
      'DROP TABLE t',
      'CREATE TABLE u (a)',
      'PRAGMA user_version = 3',
      'VACUUM',
    ];
    for (const sql of [...writes, 'DELETE FROM t RETURNING n']) {
      const error = await reader.execute(sql, [], new AbortController().signal).catch((thrown: unknown) => thrown);
      expect([sql, toClientError(error, 'mysql').errno]).toEqual([sql, 1290]);
    }
    await expect(run(reader, 'PRAGMA query_only = 0')).rejects.toMatchObject({ errorName: 'ENGINE_STATEMENT_REFUSED' });
    await run(reader, 'BEGIN');
    await run(reader, 'COMMIT');
  });
});

describe('capture', () => {
  it('archives what sessions commit, and ends with the tenant', async () => {
    const { tenant, session } = await openTenant();
    await run(session, 'CREATE TABLE t (n)');
    const batches: CapturedBatch[] = [];
    const gaps: string[] = [];
    const capture = await fixture.driver.startCapture({
      tenant,
      owner: { clusterUuid: '00000000-0000-4000-8000-000000000000', tenantId: tenant.tenantId, roundId: 1 },
      resume: null,
      repair: null,
      pageMapPath: null,
      afterScn: toScn(1n),
      lagTargetMs: 100,
      cutScn: toScn(2n ** 62n),
      deliver: async (batch) => {
        batches.push(batch);
      },
      onGap: (because) => gaps.push(because),
    });
    for (let n = 0; n < 20; n++) await run(session, 'INSERT INTO t VALUES (?)', { parameters: [BigInt(n)] });
    await capture.flush();
    expect(batches.reduce((sum, batch) => sum + batch.commitCount, 0)).toBe(20);
    await fixture.driver.drop(tenant, { removeData: true });
    expect(gaps).toEqual([]);
    expect(readdirSync(`${fixture.directory}/t1`)).toEqual([]);
  });
});

describe('describe', () => {
  it('tells tables, views, columns and indexes, with and without a session', async () => {
    const { tenant, session } = await openTenant();
    await run(session, "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL DEFAULT 'x', UNIQUE (name))");
    await run(session, 'CREATE INDEX by_both ON t (name, id)');
    await run(session, 'CREATE VIEW v AS SELECT name FROM t');
    await run(session, 'CREATE VIRTUAL TABLE f USING fts5 (body)');
    const tables = await fixture.driver.describe(tenant);
    expect(tables.map((table) => [table.name, table.kind])).toEqual([
      ['f', 'BASE TABLE'],
      ['t', 'BASE TABLE'],
      ['v', 'VIEW'],
    ]);
    const t = tables.find((table) => table.name === 't')!;
    expect(t.columns).toEqual([
      { name: 'id', declaredType: 'INTEGER', isNullable: false, defaultSql: null, primaryKeyPlace: 1 },
      { name: 'name', declaredType: 'VARCHAR(20)', isNullable: false, defaultSql: "'x'", primaryKeyPlace: 0 },
    ]);
    expect(t.indexes).toContainEqual({ name: 'by_both', isUnique: false, columns: ['name', 'id'] });
    expect(t.createSql).toContain('CREATE TABLE t');
    await fixture.driver.closeSessions(tenant.tenantId);
    expect(await fixture.driver.describe(tenant)).toEqual(tables);
  });
});
