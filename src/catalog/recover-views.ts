// Views of table recovery: a recover job is two rows, one of the sys tenant and one of the target; its import job and the
// import tasks are the target's.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { isFinal } from '../model/moves.ts';
import {
  IMPORT_MOVES,
  type ImportJob,
  RECOVER_MOVES,
  type RecoverJob,
  type RecoverStatus,
} from '../model/recover-job.ts';
import { DATA_DATABASE } from '../model/tenant.ts';
import { formatTime } from '../model/time-zone.ts';
import { shownUri } from './figures.ts';
import {
  bigint,
  datetime,
  deriveDba,
  longtext,
  NULLABLE,
  timestamp,
  tinyint,
  ubigint,
  type View,
  type ViewColumns,
  varchar,
  view,
} from './view.ts';
import type { ViewReader } from './view-reader.ts';

/** What CUMULATIVE_TS holds in every sample of the documentation. */
const NO_CUMULATIVE_TS = -1;

const STATUSES = Object.keys(RECOVER_MOVES) as RecoverStatus[];

const quoted = (table: string) => `\`${DATA_DATABASE}\`.\`${table.replaceAll('`', '``')}\``;
const orNull = (text: string) => (text === '' ? null : text);
/** RESULT of what has ended. */
const resultText = (result: number) => (result === 0 ? 'SUCCESS' : 'FAIL');

/** What a statement asked for, as a recover job and its import job show it. */
const ASKED_COLUMNS = {
  IMPORT_ALL: tinyint(4, '1 for *.*.'),
  DB_LIST: longtext('Databases that were asked for.', NULLABLE),
  TABLE_LIST: longtext('Tables that were asked for.', NULLABLE),
} satisfies ViewColumns;
const REMAP_COLUMNS = {
  REMAP_DB_LIST: longtext('Always NULL: a tenant has one database.', NULLABLE),
  REMAP_TABLE_LIST: longtext('Old and new names of tables.', NULLABLE),
  REMAP_TABLEGROUP_LIST: longtext('Always NULL: there are none.', NULLABLE),
  REMAP_TABLESPACE_LIST: longtext('Always NULL: there are none.', NULLABLE),
} satisfies ViewColumns;
const OUTCOME_COLUMNS = {
  RESULT: varchar(64, 'SUCCESS or FAIL; NULL while running.', NULLABLE),
  COMMENT: longtext('Number and text of the error; what was left out.', NULLABLE),
} satisfies ViewColumns;

function askedFigures({ choice }: Pick<RecoverJob, 'choice'>) {
  return {
    IMPORT_ALL: choice.kind === 'all' ? 1 : 0,
    DB_LIST: choice.kind === 'database' ? `\`${DATA_DATABASE}\`` : null,
    TABLE_LIST: choice.kind === 'tables' ? choice.names.map(quoted).join(',') : null,
  };
}

function remapFigures({ renames }: Pick<RecoverJob, 'renames'>) {
  const pairs = Object.entries(renames).map(([from, to]) => `${quoted(from)}:${quoted(to)}`);
  return {
    REMAP_DB_LIST: null,
    REMAP_TABLE_LIST: orNull(pairs.join(',')),
    REMAP_TABLEGROUP_LIST: null,
    REMAP_TABLESPACE_LIST: null,
  };
}

