// Views of validation: jobs and tasks while they run and after, when each object was last read, and how well each tenant is
// protected.

import { COMMENT_CHARS_MAX, SYS_TENANT_ID } from '../base/limits.ts';
import { isRoundRunning } from '../model/archive-round.ts';
import { JOB_MOVES } from '../model/backup-job.ts';
import { isFinal } from '../model/moves.ts';
import { later } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { VALIDATE_TASK_MOVES, type ValidateTaskType, type Verification } from '../model/validate-job.ts';
import { type ProtectionFacts, protectionOf } from '../validate/protection.ts';
import { freshCopy } from './archive-rows.ts';
import { shownUri } from './figures.ts';
import { jobFields, taskFields } from './job-rows.ts';
import {
  bigint,
  datetime,
  deriveDba,
  NULLABLE,
  ORACLE_TIME,
  timestamp,
  ubigint,
  type View,
  type ViewColumns,
  varchar,
  view,
} from './view.ts';
import type { ViewReader } from './view-reader.ts';

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_US = 1_000n;
/** A validation is not repeated by itself. */
const RETRY_COUNT = 0;

const JOB_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  JOB_ID: bigint('The job.'),
  INCARNATION: bigint('Always 1.'),
  INITIATOR_TENANT_ID: bigint('The tenant whose session ran the statement.'),
  INITIATOR_JOB_ID: bigint('The job itself.'),
  EXECUTOR_TENANT_ID: varchar(65536, 'The tenant whose backups are read.'),
  TYPE: varchar(64, 'DATABASE, BACKUPSET or ARCHIVELOG_PIECE.'),
  PATH: varchar(4096, 'Where they lie, without credentials.', NULLABLE),
  PATH_TYPE: varchar(64, 'BACKUP_DEST, BACKUP_SET_DEST, ARCHIVELOG_DEST or ARCHIVELOG_PIECE_DEST.'),
  ID: varchar(4096, 'The sets or pieces that were named; empty for all.', NULLABLE),
  VALIDATE_LEVEL: varchar(64, 'basic, physical, or restore for a drill.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  END_TIMESTAMP: timestamp(6, 'End; NULL while running.', NULLABLE),
  STATUS: varchar(64, 'INIT, DOING, COMPLETED, FAILED, CANCELING or CANCELED.'),
  RETRY_COUNT: bigint('Always 0.'),
  TASK_COUNT: bigint('Sets, pieces or drills.', NULLABLE),
  SUCCESS_TASK_COUNT: bigint('Those that passed.', NULLABLE),
  RESULT: bigint('0, or the number of the first error.'),
  DESCRIPTION: varchar(4096, 'Text given with the statement.', NULLABLE),
  COMMENT: varchar(4096, 'How many failed, and the first error.', NULLABLE),
} satisfies ViewColumns;

function* jobRows(reader: ViewReader, isOver: boolean) {
  for (const job of reader.store.validateJobs.find(reader.where)) {
    if (isFinal(JOB_MOVES, job.status) !== isOver) continue;
    yield {
      ...jobFields(reader, job),
      TYPE: job.type,
      PATH: shownUri(job.uri),
      PATH_TYPE: job.pathType,
      ID: job.ids.join(','),
      VALIDATE_LEVEL: job.level,
      RETRY_COUNT,
      TASK_COUNT: job.taskCount,
      SUCCESS_TASK_COUNT: job.successTaskCount,
      DESCRIPTION: job.description,
    };
  }
}

const CDB_OB_BACKUP_VALIDATE_JOBS = view({
  name: 'CDB_OB_BACKUP_VALIDATE_JOBS',
  source: 'OceanBase 4.6.0 docs, CDB_OB_BACKUP_VALIDATE_JOBS; ID can hold several',
  columns: JOB_COLUMNS,
  rows: (reader) => jobRows(reader, false),
});

