// Views of restores: each job is two rows, one of the sys tenant and one of the new tenant. And what can be restored.
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import { isFinal } from '../model/moves.ts';
import { RESTORE_MOVES, type RestoreJob, type RestoreStatus } from '../model/restore-job.ts';
import { formatBytes } from '../model/size-text.ts';
import { formatTime } from '../model/time-zone.ts';
import type { RestoreWindow } from '../restore/restore-service.ts';
import { CLUSTER_VERSION, shownUri, versionNumber } from './figures.ts';
import {
  bigint,
  datetime,
  deriveDba,
  longtext,
  NULLABLE,
  timestamp,
  ubigint,
  type View,
  type ViewColumns,
  varchar,
  view,
} from './view.ts';
import type { ViewReader } from './view-reader.ts';

const DATETIME = { base: 'datetime', scale: 6 } as const;
const LONGTEXT = { base: 'longtext' } as const;
const ORACLE_TEXT = { oracle: { base: 'varchar', length: 4096 } } as const;
/** The history alone keeps its times as such in an oracle tenant. */
const ORACLE_MOMENT = { oracle: { base: 'timestamp', scale: 6 } } as const;
/** A tenant has one log here, the field's log streams. */
const LS_COUNT = 1;

const STATUSES = Object.keys(RESTORE_MOVES) as RestoreStatus[];

interface JobRow {
  job: RestoreJob;
  /** 1 on the sys tenant's row, the new tenant's id on the other. */
  tenantId: number;
}

function* jobRows({ store, where }: ViewReader, isOver: boolean): Generator<JobRow> {
  const isSys = where.tenantId === SYS_TENANT_ID;
  const own = where.tenantId === undefined || isSys ? {} : { restoreTenantId: where.tenantId };
  const statuses = STATUSES.filter((status) => isFinal(RESTORE_MOVES, status) === isOver);
  // The history grows without end: who asks for what runs does not decode it.
  const jobs = statuses.flatMap((status) => store.restoreJobs.find({ ...own, status }));
  for (const job of jobs.sort((a, b) => a.jobId - b.jobId)) {
    if (where.tenantId === undefined || isSys) yield { job, tenantId: SYS_TENANT_ID };
    if (!isSys) yield { job, tenantId: job.restoreTenantId };
  }
}

/** The word of a state on each of the two rows. @source OceanBase 4.3.3 docs and samples, CDB_OB_RESTORE_PROGRESS */
const STATUS_WORDS: Record<RestoreStatus, { sys: string; tenant: string }> = {
  CREATE_TENANT: { sys: 'CREATE_TENANT', tenant: 'RESTORE_PRE' },
  WAIT_TENANT_RESTORE_FINISH: { sys: 'WAIT_TENANT_RESTORE_FINISH', tenant: 'RESTORING' },
  POST_CHECK: { sys: 'WAIT_TENANT_RESTORE_FINISH', tenant: 'POST_CHECK' },
  CANCELING: { sys: 'CANCELING', tenant: 'CANCELING' },
  RESTORE_SUCCESS: { sys: 'RESTORE_SUCCESS', tenant: 'RESTORE_SUCCESS' },
  RESTORE_FAIL: { sys: 'RESTORE_FAIL', tenant: 'RESTORE_FAIL' },
};

/** Bytes stand on the new tenant's row only. */
function byteFigures({ job, tenantId }: JobRow) {
  const total = tenantId === SYS_TENANT_ID ? null : job.totalBytes;
  const finished = tenantId === SYS_TENANT_ID ? null : job.finishBytes;
  return {
    TOTAL_BYTES: total,
    TOTAL_BYTES_DISPLAY: total === null ? null : formatBytes(total),
    FINISH_BYTES: finished,
    FINISH_BYTES_DISPLAY: finished === null ? null : formatBytes(finished),
  };
}

const BYTE_COLUMNS = {
  TOTAL_BYTES: bigint('Bytes of the new tenant.', { isNullable: true }),
  TOTAL_BYTES_DISPLAY: varchar(27, 'The same with unit.', NULLABLE),
  FINISH_BYTES: bigint('Bytes that are written.', { isNullable: true }),
  FINISH_BYTES_DISPLAY: varchar(27, 'The same with unit.', NULLABLE),
} satisfies ViewColumns;

const shownUris = (uris: readonly string[]) => uris.map(shownUri).join(',');

