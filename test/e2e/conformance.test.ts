// Goal: each statement of the manual's matrix is accepted or refused exactly as the table says, for root@sys, root@tenant
// and SYS@tenant. Method: the table's rows in order, on one real server, over mysql2.
import { mkdirSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toClientError } from '../../src/base/errors.ts';
import { type Answer, CONFORMANCE, type ConformanceRow } from './conformance.ts';
import { type ClientError, HoldfastFixture, waitFor } from './holdfast-fixture.ts';

const SESSIONS = {
  sys: { user: 'root@sys', tenant: 's', mode: 'mysql' },
  mysql: { user: 'root@m', tenant: 'm', mode: 'mysql' },
  oracle: { user: 'SYS@o', tenant: 'o', mode: 'oracle' },
} as const;
type Kind = keyof typeof SESSIONS;
const KINDS = Object.keys(SESSIONS) as Kind[];

let fixture: HoldfastFixture;
const connections = {} as Record<Kind, Connection>;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  connections.sys = await fixture.login('root@sys');
  for (const name of ['s', 'm']) await connections.sys.query(`CREATE TENANT ${name}`);
  await connections.sys.query("CREATE TENANT o SET ob_compatibility_mode = 'oracle'");
  for (const kind of KINDS) {
    mkdirSync(fixture.path('backup', SESSIONS[kind].tenant), { recursive: true });
    connections[kind] = await fixture.login(SESSIONS[kind].user);
  }
}, 60_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** What the client is told, as one text. */
async function told(kind: Kind, sql: string): Promise<string> {
  const { tenant } = SESSIONS[kind];
  const text = sql
    .replaceAll('{archive}', fixture.uri('backup', tenant, 'archive'))
    .replaceAll('{data}', fixture.uri('backup', tenant, 'data'));
  return connections[kind].query(text).then(
    () => 'ok',
    ({ errno, sqlState, sqlMessage }: ClientError) => `${errno} (${sqlState}) ${sqlMessage}`,
  );
}

function expected(answer: Answer, kind: Kind): unknown {
  if (answer === 'ok') return 'ok';
  const { tenant, mode } = SESSIONS[kind];
  const { errno, sqlState, message } = toClientError(answer, mode);
  return `${errno} (${sqlState}) ${message.replaceAll('{t}', tenant)}`;
}

const REACHED: Record<NonNullable<ConformanceRow['until']>, [sql: string, isReached: (count: number) => boolean]> = {
  archiving: ["SELECT 1 FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'DOING'", (count) => count === 3],
  stopped: ["SELECT 1 FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'STOP'", (count) => count === 3],
  noBackup: ['SELECT 1 FROM oceanbase.CDB_OB_BACKUP_JOBS', (count) => count === 0],
  noDelete: ['SELECT 1 FROM oceanbase.CDB_OB_BACKUP_DELETE_JOBS', (count) => count === 0],
  noValidate: ['SELECT 1 FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOBS', (count) => count === 0],
};

describe.each(Object.entries(CONFORMANCE))('%s', (_, rows) => {
  test.each(rows)('$sql', async (row) => {
    const answers = { sys: row.sys, mysql: row.tenant, oracle: row.tenant };
    const given = {} as Record<Kind, string>;
    for (const kind of KINDS) given[kind] = await told(kind, row.sql);
    const wanted = Object.fromEntries(KINDS.map((kind) => [kind, expected(answers[kind], kind)]));
    expect(given).toEqual(wanted);
    if (!row.until) return;
    const [sql, isReached] = REACHED[row.until];
    await waitFor(connections.sys, sql, (found) => isReached(found.length));
  });
});