const CDB_OB_BACKUP_VALIDATE_JOB_HISTORY = view({
  name: 'CDB_OB_BACKUP_VALIDATE_JOB_HISTORY',
  source: 'OceanBase 4.6.0 docs, CDB_OB_BACKUP_VALIDATE_JOB_HISTORY; ID can hold several',
  columns: JOB_COLUMNS,
  rows: (reader) => jobRows(reader, true),
});

const TASK_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  TASK_ID: bigint('The task.'),
  INCARNATION: bigint('Always 1.'),
  JOB_ID: bigint('The job it belongs to.'),
  TASK_TYPE: varchar(64, 'BACKUP SET, BACKUP PIECE, or TENANT for a drill at the newest point.'),
  ID: bigint('Of the set or the piece; 0 for a tenant.'),
  PATH: varchar(4096, 'Destination, without credentials.'),
  PATH_TYPE: varchar(64, 'As of the job.'),
  DEST_ID: bigint('Number of the destination, from 1001.'),
  PLUS_ARCHIVELOG: varchar(64, 'Always OFF: a set carries no log.'),
  INITIATOR_TASK_ID: bigint('Always 0.'),
  VALIDATE_LEVEL: varchar(64, 'As of the job.'),
  ROUND_ID: bigint('Round of the piece; 0 otherwise.'),
  START_TIMESTAMP: timestamp(6, 'Start.'),
  END_TIMESTAMP: timestamp(6, 'End; NULL while running.', NULLABLE),
  STATUS: varchar(64, 'INIT, BASIC, PHYSICAL, RESTORE, COMPLETED, FAILED or CANCELED.'),
  TOTAL_LS_COUNT: bigint('Log streams: always 1.', NULLABLE),
  FINISH_LS_COUNT: bigint('1 when it passed.', NULLABLE),
  TOTAL_BYTES: bigint('Bytes to read; of a drill, bytes of the database.', NULLABLE),
  VALIDATED_BYTES: bigint('Bytes that were read, or restored.', NULLABLE),
  RESULT: bigint('0, or the number of the error.', NULLABLE),
  COMMENT: varchar(4096, 'The error with its object; what was not proved without the password.', NULLABLE),
} satisfies ViewColumns;

function* taskRows(reader: ViewReader, isOver: boolean) {
  for (const task of reader.store.validateTasks.find(reader.where)) {
    if (isFinal(VALIDATE_TASK_MOVES, task.status) !== isOver) continue;
    yield {
      ...taskFields(reader, task),
      TASK_TYPE: task.taskType,
      ID: task.objectId,
      PATH: shownUri(task.uri),
      PATH_TYPE: task.pathType,
      DEST_ID: task.destId,
      PLUS_ARCHIVELOG: 'OFF',
      INITIATOR_TASK_ID: 0,
      VALIDATE_LEVEL: task.level,
      ROUND_ID: task.roundId,
      TOTAL_LS_COUNT: 1,
      FINISH_LS_COUNT: task.status === 'COMPLETED' ? 1 : 0,
      TOTAL_BYTES: task.totalBytes,
      VALIDATED_BYTES: task.validatedBytes,
    };
  }
}

const CDB_OB_BACKUP_VALIDATE_TASKS = view({
  name: 'CDB_OB_BACKUP_VALIDATE_TASKS',
  source: 'OceanBase 4.6.0 docs, CDB_OB_BACKUP_VALIDATE_TASKS',
  columns: TASK_COLUMNS,
  rows: (reader) => taskRows(reader, false),
});

const CDB_OB_BACKUP_VALIDATE_TASK_HISTORY = view({
  name: 'CDB_OB_BACKUP_VALIDATE_TASK_HISTORY',
  source: 'OceanBase 4.6.0 docs, CDB_OB_BACKUP_VALIDATE_TASK_HISTORY',
  columns: TASK_COLUMNS,
  rows: (reader) => taskRows(reader, true),
});

