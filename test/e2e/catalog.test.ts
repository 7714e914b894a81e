// Goal: who lost the server sees on a new one what there is to restore, restores it, and can look at it without any server.
// Method: real server and writer; kill -9, the data directory is removed, a new cluster is started on the same machine.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveTenant, backUp, CLI, HoldfastFixture, query, type Row, restore, waitFor } from './holdfast-fixture.ts';

const VIEWS = ['CDB_OB_BACKUP_SET_FILES', 'CDB_OB_ARCHIVELOG_SUMMARY', 'CDB_OB_ARCHIVELOG_PIECE_FILES'];

let fixture: HoldfastFixture;
let sys: Connection;
let before: Row[][];
let committed: number;

const rows = (sql: string) => query(sys, sql);
const readViews = async () => {
  const found: Row[][] = [];
  for (const view of [...VIEWS, 'CDB_HF_RESTORE_WINDOW']) found.push(await rows(`SELECT * FROM oceanbase.${view}`));
  return found;
};

function inspect(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'inspect', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  mkdirSync(fixture.path('backup', 'lost'), { recursive: true });
  const writer = await fixture.startWriter(fixture.path('lost.db'), { rate: 100 });
  await sys.query(`CREATE TENANT lost LOCATION = '${fixture.path('lost.db')}'`);
  await archiveTenant(sys, fixture, 'lost');
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = lost');
  await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = lost');
  await writer.stop();
  committed = writer.committed;
  await sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = lost');
  await waitFor(sys, 'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'STOP');
  before = await readViews();
  await fixture.kill();
  rmSync(fixture.dataDir, { recursive: true });
  await fixture.startServer();
  sys = await fixture.login('root@sys');
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('after the loss of a server', () => {
  const uris = () => `'${fixture.uri('backup', 'lost', 'data')},${fixture.uri('backup', 'lost', 'archive')}'`;

  test('CATALOG BACKUP brings every column of every row back, once', async () => {
    expect(await rows('SELECT * FROM oceanbase.CDB_OB_BACKUP_SET_FILES')).toEqual([]);
    const [answer] = await sys.query(`ALTER SYSTEM CATALOG BACKUP FROM ${uris()}`);
    expect(answer).toMatchObject({ affectedRows: 4, warningStatus: 0 });
    expect(await readViews()).toEqual(before);
    const [again] = await sys.query(`ALTER SYSTEM CATALOG BACKUP FROM ${uris()}`);
    expect(again).toMatchObject({ affectedRows: 0 });
    expect(await readViews()).toEqual(before);
  });

  test('what it shows can be restored, under an id of its own', async () => {
    const job = await restore(sys, 'back', `FROM ${uris()} WITH ''`);
    expect([job.STATUS, job.COMMENT]).toEqual(['SUCCESS', job.COMMENT]);
    const back = await fixture.login('root@back');
    const [row] = (await query(back, 'SELECT COUNT(*) AS total, MAX(n) AS top FROM marker')) as [Row];
    expect(Number(row.total)).toBe(Number(row.top));
    expect(Number(row.top)).toBeGreaterThanOrEqual(committed);
    const [tenant] = await rows("SELECT TENANT_ID FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'back'");
    expect(Number(tenant!.TENANT_ID)).toBeGreaterThan(Number(before[0]![0]!.TENANT_ID));
  });

  test('inspect shows both destinations without a server, and tells damage by its exit code', () => {
    const data = inspect(fixture.uri('backup', 'lost', 'data'));
    expect(data, data.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining('no damage found') });
    const archive = inspect(fixture.uri('backup', 'lost', 'archive'), '--json', '--tables');
    expect(archive.status, archive.stderr).toBe(0);
    const { items } = JSON.parse(archive.stdout) as { items: Array<{ kind: string }> };
    expect(items.filter(({ kind }) => kind === 'commit').length).toBeGreaterThan(10);
    const index = fixture.path('backup', 'lost', 'data', 'backup_set_1_full', 'index.obbak');
    const bytes = readFileSync(index);
    bytes[100]! ^= 1;
    writeFileSync(index, bytes);
    const damaged = inspect(fixture.uri('backup', 'lost', 'data'));
    expect(damaged.status).toBe(1);
    expect(damaged.stdout).toContain('DAMAGED backup_set_1_full/index.obbak');
    expect(inspect(fixture.uri('nowhere'))).toMatchObject({ status: 2, stdout: '' });
    expect(inspect('--help').stdout).toContain('holdfast inspect URI');
  });
});
