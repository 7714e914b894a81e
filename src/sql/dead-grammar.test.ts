// What OceanBase 2.x and 3.x had and 4.x still parses is refused in words (4007), to everybody, and is never a syntax error.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HoldfastError, toClientError } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { MYSQL_ID, ORACLE_ID } from '../catalog/catalog.fixture.ts';
import { RETIRED_PARAMETERS } from '../model/parameter.ts';
import { parseStatement } from './grammar/parse.ts';
import { runStatement } from './run-statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';

/** The words after ALTER SYSTEM, and what the error calls them. */
const DEAD: readonly [string, string][] = [
  ['SUSPEND BACKUP', 'SUSPEND BACKUP'],
  ['RESUME BACKUP', 'RESUME BACKUP'],
  ['CANCEL ALL BACKUP FORCE', 'CANCEL ALL BACKUP FORCE'],
  ['CANCEL BACKUP BACKUPSET 1', 'CANCEL BACKUP BACKUPSET'],
  ['CANCEL BACKUP BACKUPPIECE 1', 'CANCEL BACKUP BACKUPPIECE'],
  ['CANCEL VALIDATE 3', 'CANCEL VALIDATE'],
  ['START BACKUP ARCHIVELOG', 'START BACKUP ARCHIVELOG'],
  ['STOP BACKUP ARCHIVELOG', 'STOP BACKUP ARCHIVELOG'],
  ["BACKUP BACKUPSET ALL BACKUP_BACKUP_DEST = 'file:///x'", 'BACKUP BACKUPSET'],
  ['BACKUP BACKUPSET 1 TENANT_ID = 1001', 'BACKUP BACKUPSET'],
  ['BACKUP BACKUPSET ALL NOT BACKED UP 1 TIMES', 'BACKUP BACKUPSET'],
  ['BACKUP BACKUPPIECE ALL', 'BACKUP BACKUPPIECE'],
  ['BACKUP BACKUPPIECE 1 WITH ACTIVE', 'BACKUP BACKUPPIECE'],
  ['DELETE BACKUPPIECE 1', 'DELETE BACKUPPIECE'],
  ['DELETE BACKUPPIECE 1 COPY 1', 'DELETE BACKUPPIECE'],
  ['DELETE BACKUPROUND 1', 'DELETE BACKUPROUND'],
  ['DELETE BACKUPROUND 1 COPY 2', 'DELETE BACKUPROUND'],
  ['VALIDATE DATABASE', 'VALIDATE DATABASE'],
  ['VALIDATE DATABASE COPY 1', 'VALIDATE DATABASE'],
  ['VALIDATE BACKUPSET 1 COPY 1', 'VALIDATE BACKUPSET … COPY'],
  ...[4, 5, 6, 7, 8].map((destNo): [string, string] => [
    `SET LOG_ARCHIVE_DEST_${destNo} = 'LOCATION=file:///x'`,
    `LOG_ARCHIVE_DEST_${destNo}`,
  ]),
  ["SET LOG_ARCHIVE_DEST_STATE_4 = 'ENABLE'", 'LOG_ARCHIVE_DEST_STATE_4'],
];

const SESSIONS = [
  ['sys', SYS_TENANT_ID],
  ['a mysql tenant', MYSQL_ID],
  ['an oracle tenant', ORACLE_ID],
] as const;

let fixture: SqlFixture;
beforeAll(() => {
  fixture = openSqlFixture();
});
afterAll(() => fixture[Symbol.dispose]());

async function refusal(tenantId: number, sql: string): Promise<HoldfastError> {
  const session = fixture.session(tenantId);
  const request = { sql, parameters: [], signal: new AbortController().signal };
  const run = async () => runStatement(fixture.deps, session, parseStatement(sql, session.mode), request);
  return run().then(
    () => Promise.reject(new Error(`${sql} went through`)),
    (error: HoldfastError) => error,
  );
}

describe.each(SESSIONS)('in %s', (_, tenantId) => {
  test.each(DEAD)('ALTER SYSTEM %s is refused as %s', async (text, words) => {
    const error = await refusal(tenantId, `ALTER SYSTEM ${text}`);
    expect([error.errorName, error.message]).toEqual(['NOT_SUPPORTED', `${words} is not supported`]);
  });

  test.each(Object.entries(RETIRED_PARAMETERS))(
    'the parameter %s is refused, with its successor',
    async (name, now) => {
      const error = await refusal(tenantId, `ALTER SYSTEM SET ${name} = '1'`);
      const message = `${name} of OceanBase 2.x and 3.x (now: ${now}) is not supported`;
      expect([error.errorName, error.message]).toEqual(['NOT_SUPPORTED', message]);
    },
  );
});

test('a client of each mode sees its own number', async () => {
  const error = await refusal(ORACLE_ID, 'ALTER SYSTEM SUSPEND BACKUP');
  expect(toClientError(error, 'mysql')).toMatchObject({ errno: 1235, message: 'SUSPEND BACKUP is not supported' });
  expect(toClientError(error, 'oracle')).toMatchObject({
    errno: 600,
    message: 'ORA-00600: internal error code, arguments: -4007, SUSPEND BACKUP is not supported',
  });
});