/** Rows by tenant. */
function byTenant<T extends { tenantId: number }>(rows: readonly T[]): (tenantId: number) => readonly T[] {
  const found = new Map<number, T[]>();
  for (const row of rows) {
    const own = found.get(row.tenantId) ?? [];
    own.push(row);
    found.set(row.tenantId, own);
  }
  return (tenantId) => found.get(tenantId) ?? [];
}

interface KnownObject {
  tenantId: number;
  type: ValidateTaskType;
  id: number;
  fileStatus: string;
  /** Path of a copy; '' for what lies where its own row says. */
  uri: string;
}

/** What there is to be read: everything that was not deleted, and the tenants that were drilled. */
function* knownObjects({ store, where }: ViewReader, ledger: readonly Verification[]): Iterable<KnownObject> {
  for (const { tenantId, objectType, objectId } of ledger)
    if (objectType === 'TENANT') yield { tenantId, type: 'TENANT', id: objectId, fileStatus: '', uri: '' };
  for (const { tenantId, backupSetId: id, status, fileStatus } of store.backupSets.find(where))
    if (status === 'SUCCESS' && fileStatus !== 'DELETED')
      yield { tenantId, type: 'BACKUP SET', id, fileStatus, uri: '' };
  for (const { tenantId, backupSetId: id, status, uri } of store.setCopies.find(where))
    if (status === 'AVAILABLE' || status === 'BROKEN')
      yield { tenantId, type: 'BACKUP SET', id, fileStatus: status, uri };
  for (const { tenantId, pieceId: id, fileStatus } of store.pieces.find(where))
    if (fileStatus !== 'DELETED') yield { tenantId, type: 'BACKUP PIECE', id, fileStatus, uri: '' };
  for (const { tenantId, pieceId: id, fileStatus, uri } of store.pieceCopies.find(where))
    if (fileStatus !== 'DELETED') yield { tenantId, type: 'BACKUP PIECE', id, fileStatus, uri };
}

const yesNo = (is: boolean) => (is ? 'YES' : 'NO');

const CDB_HF_VERIFIED = view({
  name: 'CDB_HF_VERIFIED',
  source: 'Holdfast: for each set, piece and drilled tenant, when it was last read at each level, and with what result',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    OBJECT_TYPE: varchar(64, 'BACKUP SET, BACKUP PIECE, or TENANT for drills.'),
    ID: bigint('Of the set or the piece; 0 for a tenant.'),
    FILE_STATUS: varchar(64, 'Of the set or the piece; empty for a tenant.'),
    VALIDATE_LEVEL: varchar(64, 'basic, physical or restore; NULL when it was never read.', NULLABLE),
    LAST_TIMESTAMP: timestamp(6, 'When it was last read at this level.', { ...ORACLE_TIME, isNullable: true }),
    RESULT: bigint('0, or the number of the error.', NULLABLE),
    PROVED: varchar(
      3,
      'YES when everything that the level promises was proved; NO after an error, and without the password.',
    ),
    PROVED_TIMESTAMP: timestamp(6, 'When that was so the last time.', { ...ORACLE_TIME, isNullable: true }),
    PROVED_SCN: ubigint('The point that was proved then.', NULLABLE),
    PROVED_SCN_DISPLAY: datetime(6, 'The same as time.'),
    JOB_ID: bigint('The validate job.', NULLABLE),
    COMMENT: varchar(4096, 'The error, or what was not proved.', NULLABLE),
    COPY_PATH: varchar(4096, 'Destination of a copy; empty for what lies where the set or piece itself does.'),
  },
  *rows(reader) {
    const ledger = reader.store.verifications.find(reader.where);
    const known = new Map<string, Verification[]>();
    const keyOf = (tenantId: number, type: string, id: number, uri: string) => `${tenantId} ${type} ${id} ${uri}`;
    for (const row of ledger) {
      const key = keyOf(row.tenantId, row.objectType, row.objectId, row.uri);
      known.set(key, [...(known.get(key) ?? []), row]);
    }
    for (const { tenantId, type, id, fileStatus, uri } of knownObjects(reader, ledger)) {
      const object = { TENANT_ID: tenantId, OBJECT_TYPE: type, ID: id, FILE_STATUS: fileStatus };
      const rows = known.get(keyOf(tenantId, type, id, uri));
      const path = { COPY_PATH: shownUri(uri) };
      if (!rows) yield { ...object, ...NEVER_READ, ...path };
      for (const row of rows ?? [])
        yield {
          ...object,
          VALIDATE_LEVEL: row.level,
          LAST_TIMESTAMP: reader.showTime(tenantId, row.lastNs),
          RESULT: row.result,
          PROVED: yesNo(row.isProved),
          PROVED_TIMESTAMP: reader.showTime(tenantId, row.provedNs),
          PROVED_SCN: row.provedNs === null ? null : row.provedScn,
          PROVED_SCN_DISPLAY: reader.showScn(tenantId, row.provedScn),
          JOB_ID: row.jobId,
          COMMENT: row.comment,
          ...path,
        };
    }
  },
});

