// Views of cleaning: delete policies, and delete jobs and tasks while they run and after.
import { JOB_MOVES } from '../model/backup-job.ts';
import type { DeleteJob, DeleteTask } from '../model/delete-job.ts';
import { isFinal } from '../model/moves.ts';
import { shownUri } from './figures.ts';
import { jobFields, taskFields } from './job-rows.ts';
import { bigint, deriveDba, NULLABLE, timestamp, type View, type ViewColumns, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

const CDB_OB_BACKUP_DELETE_POLICY = view({
  name: 'CDB_OB_BACKUP_DELETE_POLICY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_DELETE_POLICY; REDUNDANCY is ours',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    POLICY_NAME: varchar(256, 'default, or log_only for a tenant that makes no backup sets.'),
    RECOVERY_WINDOW: varchar(64, 'Every point so far back stays restorable, for example 7d.', NULLABLE),
    REDUNDANCY: bigint('Newest full sets that stay.', NULLABLE),
  },
  *rows(reader) {
    for (const policy of reader.store.deletePolicies.find(reader.where)) {
      yield {
        TENANT_ID: policy.tenantId,
        POLICY_NAME: policy.policyName,
        RECOVERY_WINDOW: policy.recoveryWindow,
        REDUNDANCY: policy.redundancy,
      };
    }
  },
});

const JOB_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  JOB_ID: bigint('The job.'),
  INCARNATION: bigint('Always 1.'),
  INITIATOR_TENANT_ID: bigint('The tenant whose session ran the statement.'),
  INITIATOR_JOB_ID: bigint("The job itself, or the sys tenant's that it was begun with."),
  EXECUTOR_TENANT_ID: varchar(65536, 'The tenant that is cleaned; on the row of the sys tenant all of them.'),
  TYPE: varchar(64, 'DELETE BACKUPSET, DELETE ARCHIVELOG_PIECE or DELETE OBSOLETE BACKUP.'),
  PARAMETER: varchar(1024, 'Start of the recovery window of a policy; ids of what was named.', NULLABLE),
  JOB_LEVEL: varchar(64, 'CLUSTER, SYS_TENANT or USER_TENANT.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  END_TIMESTAMP: timestamp(6, 'End; NULL while running.', NULLABLE),
  STATUS: varchar(64, 'INIT, DOING, COMPLETED, FAILED, CANCELING or CANCELED.'),
  TASK_COUNT: bigint('Sets and pieces to delete.', NULLABLE),
  SUCCESS_TASK_COUNT: bigint('Those that are deleted.', NULLABLE),
  RESULT: bigint('0, or the number of the error.'),
  COMMENT: varchar(4096, 'Number and text of the error.', NULLABLE),
} satisfies ViewColumns;

function parameterOf(reader: ViewReader, { tenantId, expiryNs, ids }: DeleteJob): string | null {
  return ids.length > 0 ? ids.join(',') : reader.showTime(tenantId, expiryNs);
}

function* jobRows(reader: ViewReader, isOver: boolean) {
  for (const job of reader.store.deleteJobs.find(reader.where)) {
    if (isFinal(JOB_MOVES, job.status) !== isOver) continue;
    yield {
      ...jobFields(reader, job),
      TYPE: job.type,
      PARAMETER: parameterOf(reader, job),
      JOB_LEVEL: job.level,
      TASK_COUNT: job.taskCount,
      SUCCESS_TASK_COUNT: job.successTaskCount,
    };
  }
}

const CDB_OB_BACKUP_DELETE_JOBS = view({
  name: 'CDB_OB_BACKUP_DELETE_JOBS',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_DELETE_JOBS; PARAMETER can hold ids',
  columns: JOB_COLUMNS,
  rows: (reader) => jobRows(reader, false),
});

const CDB_OB_BACKUP_DELETE_JOB_HISTORY = view({
  name: 'CDB_OB_BACKUP_DELETE_JOB_HISTORY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_DELETE_JOB_HISTORY; PARAMETER can hold ids',
  columns: JOB_COLUMNS,
  rows: (reader) => jobRows(reader, true),
});

/** Not among the columns that an oracle tenant has. */
const MYSQL_ONLY = { isNullable: true, oracle: null } as const;

const TASK_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  TASK_ID: bigint('The task.'),
  INCARNATION: bigint('Always 1.'),
  JOB_ID: bigint('The job it belongs to.'),
  TASK_TYPE: varchar(64, 'BACKUP SET or BACKUP PIECE.'),
  ID: bigint('Of the set or the piece.'),
  ROUND_ID: bigint('Round of the piece; 0 for a set.'),
  DEST_ID: bigint('Number of the destination, from 1001.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  END_TIMESTAMP: timestamp(6, 'End; NULL while running.', NULLABLE),
  STATUS: varchar(64, 'INIT, DOING, COMPLETED, FAILED or CANCELED.'),
  TOTAL_LS_COUNT: bigint('Log streams: always 1.', NULLABLE),
  FINISH_LS_COUNT: bigint('1 when it is deleted.', NULLABLE),
  TOTAL_BYTES: bigint('Bytes to delete.', NULLABLE),
  DELETE_BYTES: bigint('Bytes deleted.', MYSQL_ONLY),
  TOTAL_FILES_COUNT: bigint('Files to delete.', MYSQL_ONLY),
  DELETE_FILES_COUNT: bigint('Files deleted.', MYSQL_ONLY),
  RESULT: bigint('0, or the number of the error.', NULLABLE),
  COMMENT: varchar(4096, 'Number and text of the error.', NULLABLE),
  PATH: varchar(1024, 'Destination, without credentials.'),
} satisfies ViewColumns;

function taskRow(reader: ViewReader, task: DeleteTask) {
  return {
    ...taskFields(reader, task),
    TASK_TYPE: task.taskType,
    ID: task.objectId,
    ROUND_ID: task.roundId,
    DEST_ID: task.destId,
    TOTAL_LS_COUNT: 1,
    FINISH_LS_COUNT: task.status === 'COMPLETED' ? 1 : 0,
    TOTAL_BYTES: task.totalBytes,
    DELETE_BYTES: task.deletedBytes,
    TOTAL_FILES_COUNT: task.totalFiles,
    DELETE_FILES_COUNT: task.deletedFiles,
    PATH: shownUri(task.uri),
  };
}

function* taskRows(reader: ViewReader, isOver: boolean) {
  for (const task of reader.store.deleteTasks.find(reader.where))
    if (isFinal(JOB_MOVES, task.status) === isOver) yield taskRow(reader, task);
}

const CDB_OB_BACKUP_DELETE_TASKS = view({
  name: 'CDB_OB_BACKUP_DELETE_TASKS',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_DELETE_TASKS',
  columns: TASK_COLUMNS,
  rows: (reader) => taskRows(reader, false),
});

const CDB_OB_BACKUP_DELETE_TASK_HISTORY = view({
  name: 'CDB_OB_BACKUP_DELETE_TASK_HISTORY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_DELETE_TASK_HISTORY',
  columns: { ...TASK_COLUMNS, TOTAL_BYTES: bigint('Bytes to delete.', MYSQL_ONLY) },
  rows: (reader) => taskRows(reader, true),
});

export const CLEAN_VIEWS: readonly View[] = [
  CDB_OB_BACKUP_DELETE_POLICY,
  CDB_OB_BACKUP_DELETE_JOBS,
  CDB_OB_BACKUP_DELETE_JOB_HISTORY,
  CDB_OB_BACKUP_DELETE_TASKS,
  CDB_OB_BACKUP_DELETE_TASK_HISTORY,
].flatMap((cdb) => [cdb, deriveDba(cdb)]);