export const CDB_OB_RESTORE_PROGRESS = view({
  name: 'CDB_OB_RESTORE_PROGRESS',
  source: 'OceanBase 4.3.3 docs, CDB_OB_RESTORE_PROGRESS',
  columns: {
    TENANT_ID: bigint('1 on the row of the sys tenant, the new tenant on the other.'),
    JOB_ID: bigint('The job.'),
    RESTORE_TENANT_NAME: longtext('The new tenant.', ORACLE_TEXT),
    RESTORE_TENANT_ID: bigint('Its id.', { dba: LONGTEXT, oracle: { base: 'bigint' } }),
    BACKUP_TENANT_NAME: longtext('The tenant that was backed up.', ORACLE_TEXT),
    BACKUP_TENANT_ID: longtext('Its id.', ORACLE_TEXT),
    BACKUP_CLUSTER_NAME: longtext('Its cluster.', ORACLE_TEXT),
    BACKUP_DEST: longtext('The uris of the statement, without credentials.', ORACLE_TEXT),
    RESTORE_OPTION: longtext('The WITH text of the statement.', ORACLE_TEXT),
    RESTORE_SCN: ubigint('Target, inclusive.'),
    RESTORE_SCN_DISPLAY: varchar(26, 'The same as time, in the zone of the backup.', { dba: DATETIME }),
    STATUS: longtext('How far it is.', ORACLE_TEXT),
    START_TIMESTAMP: varchar(26, 'Start.', { dba: DATETIME }),
    BACKUP_SET_LIST: longtext('Sets that are used.', ORACLE_TEXT),
    BACKUP_PIECE_LIST: longtext('Pieces that are used.', ORACLE_TEXT),
    ...BYTE_COLUMNS,
    DESCRIPTION: longtext('Text given with the statement.', ORACLE_TEXT),
  },
  *rows(reader) {
    for (const row of jobRows(reader, false)) {
      const { job, tenantId } = row;
      const words = STATUS_WORDS[job.status];
      yield {
        TENANT_ID: tenantId,
        JOB_ID: job.jobId,
        RESTORE_TENANT_NAME: job.restoreTenantName,
        RESTORE_TENANT_ID: job.restoreTenantId,
        BACKUP_TENANT_NAME: job.backupTenantName,
        BACKUP_TENANT_ID: String(job.backupTenantId),
        BACKUP_CLUSTER_NAME: job.backupClusterName,
        BACKUP_DEST: shownUris(job.uris),
        RESTORE_OPTION: shownUri(job.restoreOption),
        RESTORE_SCN: job.restoreScn,
        RESTORE_SCN_DISPLAY: formatTime(job.restoreScn, job.timeZone),
        STATUS: tenantId === SYS_TENANT_ID ? words.sys : words.tenant,
        START_TIMESTAMP: reader.showTime(tenantId, job.startNs),
        BACKUP_SET_LIST: shownUris(job.backupSetList),
        BACKUP_PIECE_LIST: shownUris(job.backupPieceList),
        ...byteFigures(row),
        DESCRIPTION: job.description,
      };
    }
  },
});

export const CDB_OB_RESTORE_HISTORY = view({
  name: 'CDB_OB_RESTORE_HISTORY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_RESTORE_HISTORY',
  columns: {
    TENANT_ID: bigint('1 on the row of the sys tenant, the new tenant on the other.'),
    JOB_ID: bigint('The job.'),
    RESTORE_TENANT_NAME: varchar(128, 'The new tenant.'),
    RESTORE_TENANT_ID: bigint('Its id.'),
    BACKUP_TENANT_NAME: varchar(128, 'The tenant that was backed up.'),
    BACKUP_TENANT_ID: bigint('Its id.'),
    BACKUP_CLUSTER_NAME: varchar(128, 'Its cluster.'),
    BACKUP_DEST: longtext('The uris of the statement, without credentials.'),
    RESTORE_SCN: ubigint('Target, inclusive.'),
    RESTORE_SCN_DISPLAY: varchar(26, 'The same as time, in the zone of the backup.', { dba: DATETIME }),
    RESTORE_OPTION: varchar(4096, 'The WITH text of the statement.'),
    START_TIMESTAMP: timestamp(6, 'Start.', { ...ORACLE_MOMENT, isNullable: true }),
    FINISH_TIMESTAMP: timestamp(6, 'End.', { ...ORACLE_MOMENT, isNullable: true }),
    STATUS: varchar(64, 'SUCCESS or FAILED.'),
    BACKUP_PIECE_LIST: longtext('Pieces that were used.'),
    BACKUP_SET_LIST: longtext('Sets that were used.'),
    BACKUP_CLUSTER_VERSION: bigint('Version of the cluster as a number.'),
    LS_COUNT: bigint('Logs.'),
    FINISH_LS_COUNT: bigint('Logs that were restored.'),
    TABLET_COUNT: bigint('Tables.'),
    FINISH_TABLET_COUNT: bigint('Tables that were restored.'),
    ...BYTE_COLUMNS,
    DESCRIPTION: varchar(1024, 'Text given with the statement.', { isNullable: true }),
    COMMENT: varchar(1024, 'Number and text of the error.', { isNullable: true }),
  },
  *rows(reader) {
    for (const row of jobRows(reader, true)) {
      const { job, tenantId } = row;
      const isSuccess = job.status === 'RESTORE_SUCCESS';
      yield {
        TENANT_ID: tenantId,
        JOB_ID: job.jobId,
        RESTORE_TENANT_NAME: job.restoreTenantName,
        RESTORE_TENANT_ID: job.restoreTenantId,
        BACKUP_TENANT_NAME: job.backupTenantName,
        BACKUP_TENANT_ID: job.backupTenantId,
        BACKUP_CLUSTER_NAME: job.backupClusterName,
        BACKUP_DEST: shownUris(job.uris),
        RESTORE_SCN: job.restoreScn,
        RESTORE_SCN_DISPLAY: formatTime(job.restoreScn, job.timeZone),
        RESTORE_OPTION: shownUri(job.restoreOption),
        START_TIMESTAMP: reader.showTime(tenantId, job.startNs),
        FINISH_TIMESTAMP: reader.showTime(tenantId, job.endNs),
        STATUS: isSuccess ? 'SUCCESS' : 'FAILED',
        BACKUP_PIECE_LIST: shownUris(job.backupPieceList),
        BACKUP_SET_LIST: shownUris(job.backupSetList),
        BACKUP_CLUSTER_VERSION: versionNumber(CLUSTER_VERSION),
        LS_COUNT,
        FINISH_LS_COUNT: isSuccess ? LS_COUNT : 0,
        TABLET_COUNT: job.tabletCount,
        FINISH_TABLET_COUNT: isSuccess ? job.tabletCount : 0,
        ...byteFigures(row),
        DESCRIPTION: job.description || null,
        COMMENT: job.comment || null,
      };
    }
  },
});