const NEVER_READ = {
  VALIDATE_LEVEL: null,
  LAST_TIMESTAMP: null,
  RESULT: null,
  PROVED: 'NO',
  PROVED_TIMESTAMP: null,
  PROVED_SCN: null,
  PROVED_SCN_DISPLAY: null,
  JOB_ID: null,
  COMMENT: '',
};

/** The facts of each tenant; what all have is read once. */
function protectionFacts(reader: ViewReader): (tenant: Tenant) => ProtectionFacts {
  const { store, where } = reader;
  const sets = byTenant(store.backupSets.find(where));
  const pieces = byTenant(store.pieces.find(where));
  const rounds = byTenant(store.rounds.find(where));
  // What is known of copies is told by the copies' own rows.
  const ledger = byTenant(store.verifications.find(where).filter(({ uri }) => uri === ''));
  const copies = byTenant(store.setCopies.find(where));
  const archiveDests = byTenant(store.archiveDests.find(where));
  const logCopies = byTenant(store.roundCopies.find(where));
  const pieceCopies = byTenant(store.pieceCopies.find(where));
  const dataDests = byTenant(store.dataDests.find(where));
  return ({ tenantId }) => {
    const round = rounds(tenantId).at(-1);
    const figures = round && isRoundRunning(round.status) ? reader.figures(tenantId) : undefined;
    return {
      nowNs: reader.nowNs,
      hasArchiveDest: archiveDests(tenantId).length > 0,
      hasDataDest: dataDests(tenantId).length > 0,
      round: round && {
        status: round.status,
        checkpointScn: figures ? later(round.checkpointScn, figures.checkpointScn) : round.checkpointScn,
      },
      logCopies: logCopies(tenantId)
        .filter(({ roundId }) => roundId === round?.roundId)
        .map((copy) => freshCopy(reader, copy)),
      archiveComment: figures?.comment || round?.comment || '',
      lagTargetNs: () => store.durationUs(tenantId, 'archive_lag_target') * NS_PER_US,
      ...{ sets: sets(tenantId), pieces: pieces(tenantId), ledger: ledger(tenantId) },
      copies: copies(tenantId),
      pieceCopies: pieceCopies(tenantId),
      windows: reader.windows(tenantId),
      showTime: (ns) => reader.showTime(tenantId, ns) ?? '',
    };
  };
}

/** A tenant of its own: a copy that is not activated holds what its source's backups hold. */
const isProtectedHere = ({ tenantId, role, status }: Tenant) =>
  tenantId !== SYS_TENANT_ID && role === 'PRIMARY' && status === 'NORMAL';

