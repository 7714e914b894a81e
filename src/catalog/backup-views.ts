// Views of backups: jobs and tasks while they run and after, and every set there ever was.
import { type BackupJob, type BackupSet, type BackupTask, JOB_MOVES, TASK_MOVES } from '../model/backup-job.ts';
import { isFinal } from '../model/moves.ts';
import {
  bytesPerSecond,
  CLUSTER_VERSION,
  FORMAT_COMPATIBLE,
  INCARNATION,
  percent,
  seconds,
  shownPassword,
  shownUri,
} from './figures.ts';
import { jobFields, taskFields } from './job-rows.ts';
import {
  bigint,
  decimal,
  deriveDba,
  NULLABLE,
  timestamp,
  ubigint,
  type View,
  type ViewColumns,
  varchar,
  view,
} from './view.ts';
import type { ViewReader } from './view-reader.ts';

/** A phase is never repeated here, so each has its first turn; the undivided data phase has none. */
const TURN_ID = 1;
const NO_TURN_ID = 0;

const onOff = (isOn: boolean) => (isOn ? 'ON' : 'OFF');

const JOB_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  JOB_ID: bigint('The job.'),
  INCARNATION: bigint('Always 1.'),
  BACKUP_SET_ID: bigint('The set that is made; 0 on the row of the sys tenant.', NULLABLE),
  INITIATOR_TENANT_ID: bigint('The tenant whose session ran the statement.'),
  INITIATOR_JOB_ID: bigint('Job of the sys tenant that this one belongs to; 0 when a tenant started it.'),
  EXECUTOR_TENANT_ID: varchar(65536, 'The tenants that do the work, with commas.'),
  PLUS_ARCHIVELOG: varchar(4096, 'ON or OFF.'),
  BACKUP_TYPE: varchar(4096, 'FULL or INC.'),
  JOB_LEVEL: varchar(4096, 'CLUSTER, SYS_TENANT or USER_TENANT.'),
  ENCRYPTION_MODE: varchar(4096, 'NONE or PASSWORD_ENCRYPTION.', NULLABLE),
  PASSWD: varchar(4096, '****** when a password is set; never a hash.', NULLABLE),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  END_TIMESTAMP: timestamp(6, 'End; NULL while running.', NULLABLE),
  STATUS: varchar(4096, 'INIT, DOING, COMPLETED, FAILED, CANCELING or CANCELED.'),
  RESULT: bigint('0, or the number of the error.'),
  COMMENT: varchar(4096, 'Number and text of the error.', NULLABLE),
  DESCRIPTION: varchar(4096, 'Text given with the statement.', NULLABLE),
  PATH: varchar(4096, 'Destination, without credentials.', NULLABLE),
} satisfies ViewColumns;

function jobRow(reader: ViewReader, job: BackupJob) {
  return {
    ...jobFields(reader, job),
    BACKUP_SET_ID: job.backupSetId,
    PLUS_ARCHIVELOG: onOff(job.isPlusArchivelog),
    BACKUP_TYPE: job.backupType,
    JOB_LEVEL: job.level,
    ENCRYPTION_MODE: job.encryptionMode,
    PASSWD: shownPassword(job.encryptionMode),
    DESCRIPTION: job.description,
    PATH: shownUri(job.uri),
  };
}

function* jobRows(reader: ViewReader, isOver: boolean) {
  for (const job of reader.store.backupJobs.find(reader.where)) {
    if (isFinal(JOB_MOVES, job.status) === isOver) yield jobRow(reader, job);
  }
}

export const CDB_OB_BACKUP_JOBS = view({
  name: 'CDB_OB_BACKUP_JOBS',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_JOBS',
  columns: JOB_COLUMNS,
  rows: (reader) => jobRows(reader, false),
});

export const CDB_OB_BACKUP_JOB_HISTORY = view({
  name: 'CDB_OB_BACKUP_JOB_HISTORY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_JOB_HISTORY',
  columns: JOB_COLUMNS,
  rows: (reader) => jobRows(reader, true),
});

/** Figures that a task and the set it makes both show. */
const FIGURE_COLUMNS = {
  INPUT_BYTES: bigint('Bytes read.', NULLABLE),
  OUTPUT_BYTES: bigint('Bytes written.', NULLABLE),
  OUTPUT_RATE_BYTES: decimal(28, 4, 'Bytes written per second.'),
  EXTRA_META_BYTES: bigint('Always 0.', NULLABLE),
  TABLET_COUNT: bigint('Tables.', NULLABLE),
  FINISH_TABLET_COUNT: bigint('Tables that are in the set.', NULLABLE),
  MACRO_BLOCK_COUNT: bigint('Blocks.', NULLABLE),
  FINISH_MACRO_BLOCK_COUNT: bigint('Blocks that are in the set.', NULLABLE),
  FILE_COUNT: bigint('Files written.', NULLABLE),
  META_TURN_ID: bigint('Turn of the metadata phase.', NULLABLE),
  DATA_TURN_ID: bigint('Always 0: the data phase is divided.', NULLABLE),
};

