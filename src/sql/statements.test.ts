// Statements that need no engine, run from their text.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { MYSQL_ID } from '../catalog/catalog.fixture.ts';
import type { StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseStatement } from './grammar/parse.ts';
import { runStatement } from './run-statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';
import type { Session } from './session.ts';

let fixture: SqlFixture;
beforeEach(() => {
  fixture = openSqlFixture();
});
afterEach(() => fixture[Symbol.dispose]());

const run = async (session: Session, sql: string, more: Partial<SqlDependencies> = {}): Promise<StatementResult> => {
  const { signal } = new AbortController();
  const deps = { ...fixture.deps, ...more };
  return runStatement(deps, session, parseStatement(sql, session.mode), { sql, parameters: [], signal });
};

describe('USE', () => {
  test('finds a tenant’s data by the name of the tenant', async () => {
    const session = fixture.session(MYSQL_ID, { database: null });
    await run(session, `USE ${session.tenantName}`);
    expect(session.database).toBe('main');
  });

  test('sys has no data and so no database of its own name', async () => {
    const session = fixture.session(SYS_TENANT_ID);
    await expect(run(session, 'USE sys')).rejects.toMatchObject({ errorName: 'UNKNOWN_DATABASE' });
    expect(session.database).toBe('oceanbase');
  });
});

describe('SET', () => {
  test('counts its warnings in its answer', async () => {
    const session = fixture.session(MYSQL_ID);
    expect(await run(session, 'SET wait_timeout = 99999999999')).toMatchObject({ kind: 'ok', warnings: 1 });
    expect(session.warnings).toMatchObject([{ errno: 1292 }]);
  });

  test('keeps a session’s user variables within a bound, whatever their size or number', async () => {
    const session = fixture.session(MYSQL_ID);
    const large = 'x'.repeat(9_000_000);
    await run(session, `SET @a = '${large}'`);
    await run(session, `SET @a = '${large}'`);
    await expect(run(session, `SET @b = '${large}'`)).rejects.toMatchObject({ errorName: 'INVALID_ARGUMENT' });
    await run(session, 'SET @a = NULL');
    await run(session, `SET @b = '${large}'`);
    session.userVariables.clear();
    for (let i = 0; i < 16_384; i++) session.userVariables.set(`v${i}`, null);
    await expect(run(session, 'SET @one_more = 1')).rejects.toMatchObject({ errorName: 'INVALID_ARGUMENT' });
    expect(session.userVariables.has('one_more')).toBe(false);
  });

  test('refuses a long text without repeating it', async () => {
    const session = fixture.session(MYSQL_ID);
    for (const name of ['block_encryption_mode', 'sql_mode', 'time_zone']) {
      const error: Error = await run(session, `SET ${name} = '${'x'.repeat(1_000_000)}'`).then(
        () => expect.fail(name),
        (thrown: Error) => thrown,
      );
      expect(error.message.length, name).toBeLessThan(300);
    }
  });

  test('of the time zone of a tenant that was dropped meanwhile says that it is gone', async () => {
    const session = fixture.session(MYSQL_ID);
    fixture.catalog.store.forgetTenant(MYSQL_ID);
    await expect(run(session, "SET GLOBAL time_zone = '+03:00'")).rejects.toMatchObject({
      errorName: 'TENANT_NOT_EXIST',
    });
  });
});

describe('ARCHIVELOG of every tenant', () => {
  const refusing = (refuse: (tenantId: number) => Error | undefined) => ({
    archive: {
      enable(tenantId: number) {
        const error = refuse(tenantId);
        if (error) throw error;
      },
    } as unknown as SqlDependencies['archive'],
  });

  test('says "already" only when that is why nothing was done', async () => {
    const session = fixture.session(SYS_TENANT_ID);
    const already = refusing(() => fail('ALREADY_IN_ARCHIVE_MODE', {}));
    await expect(run(session, 'ALTER SYSTEM ARCHIVELOG', already)).rejects.toMatchObject({
      errorName: 'ALREADY_IN_ARCHIVE_MODE',
    });
    session.warnings = [];
    const notNormal = (tenantId: number) => fail('TENANT_NOT_NORMAL', { tenant: String(tenantId), status: 'RESTORE' });
    const mixed = refusing((id) => (id === MYSQL_ID ? fail('ALREADY_IN_ARCHIVE_MODE', {}) : notNormal(id)));
    await expect(run(session, 'ALTER SYSTEM ARCHIVELOG', mixed)).rejects.toMatchObject({
      errorName: 'TENANT_NOT_NORMAL',
    });
  });

  test('warns of the tenants that it could not switch', async () => {
    const session = fixture.session(SYS_TENANT_ID);
    const one = refusing((id) => (id === MYSQL_ID ? fail('ALREADY_IN_ARCHIVE_MODE', {}) : undefined));
    expect(await run(session, 'ALTER SYSTEM ARCHIVELOG', one)).toMatchObject({ kind: 'ok', warnings: 1 });
    expect(session.warnings).toMatchObject([{ level: 'Warning', errno: 9091 }]);
  });
});