export const CDB_HF_PROTECTION = view({
  name: 'CDB_HF_PROTECTION',
  source: 'Holdfast: what is protected, how far back, how fresh, and whether anyone has proved that it restores',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    TENANT_NAME: varchar(128, 'Its name.'),
    NEWEST_RESTORABLE_SCN: ubigint('The newest point that can be restored; NULL for none.', NULLABLE),
    NEWEST_RESTORABLE_SCN_DISPLAY: datetime(6, 'The same as time.'),
    AGE_SECONDS: bigint('Its age.', NULLABLE),
    NEWEST_PROVED_SCN: ubigint('The newest point that a drill restored, or for which every byte was read.', NULLABLE),
    NEWEST_PROVED_SCN_DISPLAY: datetime(6, 'The same as time.'),
    PROVED_AGE_SECONDS: bigint('Its age.', NULLABLE),
    WINDOW_START_SCN: ubigint('From here on every point up to the newest can be restored.', NULLABLE),
    WINDOW_START_SCN_DISPLAY: datetime(6, 'The same as time.'),
    LAST_FULL_BACKUP: timestamp(6, 'End of the last full backup that succeeded.', { ...ORACLE_TIME, isNullable: true }),
    LAST_BACKUP: timestamp(6, 'End of the last backup that succeeded.', { ...ORACLE_TIME, isNullable: true }),
    LAST_DRILL: timestamp(6, 'When the last drill ended.', { ...ORACLE_TIME, isNullable: true }),
    LAST_DRILL_RESULT: bigint('0, or the number of the error that it ended with.', NULLABLE),
    PROBLEMS: varchar(4096, 'What is wrong, worst first, with semicolons; empty when all is well.'),
    STATUS: varchar(16, 'OK, WARNING or CRITICAL.'),
  },
  *rows(reader) {
    const factsOf = protectionFacts(reader);
    const { nowNs } = reader;
    const age = (scn: bigint) => (scn === 0n ? null : nowNs > scn ? (nowNs - scn) / NS_PER_SECOND : 0n);
    for (const tenant of reader.tenants()) {
      if (!isProtectedHere(tenant)) continue;
      const { tenantId, name } = tenant;
      const found = protectionOf(factsOf(tenant));
      yield {
        TENANT_ID: tenantId,
        TENANT_NAME: name,
        NEWEST_RESTORABLE_SCN: found.newestScn || null,
        NEWEST_RESTORABLE_SCN_DISPLAY: reader.showScn(tenantId, found.newestScn),
        AGE_SECONDS: age(found.newestScn),
        NEWEST_PROVED_SCN: found.provedScn || null,
        NEWEST_PROVED_SCN_DISPLAY: reader.showScn(tenantId, found.provedScn),
        PROVED_AGE_SECONDS: age(found.provedScn),
        WINDOW_START_SCN: found.windowStartScn || null,
        WINDOW_START_SCN_DISPLAY: reader.showScn(tenantId, found.windowStartScn),
        LAST_FULL_BACKUP: reader.showTime(tenantId, found.lastFullNs),
        LAST_BACKUP: reader.showTime(tenantId, found.lastBackupNs),
        LAST_DRILL: reader.showTime(tenantId, found.lastDrill?.ns ?? null),
        LAST_DRILL_RESULT: found.lastDrill?.result ?? null,
        PROBLEMS: found.problems.join('; ').slice(0, COMMENT_CHARS_MAX),
        STATUS: found.status,
      };
    }
  },
});

export const VALIDATE_VIEWS: readonly View[] = [
  CDB_OB_BACKUP_VALIDATE_JOBS,
  CDB_OB_BACKUP_VALIDATE_JOB_HISTORY,
  CDB_OB_BACKUP_VALIDATE_TASKS,
  CDB_OB_BACKUP_VALIDATE_TASK_HISTORY,
  CDB_HF_VERIFIED,
  CDB_HF_PROTECTION,
].flatMap((cdb) => [cdb, deriveDba(cdb)]);
