// CATALOG BACKUP from its text: who may record what, and what the client is told.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { MYSQL_ID } from '../catalog/catalog.fixture.ts';
import type { StatementResult } from '../model/result.ts';
import type { RebuildRequest } from '../rebuild/rebuild-service.ts';
import { parseStatement } from './grammar/parse.ts';
import { runStatement } from './run-statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';
import type { Session } from './session.ts';

let fixture: SqlFixture;
let asked: RebuildRequest[];
beforeEach(() => {
  fixture = openSqlFixture();
  asked = [];
});
afterEach(() => fixture[Symbol.dispose]());

/** What the room below answers is its own tests' matter: here it is what the statement asks for and tells. */
function run(session: Session, sql: string): Promise<StatementResult> {
  const counts = { found: 2, recorded: 1 };
  const warnings = [{ errno: 9010, message: 'x is damaged' }];
  const rebuild = {
    rebuild: async (request: RebuildRequest) => {
      asked.push(request);
      return { tenantId: MYSQL_ID, sets: counts, rounds: counts, pieces: counts, warnings };
    },
  };
  const { signal } = new AbortController();
  const statement = parseStatement(sql, session.mode);
  const deps = { ...fixture.deps, rebuild };
  return Promise.resolve(runStatement(deps, session, statement, { sql, parameters: [], signal }));
}

test('sys means the tenant whose backups they are, or names one that is to have the rows', async () => {
  const session = fixture.session(SYS_TENANT_ID);
  const result = await run(session, "ALTER SYSTEM CATALOG BACKUP FROM 'file:///a,file:///b'");
  expect(asked).toMatchObject([{ uris: ['file:///a', 'file:///b'], receiver: { kind: 'source' } }]);
  expect(result).toMatchObject({
    kind: 'ok',
    affectedRows: 3n,
    warnings: 1,
    info: 'Backup sets: 2 found, 1 recorded  Rounds: 2 found, 1 recorded  Pieces: 2 found, 1 recorded',
  });
  expect(session.warnings).toEqual([{ level: 'Warning', errno: 9010, message: 'x is damaged' }]);
  const name = fixture.session(MYSQL_ID).tenantName;
  await run(session, `ALTER SYSTEM CATALOG BACKUP FROM 'file:///a' TENANT = ${name}`);
  expect(asked[1]).toMatchObject({ receiver: { kind: 'named', tenantId: MYSQL_ID } });
});

test('a tenant records for himself alone and names nobody', async () => {
  const session = fixture.session(MYSQL_ID);
  await run(session, "ALTER SYSTEM CATALOG BACKUP FROM 'file:///a'");
  expect(asked).toMatchObject([{ receiver: { kind: 'own', tenantId: MYSQL_ID } }]);
  const named = run(session, "ALTER SYSTEM CATALOG BACKUP FROM 'file:///a' TENANT = x");
  await expect(named).rejects.toMatchObject({ errorName: 'NO_PRIVILEGE' });
});
