// The runbook of the manual, end to end: archive, full backup with a password, progress, history, a mistake, restore.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatBar } from '../client/work-progress.ts';
import { chapter, Narrator, say } from './narrator.ts';

export interface MainJob {
  host: string;
  port: number;
  /** The sample application's database. */
  database: string;
  /** Directory for destinations. */
  backupDir: string;
}

const PASSWORD = 'correct horse';
/** Time that passes around the mistake, so that `the second before` is clearly before it. */
const PAUSE_MS = 2_500;
const ORDERS = 5_000;

interface Cast {
  job: MainJob;
  sys: Narrator;
  /** `file://` uri of a tenant's destination. */
  uri(tenant: 'm' | 'o', kind: 'data' | 'archive'): string;
}

async function createTenants({ job, sys }: Cast): Promise<void> {
  chapter('Two tenants: one adopts the application’s file while it is being written, one is new (oracle mode)');
  await sys.run("CREATE RESOURCE UNIT small MAX_CPU 2, MEMORY_SIZE '1G'");
  await sys.run("CREATE RESOURCE POOL pool_m UNIT = 'small', UNIT_NUM = 1, ZONE_LIST = ('zone1')");
  await sys.run("CREATE RESOURCE POOL pool_o UNIT = 'small', UNIT_NUM = 1, ZONE_LIST = ('zone1')");
  await sys.run(`CREATE TENANT mysql_tenant RESOURCE_POOL_LIST = ('pool_m') LOCATION = '${job.database}'`);
  await sys.run("CREATE TENANT oracle_tenant RESOURCE_POOL_LIST = ('pool_o') SET ob_compatibility_mode = 'oracle'");
  await sys.run(
    'SELECT TENANT_ID, TENANT_NAME, COMPATIBILITY_MODE, STATUS, TENANT_ROLE, LOG_MODE FROM oceanbase.DBA_OB_TENANTS',
  );
  const oracle = await Narrator.login(job, 'SYS@oracle_tenant');
  await oracle.run('CREATE TABLE orders (id INTEGER PRIMARY KEY, product VARCHAR(40), amount DECIMAL(10,2))');
  await oracle.run(
    `INSERT INTO orders (product, amount) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ORDERS}) SELECT 'product ' || (i % 97), (i * 37 % 10000) / 100.0 FROM n`,
  );
  await oracle.run('SELECT COUNT(*), SUM(amount) FROM orders');
  await oracle.close();
}

