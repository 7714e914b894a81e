// A live progress bar for a backup or restore that this client started, read from the same views any client can read.
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlClient } from './sql-client.ts';

const POLL_MS = 250;
const BAR_CHARS = 30;

export interface WorkProgress {
  /** Shown left of the bar. */
  label: string;
  percent: number;
  detail: string;
}

export interface WorkOutcome {
  label: string;
  status: string;
  comment: string;
  isGood: boolean;
}

/** What a statement has started; undefined for every other statement. */
export function startedWork(text: string): 'backup' | 'restore' | undefined {
  const sql = text.replace(/^(\s|--\s.*(\n|$)|#.*(\n|$)|\/\*[\s\S]*?\*\/)+/, '');
  if (/^\s*ALTER\s+SYSTEM\s+BACKUP\s+(?!KEY)/i.test(sql)) return 'backup';
  if (/^\s*ALTER\s+SYSTEM\s+RESTORE\s/i.test(sql) && !/\bPREVIEW\s*$/i.test(sql)) return 'restore';
  return undefined;
}

export function formatBar({ label, percent, detail }: WorkProgress): string {
  const filled = Math.round((Math.min(100, Math.max(0, percent)) / 100) * BAR_CHARS);
  return `${label} [${'#'.repeat(filled)}${'.'.repeat(BAR_CHARS - filled)}] ${percent.toFixed(1).padStart(5)}%  ${detail}`;
}

type Row = Record<string, string | null>;

/** Where this session's tenant reads its jobs. */
interface Views {
  prefix: string;
  tenantColumn: string;
}

async function viewsOf(client: SqlClient): Promise<Views> {
  try {
    await client.rows('SELECT TENANT_ID FROM oceanbase.CDB_OB_BACKUP_JOBS LIMIT 1');
    return { prefix: 'oceanbase.CDB_OB_', tenantColumn: 'TENANT_ID' };
  } catch {
    return { prefix: 'DBA_OB_', tenantColumn: '0' };
  }
}

function backupProgress(row: Row): WorkProgress {
  const megabytes = Number(row.INPUT_BYTES ?? 0) / 1_048_576;
  const who = row.TENANT === '0' ? 'backup' : `backup of tenant ${row.TENANT}`;
  return {
    label: `${who}, set ${row.BACKUP_SET_ID}`,
    percent: Number(row.DATA_PROGRESS ?? 0),
    detail: `${row.STATUS} ${megabytes.toFixed(1)} MB, ${row.FINISH_MACRO_BLOCK_COUNT}/${row.MACRO_BLOCK_COUNT} blocks`,
  };
}

function restoreProgress(row: Row): WorkProgress {
  const total = Number(row.TOTAL_BYTES ?? 0);
  const finished = Number(row.FINISH_BYTES ?? 0);
  return {
    label: `restore of ${row.RESTORE_TENANT_NAME}`,
    percent: total > 0 ? (finished / total) * 100 : 0,
    detail: `${row.STATUS} ${row.FINISH_BYTES_DISPLAY ?? ''} of ${row.TOTAL_BYTES_DISPLAY ?? ''}`,
  };
}

async function readProgress(client: SqlClient, what: 'backup' | 'restore', views: Views): Promise<WorkProgress[]> {
  if (what === 'restore') {
    const rows = await client.rows('SELECT * FROM oceanbase.CDB_OB_RESTORE_PROGRESS WHERE TENANT_ID <> 1');
    return rows.map(restoreProgress);
  }
  const rows = await client.rows(`SELECT ${views.tenantColumn} AS TENANT, t.* FROM ${views.prefix}BACKUP_TASKS t`);
  return rows.map(backupProgress);
}

async function hasLiveJob(client: SqlClient, what: 'backup' | 'restore', views: Views): Promise<boolean> {
  const view = what === 'restore' ? 'oceanbase.CDB_OB_RESTORE_PROGRESS' : `${views.prefix}BACKUP_JOBS`;
  return (await client.rows(`SELECT JOB_ID FROM ${view} LIMIT 1`)).length > 0;
}

async function readOutcomes(client: SqlClient, what: 'backup' | 'restore', views: Views): Promise<WorkOutcome[]> {
  const sql =
    what === 'restore'
      ? `SELECT RESTORE_TENANT_NAME AS NAME, STATUS, COMMENT FROM oceanbase.CDB_OB_RESTORE_HISTORY
         WHERE TENANT_ID <> 1 ORDER BY JOB_ID DESC LIMIT 1`
      : `SELECT ${views.tenantColumn} AS NAME, STATUS, COMMENT, INITIATOR_JOB_ID FROM ${views.prefix}BACKUP_JOB_HISTORY
         WHERE START_TIMESTAMP >= (SELECT MAX(START_TIMESTAMP) FROM ${views.prefix}BACKUP_JOB_HISTORY WHERE BACKUP_SET_ID = 0 OR ${views.tenantColumn} = 0)
         ORDER BY JOB_ID`;
  const rows = await client.rows(sql);
  return rows.map((row) => ({
    label: what === 'restore' ? `restore of ${row.NAME}` : row.NAME === '0' ? 'backup' : `backup of tenant ${row.NAME}`,
    status: row.STATUS ?? '',
    comment: row.COMMENT ?? '',
    isGood: row.STATUS === 'COMPLETED' || row.STATUS === 'SUCCESS',
  }));
}

/**
 * Follows the running work until none is left.
 * @param show called at every poll with what is running
 */
export async function followWork(
  client: SqlClient,
  what: 'backup' | 'restore',
  show: (progress: WorkProgress[]) => void,
): Promise<WorkOutcome[]> {
  const views = await viewsOf(client);
  while (await hasLiveJob(client, what, views)) {
    show(await readProgress(client, what, views));
    await sleep(POLL_MS);
  }
  return readOutcomes(client, what, views);
}
