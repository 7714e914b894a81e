// Announced column types and how values are made to fit them: as a table, and end to end.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ColumnType, SqlValue } from '../../model/result.ts';
import type { EngineSession } from '../engine-driver.ts';
import { announceType, fitValue, typeOfDeclaration, typeOfValues } from './sql-types.ts';
import { query, rowsOf, run, type SqliteFixture, sqliteFixture } from './sqlite.fixture.ts';

describe('declarations', () => {
  it.each<[string | null, ColumnType | undefined]>([
    ['INTEGER', { base: 'bigint' }],
    ['int', { base: 'bigint' }],
    ['BIGINT UNSIGNED', { base: 'bigint' }],
    ['UNSIGNED BIG INT', { base: 'bigint' }],
    ['SMALLINT', { base: 'int' }],
    ['MEDIUMINT(8)', { base: 'int' }],
    ['TINYINT(1)', { base: 'tinyint' }],
    ['BOOLEAN', { base: 'tinyint' }],
    ['REAL', { base: 'double' }],
    ['DOUBLE PRECISION', { base: 'double' }],
    ['DECIMAL(10, 2)', { base: 'decimal', length: 10, scale: 2 }],
    ['NUMERIC(5)', { base: 'decimal', length: 5, scale: 0 }],
    ['NUMERIC', undefined],
    ['VARCHAR(20)', { base: 'varchar', length: 20 }],
    ['CHARACTER VARYING (7)', { base: 'varchar', length: 7 }],
    ['VARCHAR(100000)', { base: 'longtext' }],
    ['NVARCHAR(9)', { base: 'varchar', length: 9 }],
    ['TEXT', { base: 'longtext' }],
    ['CLOB', { base: 'longtext' }],
    ['BLOB', { base: 'longblob' }],
    ['DATE', { base: 'date' }],
    ['TIME', { base: 'time', scale: 0 }],
    ['DATETIME(3)', { base: 'datetime', scale: 3 }],
    ['TIMESTAMP', { base: 'timestamp', scale: 0 }],
    ['POINT', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j promises %j', (declared, type) => {
    expect(typeOfDeclaration(declared)).toEqual(type);
  });
});

describe('announced types', () => {
  it.each<[string | null, SqlValue[], ColumnType]>([
    ['INTEGER', [1n, null], { base: 'bigint' }],
    ['INTEGER', [1n, 'x'], { base: 'longtext' }],
    ['INTEGER', [1n, 1.5], { base: 'double' }],
    ['SMALLINT', [1n << 40n], { base: 'bigint' }],
    ['TINYINT', [200n], { base: 'bigint' }],
    ['DOUBLE', [1n, 1.5], { base: 'double' }],
    ['DECIMAL(10,2)', [1.5, 2n], { base: 'decimal', length: 10, scale: 2 }],
    ['DECIMAL(10,2)', [1.005], { base: 'double' }],
    ['DECIMAL(10,2)', [1e21], { base: 'double' }],
    ['VARCHAR(3)', ['abc', 'abcd'], { base: 'longtext' }],
    ['TEXT', [new Uint8Array(1)], { base: 'longblob' }],
    ['BLOB', ['text'], { base: 'longtext' }],
    ['DATE', ['2026-11-22'], { base: 'date' }],
    ['DATE', ['22.11.2026'], { base: 'varchar', length: 64 }],
    ['DATETIME', ['2026-11-22 09:15:00'], { base: 'datetime', scale: 0 }],
    ['DATETIME', ['2026-11-22 09:15:00.123'], { base: 'datetime', scale: 3 }],
    ['DATETIME', ['2026-11-22T09:15:00Z'], { base: 'varchar', length: 64 }],
    ['DATETIME', [1_700_000_000n], { base: 'bigint' }],
    ['TIME', ['-120:00:00'], { base: 'time', scale: 0 }],
    [null, [1n], { base: 'bigint' }],
    [null, [1n, 0.5], { base: 'double' }],
    [null, [2n ** 60n, 0.5], { base: 'longtext' }],
    [null, ['a', new Uint8Array(1)], { base: 'longblob' }],
    [null, [null], { base: 'null' }],
  ])('takes declaration and values together, case %#', (declared, values, type) => {
    expect(announceType(declared, values, true)).toEqual(type);
  });

  it('announces text for nulls that more rows may follow, and for no rows', () => {
    expect(typeOfValues([null], false)).toEqual({ base: 'longtext' });
    expect(typeOfValues([], true)).toEqual({ base: 'longtext' });
  });

  it('makes later values fit, or says that they do not', () => {
    expect(fitValue({ base: 'double' }, 3n)).toBe(3);
    expect(fitValue({ base: 'double' }, 2n ** 60n)).toBeUndefined();
    expect(fitValue({ base: 'bigint' }, 'x')).toBeUndefined();
    expect(fitValue({ base: 'bigint' }, 1.5)).toBeUndefined();
    expect(fitValue({ base: 'decimal', scale: 2 }, 1.5)).toBe('1.50');
    expect(fitValue({ base: 'decimal', scale: 2 }, -3n)).toBe('-3.00');
    expect(fitValue({ base: 'decimal', scale: 2 }, 1.005)).toBe('1.005');
    expect(fitValue({ base: 'longtext' }, 7n)).toBe('7');
    expect(fitValue({ base: 'longtext' }, 7)).toBe('7.0');
    expect(fitValue({ base: 'longtext' }, 1e300)).toBe('1e+300');
    expect(fitValue({ base: 'datetime', scale: 0 }, 'soon')).toBeUndefined();
    expect(fitValue({ base: 'datetime', scale: 0 }, null)).toBeNull();
  });
});

describe('results of a real engine', () => {
  let fixture: SqliteFixture;
  let session: EngineSession;
  beforeAll(async () => {
    fixture = sqliteFixture();
    const tenant = fixture.tenant();
    await fixture.driver.create(tenant);
    session = await fixture.driver.openSession(tenant);
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  it('announces columns by declaration and expressions by value', async () => {
    await run(
      session,
      'CREATE TABLE t (i INTEGER, s SMALLINT, b BOOLEAN, d DECIMAL(8,2), v VARCHAR(5), w TEXT, x BLOB, at DATETIME)',
    );
    await run(session, "INSERT INTO t VALUES (1, 2, TRUE, 2.5, 'abc', 'long', x'00ff', '2026-11-22 10:00:00')");
    const { columns, rows } = await query(
      session,
      "SELECT t.*, i + 1 AS e, i / 2.0, 'q', NULL, count(*) OVER () FROM t",
    );
    expect(columns.map((column) => column.type.base)).toEqual(
      'bigint,int,tinyint,decimal,varchar,longtext,longblob,datetime,bigint,double,longtext,null,bigint'.split(','),
    );
    expect(columns[0]).toMatchObject({ name: 'i', table: 't', orgName: 'i' });
    expect(columns[8]).toEqual({ name: 'e', type: { base: 'bigint' } });
    expect(rows[0]!.slice(0, 6)).toEqual([1n, 2n, 1n, '2.50', 'abc', 'long']);
  });

  it('fails clearly when a later row does not fit, and arrives with the cast it names', async () => {
    await run(session, 'CREATE TABLE mixed (n INTEGER)');
    await run(
      session,
      'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3000) INSERT INTO mixed SELECT n FROM c',
    );
    await run(session, "INSERT INTO mixed VALUES ('odd one out')");
    await expect(rowsOf(session, 'SELECT n FROM mixed')).rejects.toThrow(/column 'n' does not fit.*CAST\(n AS TEXT\)/);
    const rows = await rowsOf(session, 'SELECT CAST(n AS TEXT) FROM mixed');
    expect(rows).toHaveLength(3001);
    expect(rows.at(-1)).toEqual(['odd one out']);
  });
});