async function startArchive({ sys, uri }: Cast): Promise<void> {
  chapter('Log archive: destinations, ARCHIVELOG, wait for DOING');
  for (const [tenant, dir] of [
    ['mysql_tenant', 'm'],
    ['oracle_tenant', 'o'],
  ] as const) {
    await sys.run(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${uri(dir, 'archive')}' TENANT = ${tenant}`);
    await sys.run(`ALTER SYSTEM SET DATA_BACKUP_DEST='${uri(dir, 'data')}' TENANT = ${tenant}`);
  }
  await sys.run('ALTER SYSTEM ARCHIVELOG');
  await sys.waitFor(
    'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG',
    (rows) => rows.length === 2 && rows.every(({ STATUS }) => STATUS === 'DOING'),
  );
  await sys.run(
    'SELECT TENANT_ID, ROUND_ID, STATUS, START_SCN_DISPLAY, CHECKPOINT_SCN_DISPLAY, USED_PIECE_ID, PATH FROM oceanbase.CDB_OB_ARCHIVELOG',
  );
}

async function backUp({ sys }: Cast): Promise<void> {
  chapter('Full backup of every tenant, encrypted with a password of this session');
  await sys.run(`SET ENCRYPTION ON IDENTIFIED BY '${PASSWORD}' ONLY`, {
    shown: "SET ENCRYPTION ON IDENTIFIED BY '******' ONLY",
  });
  await sys.run('ALTER SYSTEM BACKUP DATABASE');
  await sys.run(
    'SELECT TENANT_ID, JOB_ID, BACKUP_SET_ID, BACKUP_TYPE, JOB_LEVEL, STATUS FROM oceanbase.CDB_OB_BACKUP_JOBS',
  );
  say('');
  await sys.waitFor(
    `SELECT j.TENANT_ID, t.STATUS, t.DATA_PROGRESS, t.FINISH_MACRO_BLOCK_COUNT, t.MACRO_BLOCK_COUNT
     FROM oceanbase.CDB_OB_BACKUP_JOBS j LEFT JOIN oceanbase.CDB_OB_BACKUP_TASKS t ON t.TENANT_ID = j.TENANT_ID AND t.JOB_ID = j.JOB_ID`,
    (rows) => rows.length === 0,
    (rows) => {
      for (const row of rows.filter(({ STATUS }) => STATUS !== null)) {
        const detail = `${row.STATUS} ${row.FINISH_MACRO_BLOCK_COUNT}/${row.MACRO_BLOCK_COUNT} blocks`;
        say(formatBar({ label: `tenant ${row.TENANT_ID}`, percent: Number(row.DATA_PROGRESS), detail }));
      }
    },
  );
  await sys.run(
    'SELECT TENANT_ID, JOB_ID, BACKUP_SET_ID, BACKUP_TYPE, JOB_LEVEL, ENCRYPTION_MODE, STATUS, RESULT, COMMENT FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY',
  );
  await sys.run(
    'SELECT TENANT_ID, BACKUP_SET_ID, STATUS, FILE_STATUS, MIN_RESTORE_SCN_DISPLAY, INPUT_BYTES, OUTPUT_BYTES, ENCRYPTION_MODE FROM oceanbase.CDB_OB_BACKUP_SET_FILES',
  );
}

/** @returns the time to go back to, and how many rows were lost */
async function makeMistake({ job }: Cast): Promise<{ untilTime: string; rowsLost: string }> {
  chapter('A mistake: orders are deleted');
  await sleep(PAUSE_MS);
  const tenant = await Narrator.login(job, 'root@mysql_tenant');
  const rowsLost = await tenant.value("SELECT COUNT(*) FROM orders WHERE customer = 'Ada' AND id <= 2000");
  await tenant.run("SELECT COUNT(*) FROM orders WHERE customer = 'Ada' AND id <= 2000");
  const untilTime = await tenant.value('SELECT NOW(6)');
  await sleep(PAUSE_MS);
  await tenant.run("DELETE FROM orders WHERE customer = 'Ada' AND id <= 2000");
  await tenant.run("SELECT COUNT(*) FROM orders WHERE customer = 'Ada' AND id <= 2000");
  await sleep(PAUSE_MS);
  await tenant.close();
  return { untilTime, rowsLost };
}

async function restore({ job, sys, uri }: Cast, untilTime: string, rowsLost: string): Promise<void> {
  chapter('Restore to just before the mistake, into a new tenant');
  await sys.run(
    'SELECT TENANT_NAME, FROM_SCN_DISPLAY, TO_SCN_DISPLAY, ROUND_ID, BACKUP_SET_LIST FROM oceanbase.CDB_HF_RESTORE_WINDOW',
  );
  const from = `FROM '${uri('m', 'data')},${uri('m', 'archive')}' UNTIL TIME = '${untilTime}'`;
  await sys.run("SET DECRYPTION IDENTIFIED BY 'wrong'");
  await sys.refuse(`ALTER SYSTEM RESTORE restored ${from} WITH ''`, 9047);
  await sys.run(`SET DECRYPTION IDENTIFIED BY '${PASSWORD}'`, { shown: "SET DECRYPTION IDENTIFIED BY '******'" });
  await sys.run(`ALTER SYSTEM RESTORE ${from} PREVIEW`);
  await sys.run(`ALTER SYSTEM RESTORE restored ${from} WITH ''`);
  say('');
  await sys.waitFor(
    'SELECT STATUS, TOTAL_BYTES, FINISH_BYTES, FINISH_BYTES_DISPLAY FROM oceanbase.CDB_OB_RESTORE_PROGRESS WHERE TENANT_ID <> 1',
    (rows) => rows.length === 0,
    (rows) => {
      for (const row of rows) {
        const percent = (Number(row.FINISH_BYTES) / Math.max(1, Number(row.TOTAL_BYTES))) * 100;
        say(formatBar({ label: 'restored', percent, detail: `${row.STATUS} ${row.FINISH_BYTES_DISPLAY ?? ''}` }));
      }
    },
  );
  await sys.run('SELECT * FROM oceanbase.CDB_OB_RESTORE_HISTORY WHERE TENANT_ID = 1', { isVertical: true });
  await sys.run('ALTER SYSTEM ACTIVATE STANDBY TENANT = restored');
  const restored = await Narrator.login(job, 'root@restored');
  await restored.run("SELECT COUNT(*) FROM orders WHERE customer = 'Ada' AND id <= 2000");
  const rowsBack = await restored.value("SELECT COUNT(*) FROM orders WHERE customer = 'Ada' AND id <= 2000");
  await restored.close();
  if (rowsBack !== rowsLost) throw new Error(`${rowsLost} rows were lost, ${rowsBack} came back`);
  say(`\nAll ${rowsBack} deleted rows are back.`);
}

async function tenantsOwnView({ job }: Cast): Promise<void> {
  chapter('A tenant’s administrator does the same for himself');
  const oracle = await Narrator.login(job, 'SYS@oracle_tenant');
  await oracle.run('ALTER SYSTEM BACKUP DATABASE');
  await oracle.waitFor('SELECT JOB_ID FROM SYS.DBA_OB_BACKUP_JOBS', (rows) => rows.length === 0);
  await oracle.run(
    'SELECT JOB_ID, BACKUP_SET_ID, JOB_LEVEL, ENCRYPTION_MODE, STATUS FROM SYS.DBA_OB_BACKUP_JOB_HISTORY',
  );
  await oracle.close();
}

/** Runs everything; each statement is printed with its answer. @throws Error when the data is not what it must be */
export async function runMainJob(job: MainJob): Promise<void> {
  const uri = (tenant: 'm' | 'o', kind: 'data' | 'archive') => `file://${join(job.backupDir, tenant, kind)}`;
  for (const tenant of ['m', 'o']) mkdirSync(join(job.backupDir, tenant), { recursive: true });
  const cast: Cast = { job, sys: await Narrator.login(job, 'root@sys'), uri };
  await createTenants(cast);
  await startArchive(cast);
  await backUp(cast);
  const { untilTime, rowsLost } = await makeMistake(cast);
  await restore(cast, untilTime, rowsLost);
  await tenantsOwnView(cast);
  await cast.sys.close();
}