/** Pieces whose log lies within a window. */
function piecesOf(reader: ViewReader, tenantId: number, window: RestoreWindow): ArchivePiece[] {
  return reader.store.pieces
    .find({ tenantId, roundId: window.roundId })
    .filter((piece) => piece.fileStatus === 'AVAILABLE')
    .filter((piece) => piece.startScn <= window.toScn && piece.endScn > window.fromScn);
}

/** What stands in the way of going on from the end of a window, and where a repair goes on; '' for nothing. */
function windowComment(reader: ViewReader, tenantId: number, window: RestoreWindow): string {
  const { roundId } = window;
  const round = reader.store.rounds.get({ tenantId, roundId });
  if (!round || round.status === 'DOING') return '';
  const because = `round ${roundId} is ${round.status}${round.comment ? `: ${round.comment}` : ''}`;
  const repair = reader.store.rounds.find({ tenantId, baseRoundId: roundId }).find(({ repairedScn }) => repairedScn);
  if (!repair?.repairedScn) return because;
  return `${because}; round ${repair.roundId} repaired it from SCN ${repair.repairedScn} on, between lies a hole`;
}

export const CDB_HF_RESTORE_WINDOW = view({
  name: 'CDB_HF_RESTORE_WINDOW',
  source: 'Holdfast: one row per unbroken range of points that a tenant can be restored to',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    TENANT_NAME: varchar(128, 'Its name.'),
    FROM_SCN: ubigint('Earliest point, inclusive.'),
    FROM_SCN_DISPLAY: datetime(6, 'The same as time.'),
    TO_SCN: ubigint('Latest point, inclusive.'),
    TO_SCN_DISPLAY: datetime(6, 'The same as time.'),
    ROUND_ID: bigint('Archive round that the range lies in.'),
    BACKUP_SET_LIST: longtext('Ids of the sets that a restore can start from, with commas.'),
    PIECE_LIST: longtext('Ids of the pieces whose log lies in the range, with commas.'),
    COMMENT: varchar(4096, 'Why the range does not grow; empty while it does.'),
  },
  *rows(reader) {
    for (const { tenantId, name } of reader.protectedTenants()) {
      if (tenantId === SYS_TENANT_ID) continue;
      for (const window of reader.windows(tenantId)) {
        yield {
          TENANT_ID: tenantId,
          TENANT_NAME: name,
          FROM_SCN: window.fromScn,
          FROM_SCN_DISPLAY: reader.showScn(tenantId, window.fromScn),
          TO_SCN: window.toScn,
          TO_SCN_DISPLAY: reader.showScn(tenantId, window.toScn),
          ROUND_ID: window.roundId,
          BACKUP_SET_LIST: window.backupSetIds.join(','),
          PIECE_LIST: piecesOf(reader, tenantId, window)
            .map((piece) => piece.pieceId)
            .join(','),
          COMMENT: windowComment(reader, tenantId, window),
        };
      }
    }
  },
});

export const RESTORE_VIEWS: readonly View[] = [
  CDB_OB_RESTORE_PROGRESS,
  CDB_OB_RESTORE_HISTORY,
  CDB_HF_RESTORE_WINDOW,
].flatMap((cdb) => [cdb, deriveDba(cdb)]);