function figures(of: BackupTask | BackupSet, reader: ViewReader) {
  return {
    INPUT_BYTES: of.inputBytes,
    OUTPUT_BYTES: of.outputBytes,
    OUTPUT_RATE_BYTES: bytesPerSecond(of.outputBytes, of.startNs, of.endNs ?? reader.nowNs),
    EXTRA_META_BYTES: 0,
    TABLET_COUNT: of.tabletCount,
    FINISH_TABLET_COUNT: of.finishTabletCount,
    MACRO_BLOCK_COUNT: of.blockCount,
    FINISH_MACRO_BLOCK_COUNT: of.finishBlockCount,
    FILE_COUNT: of.fileCount,
    META_TURN_ID: TURN_ID,
    DATA_TURN_ID: NO_TURN_ID,
  };
}

const TASK_HISTORY_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  TASK_ID: bigint('The task.'),
  JOB_ID: bigint('The job it belongs to.'),
  INCARNATION: bigint('Always 1.'),
  BACKUP_SET_ID: bigint('The set that is made.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  END_TIMESTAMP: timestamp(6, 'End; NULL while running.', NULLABLE),
  STATUS: varchar(4096, 'The phase the task is in, or how it ended.'),
  START_SCN: ubigint('Start of the task.'),
  END_SCN: ubigint('The set can be restored from here on; 0 while that is not known.'),
  USER_LS_START_SCN: ubigint('When the state of the set was chosen.'),
  ENCRYPTION_MODE: varchar(4096, 'NONE or PASSWORD_ENCRYPTION.', NULLABLE),
  PASSWD: varchar(4096, '****** when a password is set; never a hash.', NULLABLE),
  ...FIGURE_COLUMNS,
  RESULT: bigint('0, or the number of the error.', NULLABLE),
  COMMENT: varchar(4096, 'Number and text of the error.', NULLABLE),
  PATH: varchar(4096, 'Destination, without credentials.', NULLABLE),
  MINOR_TURN_ID: bigint('Turn of the first data phase.'),
  MAJOR_TURN_ID: bigint('Turn of the second data phase.'),
} satisfies ViewColumns;

function taskRow(reader: ViewReader, task: BackupTask) {
  return {
    ...taskFields(reader, task),
    BACKUP_SET_ID: task.backupSetId,
    START_SCN: task.startScn,
    END_SCN: task.endScn,
    USER_LS_START_SCN: task.userLsStartScn,
    ENCRYPTION_MODE: task.encryptionMode,
    PASSWD: shownPassword(task.encryptionMode),
    ...figures(task, reader),
    PATH: shownUri(task.uri),
    MINOR_TURN_ID: TURN_ID,
    MAJOR_TURN_ID: TURN_ID,
  };
}

function* tasks(reader: ViewReader, isOver: boolean): Generator<BackupTask> {
  for (const task of reader.store.backupTasks.find(reader.where)) {
    if (isFinal(TASK_MOVES, task.status) === isOver) yield task;
  }
}

export const CDB_OB_BACKUP_TASKS = view({
  name: 'CDB_OB_BACKUP_TASKS',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_TASKS',
  columns: {
    ...TASK_HISTORY_COLUMNS,
    DATA_PROGRESS: decimal(26, 2, 'Blocks that are in the set, percent.'),
    LOG_FILE_COUNT: bigint('Log files of PLUS ARCHIVELOG.'),
    FINISH_LOG_FILE_COUNT: bigint('Log files that are in the set.'),
    LOG_PROGRESS: decimal(26, 2, 'The same, percent.'),
  },
  *rows(reader) {
    for (const task of tasks(reader, false)) {
      yield {
        ...taskRow(reader, task),
        DATA_PROGRESS: percent(task.finishBlockCount, task.blockCount),
        LOG_FILE_COUNT: 0,
        FINISH_LOG_FILE_COUNT: 0,
        LOG_PROGRESS: '0.00',
      };
    }
  },
});

const CDB_OB_BACKUP_TASK_HISTORY = view({
  name: 'CDB_OB_BACKUP_TASK_HISTORY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_TASK_HISTORY',
  columns: TASK_HISTORY_COLUMNS,
  *rows(reader) {
    for (const task of tasks(reader, true)) yield taskRow(reader, task);
  },
});