const JOB_COLUMNS = {
  TENANT_ID: bigint('1 on the row of the sys tenant, the target on the other.'),
  JOB_ID: bigint('The job.'),
  INITIATOR_TENANT_ID: bigint('The sys tenant.'),
  INITIATOR_JOB_ID: bigint('0 on the row of the sys tenant, its job on the other.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  FINISH_TIMESTAMP: timestamp(6, 'End; NULL while running.'),
  STATUS: varchar(64, 'How far it is.'),
  AUX_TENANT_NAME: varchar(64, 'The tenant that is restored for it, and removed at its end.'),
  TARGET_TENANT_NAME: varchar(64, 'The tenant that gets the tables.'),
  ...ASKED_COLUMNS,
  RESTORE_SCN: ubigint('Target point, inclusive.'),
  RESTORE_SCN_DISPLAY: datetime(6, 'The same as time, in the zone of the backup.'),
  RESTORE_OPTION: varchar(4096, 'The WITH text of the statement.'),
  BACKUP_DEST: varchar(4096, 'The uris of the statement, without credentials.'),
  BACKUP_SET_LIST: longtext('Sets that are used.'),
  BACKUP_PIECE_LIST: longtext('Pieces that are used.'),
  BACKUP_PASSWD: varchar(4096, '****** when a password was needed.', NULLABLE),
  EXTERNAL_KMS_INFO: varchar(4096, 'Always NULL.', NULLABLE),
  ...REMAP_COLUMNS,
  ...OUTCOME_COLUMNS,
  DESCRIPTION: longtext('Text given with the statement.', NULLABLE),
} satisfies ViewColumns;

/** The sys tenant's row knows only that its target's is at work. @source OceanBase 4.3.3 docs, samples */
function sysStatus(status: RecoverStatus): string {
  const isAtWork = status !== 'PREPARE' && status !== 'CANCELING' && !isFinal(RECOVER_MOVES, status);
  return isAtWork ? 'RECOVERING' : status;
}

function* recoverRows(reader: ViewReader, isOver: boolean) {
  const { tenantId: wanted } = reader.where;
  const statuses = STATUSES.filter((status) => isFinal(RECOVER_MOVES, status) === isOver);
  // The history grows without end: who asks for what runs does not decode it.
  const jobs = statuses.flatMap((status) => reader.store.recoverJobs.find({ status }));
  for (const job of jobs.sort((a, b) => a.jobId - b.jobId)) {
    for (const isSys of [true, false]) {
      const tenantId = isSys ? SYS_TENANT_ID : job.targetTenantId;
      if (wanted === undefined || wanted === tenantId) yield recoverRow(reader, job, isSys);
    }
  }
}

function recoverRow(reader: ViewReader, job: RecoverJob, isSys: boolean) {
  const tenantId = isSys ? SYS_TENANT_ID : job.targetTenantId;
  return {
    TENANT_ID: tenantId,
    JOB_ID: isSys ? job.jobId : job.targetJobId,
    INITIATOR_TENANT_ID: SYS_TENANT_ID,
    INITIATOR_JOB_ID: isSys ? 0 : job.jobId,
    START_TIMESTAMP: reader.showTime(tenantId, job.startNs),
    FINISH_TIMESTAMP: reader.showTime(tenantId, job.endNs),
    STATUS: isSys ? sysStatus(job.status) : job.status,
    AUX_TENANT_NAME: job.auxTenantName,
    TARGET_TENANT_NAME: job.targetTenantName,
    ...askedFigures(job),
    RESTORE_SCN: job.restoreScn,
    RESTORE_SCN_DISPLAY: formatTime(job.restoreScn, job.timeZone),
    RESTORE_OPTION: shownUri(job.restoreOption),
    BACKUP_DEST: job.uris.map(shownUri).join(','),
    BACKUP_SET_LIST: job.backupSetList.map(shownUri).join(','),
    BACKUP_PIECE_LIST: job.backupPieceList.map(shownUri).join(','),
    BACKUP_PASSWD: job.hasPassword ? '******' : null,
    EXTERNAL_KMS_INFO: null,
    ...remapFigures(job),
    RESULT: job.endNs === null ? null : resultText(job.result),
    COMMENT: orNull(job.comment),
    DESCRIPTION: orNull(job.description),
  };
}

const IMPORT_COLUMNS = {
  TENANT_ID: bigint('The tenant that gets the tables.'),
  JOB_ID: bigint('The job.'),
  INITIATOR_TENANT_ID: bigint('The tenant itself.'),
  INITIATOR_JOB_ID: bigint('Its recover job.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  FINISH_TIMESTAMP: timestamp(6, 'End; NULL while running.'),
  SRC_TENANT_NAME: varchar(64, 'The auxiliary tenant.'),
  SRC_TENANT_ID: bigint('Its id.'),
  STATUS: varchar(64, 'INIT, IMPORT_TABLE, RECONSTRUCT_REF_CONSTRAINT, IMPORT_FINISH or CANCELING.'),
  ...ASKED_COLUMNS,
  ...REMAP_COLUMNS,
  TOTAL_TABLE_COUNT: bigint('Tables.'),
  FINISHED_TABLE_COUNT: bigint('Tables that are there; all of them become visible at once.'),
  FAILED_TABLE_COUNT: bigint('Tables that failed: all or none.'),
  ...OUTCOME_COLUMNS,
  DESCRIPTION: longtext('Text given with the statement.', NULLABLE),
} satisfies ViewColumns;

/** Import jobs with the recover jobs that they belong to. */
function* importJobs({ store, where }: ViewReader, isOver: boolean): Generator<[ImportJob, RecoverJob]> {
  for (const job of store.importJobs.find(where)) {
    if (isFinal(IMPORT_MOVES, job.status) !== isOver) continue;
    const recover = store.recoverJobs.get({ jobId: job.recoverJobId });
    if (recover) yield [job, recover];
  }
}

function* importRows(reader: ViewReader, isOver: boolean) {
  for (const [job, recover] of importJobs(reader, isOver)) {
    yield {
      TENANT_ID: job.tenantId,
      JOB_ID: job.jobId,
      INITIATOR_TENANT_ID: job.tenantId,
      INITIATOR_JOB_ID: recover.targetJobId,
      START_TIMESTAMP: reader.showTime(job.tenantId, job.startNs),
      FINISH_TIMESTAMP: reader.showTime(job.tenantId, job.endNs),
      SRC_TENANT_NAME: recover.auxTenantName,
      SRC_TENANT_ID: recover.auxTenantId,
      STATUS: !isOver && recover.status === 'CANCELING' ? 'CANCELING' : job.status,
      ...askedFigures(recover),
      ...remapFigures(recover),
      TOTAL_TABLE_COUNT: job.tableCount,
      FINISHED_TABLE_COUNT: job.finishedTableCount,
      FAILED_TABLE_COUNT: job.failedTableCount,
      RESULT: job.endNs === null ? null : resultText(job.result),
      COMMENT: orNull(job.comment),
      DESCRIPTION: orNull(recover.description),
    };
  }
}

const TASK_COLUMNS = {
  TENANT_ID: bigint('The tenant that gets the table.'),
  TASK_ID: bigint('The task.'),
  JOB_ID: bigint('The import job.'),
  SRC_TENANT_ID: bigint('The auxiliary tenant.'),
  SRC_TABLESPACE: varchar(128, 'Always NULL.', NULLABLE),
  SRC_TABLEGROUP: varchar(128, 'Always NULL.', NULLABLE),
  SRC_DATABASE: varchar(128, 'The database in the backup.', NULLABLE),
  SRC_TABLE: varchar(128, 'The table in the backup.', NULLABLE),
  SRC_PARTITION: varchar(64, 'Always NULL.', NULLABLE),
  TARGET_TABLESPACE: varchar(128, 'Always NULL.', NULLABLE),
  TARGET_TABLEGROUP: varchar(128, 'Always NULL.', NULLABLE),
  TARGET_DATABASE: varchar(128, 'The database of the tenant.', NULLABLE),
  TARGET_TABLE: varchar(128, 'The table in the tenant.', NULLABLE),
  TABLE_COLUMN: bigint('Columns.'),
  STATUS: varchar(64, 'INIT, DOING or FINISH.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  COMPLETION_TIMESTAMP: timestamp(6, 'End; NULL while running.'),
  CUMULATIVE_TS: bigint('Always -1.'),
  TOTAL_INDEX_COUNT: bigint('Indexes of the table.'),
  IMPORTED_INDEX_COUNT: bigint('Those that are there.'),
  FAILED_INDEX_COUNT: bigint('Those that failed.'),
  TOTAL_CONSTRAINT_COUNT: bigint('Primary key and unique constraints.'),
  IMPORTED_CONSTRAINT_COUNT: bigint('Those that are there.'),
  FAILED_CONSTRAINT_COUNT: bigint('Those that failed.'),
  TOTAL_REF_CONSTRAINT_COUNT: bigint('Foreign keys of the table.'),
  IMPORTED_REF_CONSTRAINT_COUNT: bigint('Those that are there.'),
  FAILED_REF_CONSTRAINT_COUNT: bigint('Those that failed.'),
  ...OUTCOME_COLUMNS,
} satisfies ViewColumns;

/** What a table has, all or none of it imported. */
function counts<Name extends 'INDEX' | 'CONSTRAINT' | 'REF_CONSTRAINT'>(
  name: Name,
  count: number,
  isOver: boolean,
  isSuccess: boolean,
) {
  return {
    [`TOTAL_${name}_COUNT`]: count,
    [`IMPORTED_${name}_COUNT`]: isOver && isSuccess ? count : 0,
    [`FAILED_${name}_COUNT`]: isOver && !isSuccess ? count : 0,
  } as { [K in `${'TOTAL' | 'IMPORTED' | 'FAILED'}_${Name}_COUNT`]: number };
}

function* taskRows(reader: ViewReader, isOver: boolean) {
  for (const [job, recover] of importJobs(reader, isOver)) {
    for (const task of reader.store.importTasks.find({ tenantId: job.tenantId, jobId: job.jobId })) {
      const isSuccess = task.result === 0;
      yield {
        TENANT_ID: task.tenantId,
        TASK_ID: task.taskId,
        JOB_ID: task.jobId,
        SRC_TENANT_ID: recover.auxTenantId,
        SRC_TABLESPACE: null,
        SRC_TABLEGROUP: null,
        SRC_DATABASE: DATA_DATABASE,
        SRC_TABLE: task.sourceTable,
        SRC_PARTITION: null,
        TARGET_TABLESPACE: null,
        TARGET_TABLEGROUP: null,
        TARGET_DATABASE: DATA_DATABASE,
        TARGET_TABLE: task.targetTable,
        TABLE_COLUMN: task.columnCount,
        STATUS: task.status,
        START_TIMESTAMP: reader.showTime(task.tenantId, task.startNs),
        COMPLETION_TIMESTAMP: reader.showTime(task.tenantId, task.endNs),
        CUMULATIVE_TS: NO_CUMULATIVE_TS,
        ...counts('INDEX', task.indexCount, isOver, isSuccess),
        ...counts('CONSTRAINT', task.constraintCount, isOver, isSuccess),
        ...counts('REF_CONSTRAINT', task.refConstraintCount, isOver, isSuccess),
        RESULT: isOver ? resultText(task.result) : null,
        COMMENT: orNull(task.comment),
      };
    }
  }
}

const SOURCE = 'OceanBase 4.3.3 docs, ';

export const RECOVER_VIEWS: readonly View[] = [
  view({
    ...{ name: 'CDB_OB_RECOVER_TABLE_JOBS', source: `${SOURCE}CDB_OB_RECOVER_TABLE_JOBS`, columns: JOB_COLUMNS },
    rows: (reader) => recoverRows(reader, false),
  }),
  view({
    ...{ name: 'CDB_OB_RECOVER_TABLE_JOB_HISTORY', source: `${SOURCE}CDB_OB_RECOVER_TABLE_JOB_HISTORY` },
    columns: JOB_COLUMNS,
    rows: (reader) => recoverRows(reader, true),
  }),
  view({
    ...{ name: 'CDB_OB_IMPORT_TABLE_JOBS', source: `${SOURCE}CDB_OB_IMPORT_TABLE_JOBS`, columns: IMPORT_COLUMNS },
    rows: (reader) => importRows(reader, false),
  }),
  view({
    ...{ name: 'CDB_OB_IMPORT_TABLE_JOB_HISTORY', source: `${SOURCE}CDB_OB_IMPORT_TABLE_JOB_HISTORY` },
    columns: IMPORT_COLUMNS,
    rows: (reader) => importRows(reader, true),
  }),
  view({
    ...{ name: 'CDB_OB_IMPORT_TABLE_TASKS', source: `${SOURCE}CDB_OB_IMPORT_TABLE_TASKS`, columns: TASK_COLUMNS },
    rows: (reader) => taskRows(reader, false),
  }),
  view({
    ...{ name: 'CDB_OB_IMPORT_TABLE_TASK_HISTORY', source: `${SOURCE}CDB_OB_IMPORT_TABLE_TASK_HISTORY` },
    // Documented so: a number as text, here only.
    columns: { ...TASK_COLUMNS, TASK_ID: varchar(64, 'The task.') },
    *rows(reader) {
      for (const row of taskRows(reader, true)) yield { ...row, TASK_ID: String(row.TASK_ID) };
    },
  }),
].flatMap((cdb) => [cdb, deriveDba(cdb)]);