export const CDB_OB_BACKUP_SET_FILES = view({
  name: 'CDB_OB_BACKUP_SET_FILES',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_SET_FILES; BACKUP_TYPE long enough for its values',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    BACKUP_SET_ID: bigint('The set.'),
    DEST_ID: bigint('Number of the destination, from 1001.'),
    INCARNATION: bigint('Always 1.'),
    BACKUP_TYPE: varchar(64, 'FULL or INC.'),
    PREV_FULL_BACKUP_SET_ID: bigint('The full set that an incremental one depends on; 0 for a full one.'),
    PREV_INC_BACKUP_SET_ID: bigint('The set just before it in its chain; 0 for a full one.'),
    START_TIMESTAMP: timestamp(6, 'Start.'),
    END_TIMESTAMP: varchar(26, 'End; NULL while running.', NULLABLE),
    STATUS: varchar(64, 'DOING, SUCCESS or FAILED.'),
    FILE_STATUS: varchar(64, 'COPYING, AVAILABLE, INCOMPLETE, DELETING, DELETED, …'),
    ELAPSED_SECONDES: decimal(22, 0, 'How long it took, seconds.'),
    PLUS_ARCHIVELOG: varchar(4096, 'ON or OFF.'),
    START_REPLAY_SCN: ubigint('First log that a restore needs.'),
    START_REPLAY_SCN_DISPLAY: varchar(26, 'The same as time.'),
    MIN_RESTORE_SCN: ubigint('Earliest point that the set can be restored to.'),
    MIN_RESTORE_SCN_DISPLAY: varchar(26, 'The same as time.', { oracle: { base: 'varchar', length: 4096 } }),
    ...FIGURE_COLUMNS,
    RESULT: bigint('0, or the number of the error.'),
    COMMENT: varchar(4096, 'Number and text of the error.', NULLABLE),
    ENCRYPTION_MODE: varchar(64, 'NONE or PASSWORD_ENCRYPTION.', NULLABLE),
    PASSWD: varchar(128, '****** when a password is set; never a hash.', NULLABLE),
    TENANT_COMPATIBLE: varchar(4096, 'Data version of the tenant.'),
    BACKUP_COMPATIBLE: bigint('Format version of the set.'),
    PATH: varchar(4096, 'Destination, without credentials.', NULLABLE),
    CLUSTER_VERSION: varchar(4096, 'Version of the cluster.'),
    CONSISTENT_SCN: ubigint('The state in the set: every commit up to and including this one.'),
    MINOR_TURN_ID: bigint('Turn of the first data phase.'),
    MAJOR_TURN_ID: bigint('Turn of the second data phase.'),
  },
  *rows(reader) {
    for (const set of reader.store.backupSets.find(reader.where)) {
      const endNs = set.endNs ?? reader.nowNs;
      yield {
        TENANT_ID: set.tenantId,
        BACKUP_SET_ID: set.backupSetId,
        DEST_ID: set.destId,
        INCARNATION,
        BACKUP_TYPE: set.backupType,
        PREV_FULL_BACKUP_SET_ID: set.prevFullBackupSetId,
        PREV_INC_BACKUP_SET_ID: set.prevIncBackupSetId,
        START_TIMESTAMP: reader.showTime(set.tenantId, set.startNs),
        END_TIMESTAMP: reader.showTime(set.tenantId, set.endNs),
        STATUS: set.status,
        FILE_STATUS: set.fileStatus,
        ELAPSED_SECONDES: seconds(set.startNs, endNs),
        PLUS_ARCHIVELOG: onOff(set.isPlusArchivelog),
        START_REPLAY_SCN: set.startReplayScn,
        START_REPLAY_SCN_DISPLAY: reader.showScn(set.tenantId, set.startReplayScn),
        MIN_RESTORE_SCN: set.minRestoreScn,
        MIN_RESTORE_SCN_DISPLAY: reader.showScn(set.tenantId, set.minRestoreScn),
        ...figures(set, reader),
        RESULT: set.result,
        COMMENT: set.comment,
        ENCRYPTION_MODE: set.encryptionMode,
        PASSWD: shownPassword(set.encryptionMode),
        TENANT_COMPATIBLE: CLUSTER_VERSION,
        BACKUP_COMPATIBLE: FORMAT_COMPATIBLE,
        PATH: shownUri(set.uri),
        CLUSTER_VERSION,
        CONSISTENT_SCN: set.consistentScn,
        MINOR_TURN_ID: TURN_ID,
        MAJOR_TURN_ID: TURN_ID,
      };
    }
  },
});

export const BACKUP_VIEWS: readonly View[] = [
  CDB_OB_BACKUP_JOBS,
  CDB_OB_BACKUP_JOB_HISTORY,
  CDB_OB_BACKUP_TASKS,
  CDB_OB_BACKUP_TASK_HISTORY,
  CDB_OB_BACKUP_SET_FILES,
].flatMap((cdb) => [cdb, deriveDba(cdb)]);
