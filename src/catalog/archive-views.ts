// Views of the log archive: destinations, rounds, pieces.
import { FIRST_DEST_NO } from '../model/archive-copy.ts';
import { type ArchiveRound, isRoundRunning } from '../model/archive-round.ts';
import { formatWithOptions, parseDestinationUri } from '../model/destination-uri.ts';
import { formatBytes } from '../model/size-text.ts';
import type { Store } from '../store/store.ts';
import { deletedBytes, freshPiece, groupBy, shownPieces, shownRounds } from './archive-rows.ts';
import { FORMAT_COMPATIBLE, INCARNATION, quotient, shownUri } from './figures.ts';
import {
  bigint,
  datetime,
  decimal,
  deriveDba,
  longtext,
  ubigint,
  type View,
  type ViewColumns,
  varchar,
  view,
} from './view.ts';
import type { ViewReader } from './view-reader.ts';

const MYSQL_TIME = { base: 'datetime', scale: 6 } as const;
/** The field's name of the compression that log batches have. */
const COMPRESSION = 'zstd_1.3.8';
const UNIT_SIZE = 1;
/** A tenant's log is one log stream here. */
const LS_ID = 1;

/** Shows destinations as statements would set them. */
function settingOf(store: Store): (uri: string) => string {
  const all = store.allDestinationOptions();
  return (uri) => {
    const options = all.get(uri);
    return shownUri(options ? formatWithOptions({ ...parseDestinationUri(uri), options }) : uri);
  };
}

const CDB_OB_ARCHIVE_DEST = view({
  name: 'CDB_OB_ARCHIVE_DEST',
  source: 'OceanBase 4.3.3 docs, CDB_OB_ARCHIVE_DEST',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    DEST_NO: bigint('Slot of the destination; 0 is LOG_ARCHIVE_DEST, 1 to 3 are its copies.'),
    NAME: varchar(1024, 'Attribute: binding, dest_id, path, piece_switch_interval, state.'),
    VALUE: varchar(4096, 'Its value.'),
  },
  *rows({ store, where }) {
    const setting = settingOf(store);
    const copies = groupBy(store.archiveCopyDests.find(where), ({ tenantId }) => String(tenantId));
    for (const first of store.archiveDests.find(where)) {
      for (const dest of [{ ...first, destNo: FIRST_DEST_NO }, ...copies(String(first.tenantId))]) {
        const attributes = {
          binding: dest.binding,
          dest_id: String(dest.destId),
          path: setting(dest.uri),
          // Pieces of copies are those of LOG_ARCHIVE_DEST.
          piece_switch_interval: first.pieceSwitchIntervalText,
          state: dest.state,
        };
        for (const [name, value] of Object.entries(attributes)) {
          yield { TENANT_ID: dest.tenantId, DEST_NO: dest.destNo, NAME: name, VALUE: value };
        }
      }
    }
  },
});

const ROUND_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  DEST_ID: bigint('Number of the destination, from 1001.'),
  ROUND_ID: bigint('The round.'),
  INCARNATION: bigint('Always 1.'),
  DEST_NO: bigint('Slot of the destination; 0 is LOG_ARCHIVE_DEST, 1 to 3 are its copies.'),
  STATUS: varchar(64, 'PREPARE, BEGINNING, DOING, INTERRUPTED, SUSPENDING, SUSPEND, STOPPING or STOP.'),
  START_SCN: ubigint('Start of the round.'),
  START_SCN_DISPLAY: datetime(6, 'The same as time.'),
  CHECKPOINT_SCN: ubigint('Everything up to here is archived.'),
  CHECKPOINT_SCN_DISPLAY: datetime(6, 'The same as time.'),
  COMPATIBLE: bigint('Format version.'),
  BASE_PIECE_ID: bigint('First piece of the round.'),
  USED_PIECE_ID: bigint('Newest piece of the round.'),
  PIECE_SWITCH_INTERVAL: bigint('Length of a piece, microseconds.'),
  UNIT_SIZE: bigint('Not used.'),
  COMPRESSION: varchar(128, 'How batches are compressed.'),
  INPUT_BYTES: bigint('Bytes of captured commits.', { length: 21 }),
  INPUT_BYTES_DISPLAY: varchar(28, 'The same with unit.'),
  OUTPUT_BYTES: bigint('Bytes written to the destination.', { length: 21 }),
  OUTPUT_BYTES_DISPLAY: varchar(28, 'The same with unit.'),
  COMPRESSION_RATIO: decimal(24, 2, 'INPUT_BYTES / OUTPUT_BYTES.'),
  DELETED_INPUT_BYTES: bigint('INPUT_BYTES of pieces that were deleted.'),
  DELETED_INPUT_BYTES_DISPLAY: varchar(27, 'The same with unit.'),
  DELETED_OUTPUT_BYTES: bigint('OUTPUT_BYTES of pieces that were deleted.'),
  DELETED_OUTPUT_BYTES_DISPLAY: varchar(27, 'The same with unit.'),
  COMMENT: varchar(262144, 'Why the round is INTERRUPTED, or why nothing moves; empty when all is well.'),
  PATH: varchar(2048, 'Destination, without credentials.'),
} satisfies ViewColumns;

function roundRow(
  reader: ViewReader,
  round: ArchiveRound & { destNo: number },
  deleted: { input: bigint; output: bigint },
) {
  const { tenantId } = round;
  return {
    TENANT_ID: tenantId,
    DEST_ID: round.destId,
    ROUND_ID: round.roundId,
    INCARNATION,
    DEST_NO: round.destNo,
    STATUS: round.status,
    START_SCN: round.startScn,
    START_SCN_DISPLAY: reader.showScn(tenantId, round.startScn),
    CHECKPOINT_SCN: round.checkpointScn,
    CHECKPOINT_SCN_DISPLAY: reader.showScn(tenantId, round.checkpointScn),
    COMPATIBLE: FORMAT_COMPATIBLE,
    BASE_PIECE_ID: round.basePieceId,
    USED_PIECE_ID: round.usedPieceId,
    PIECE_SWITCH_INTERVAL: round.pieceSwitchIntervalUs,
    UNIT_SIZE,
    COMPRESSION,
    INPUT_BYTES: round.inputBytes,
    INPUT_BYTES_DISPLAY: formatBytes(round.inputBytes),
    OUTPUT_BYTES: round.outputBytes,
    OUTPUT_BYTES_DISPLAY: formatBytes(round.outputBytes),
    COMPRESSION_RATIO: quotient(round.inputBytes, round.outputBytes, 2),
    DELETED_INPUT_BYTES: deleted.input,
    DELETED_INPUT_BYTES_DISPLAY: formatBytes(deleted.input),
    DELETED_OUTPUT_BYTES: deleted.output,
    DELETED_OUTPUT_BYTES_DISPLAY: formatBytes(deleted.output),
    COMMENT: round.comment,
    PATH: shownUri(round.uri),
  };
}

export const CDB_OB_ARCHIVELOG = view({
  name: 'CDB_OB_ARCHIVELOG',
  source: 'OceanBase 4.3.3 docs, CDB_OB_ARCHIVELOG',
  columns: ROUND_COLUMNS,
  *rows(reader) {
    const deleted = deletedBytes(reader);
    for (const { round, archivedScn, isCurrent } of shownRounds(reader))
      if (isCurrent) yield roundRow(reader, { ...round, checkpointScn: archivedScn }, deleted(round));
  },
});

const CDB_OB_ARCHIVELOG_SUMMARY = view({
  name: 'CDB_OB_ARCHIVELOG_SUMMARY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_ARCHIVELOG_SUMMARY',
  columns: ROUND_COLUMNS,
  *rows(reader) {
    const deleted = deletedBytes(reader);
    for (const { round, archivedScn } of shownRounds(reader))
      yield roundRow(reader, { ...round, checkpointScn: archivedScn }, deleted(round));
  },
});

const CDB_OB_ARCHIVELOG_PIECE_FILES = view({
  name: 'CDB_OB_ARCHIVELOG_PIECE_FILES',
  source: 'OceanBase 4.3.3 docs, CDB_OB_ARCHIVELOG_PIECE_FILES; END_SCN_DISPLAY as in its samples',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    DEST_ID: bigint('Number of the destination, from 1001.'),
    ROUND_ID: bigint('The round.'),
    PIECE_ID: bigint('The piece; numbers go on over rounds.'),
    INCARNATION: bigint('Always 1.'),
    DEST_NO: bigint('Slot of the destination; 0 is LOG_ARCHIVE_DEST, 1 to 3 are its copies.'),
    CREATE_TIMESTAMP: bigint('When the piece was opened, microseconds since 1970.', { oracle: null }),
    STATUS: varchar(64, 'ACTIVE, FREEZING or FROZEN.'),
    START_SCN: ubigint('Start of the piece.'),
    START_SCN_DISPLAY: varchar(26, 'The same as time.', { dba: MYSQL_TIME }),
    CHECKPOINT_SCN: ubigint('Everything up to here is archived.'),
    CHECKPOINT_SCN_DISPLAY: varchar(26, 'The same as time.', { dba: MYSQL_TIME }),
    MAX_SCN: ubigint('Newest commit in the piece.'),
    END_SCN: ubigint('Planned end, exclusive.'),
    END_SCN_DISPLAY: varchar(26, 'The same as time.', { dba: MYSQL_TIME }),
    COMPATIBLE: bigint('Format version.'),
    UNIT_SIZE: bigint('Not used.'),
    COMPRESSION: varchar(128, 'How batches are compressed.'),
    INPUT_BYTES: bigint('Bytes of captured commits.'),
    INPUT_BYTES_DISPLAY: varchar(27, 'The same with unit.'),
    OUTPUT_BYTES: bigint('Bytes written to the destination.'),
    OUTPUT_BYTES_DISPLAY: varchar(27, 'The same with unit.'),
    COMPRESSION_RATIO: decimal(23, 2, 'INPUT_BYTES / OUTPUT_BYTES.'),
    FILE_STATUS: varchar(64, 'AVAILABLE, INCOMPLETE, DELETING, DELETED, …'),
    PATH: varchar(2048, 'Destination, without credentials.'),
  },
  *rows(reader) {
    for (const piece of shownPieces(reader)) {
      yield {
        TENANT_ID: piece.tenantId,
        DEST_ID: piece.destId,
        ROUND_ID: piece.roundId,
        PIECE_ID: piece.pieceId,
        INCARNATION,
        DEST_NO: piece.destNo,
        CREATE_TIMESTAMP: piece.createdUs,
        STATUS: piece.status,
        START_SCN: piece.startScn,
        START_SCN_DISPLAY: reader.showScn(piece.tenantId, piece.startScn),
        CHECKPOINT_SCN: piece.checkpointScn,
        CHECKPOINT_SCN_DISPLAY: reader.showScn(piece.tenantId, piece.checkpointScn),
        MAX_SCN: piece.maxScn,
        END_SCN: piece.endScn,
        END_SCN_DISPLAY: reader.showScn(piece.tenantId, piece.endScn),
        COMPATIBLE: FORMAT_COMPATIBLE,
        UNIT_SIZE,
        COMPRESSION,
        INPUT_BYTES: piece.inputBytes,
        INPUT_BYTES_DISPLAY: formatBytes(piece.inputBytes),
        OUTPUT_BYTES: piece.outputBytes,
        OUTPUT_BYTES_DISPLAY: formatBytes(piece.outputBytes),
        COMPRESSION_RATIO: quotient(piece.inputBytes, piece.outputBytes, 2),
        FILE_STATUS: piece.fileStatus,
        PATH: shownUri(piece.uri),
      };
    }
  },
});

/** How old the newest point is that is archived; a clock that was set back counts as no age. */
function lagMs({ status, checkpointScn }: ArchiveRound, nowNs: bigint): bigint | null {
  if (status === 'STOP' || checkpointScn === 0n) return null;
  return nowNs > checkpointScn ? (nowNs - checkpointScn) / 1_000_000n : 0n;
}

export const V_OB_ARCHIVE_DEST_STATUS = view(
  {
    name: 'V$OB_ARCHIVE_DEST_STATUS',
    source: 'OceanBase 4.3.3 docs, V$OB_ARCHIVE_DEST_STATUS',
    columns: {
      TENANT_ID: bigint('The tenant.'),
      DEST_ID: bigint('Number of the destination, from 1001.'),
      PATH: varchar(4096, 'Destination, without credentials.'),
      STATUS: varchar(64, 'As in CDB_OB_ARCHIVELOG.'),
      CHECKPOINT_SCN: ubigint('Everything up to here is archived.'),
      SYNCHRONIZED: varchar(32, 'YES when nothing that is committed still waits to be archived.'),
      COMMENT: varchar(262144, 'Why nothing moves; empty when all is well.'),
      LAG_MS: bigint('Age of CHECKPOINT_SCN; NULL while no round is to archive. Not in OceanBase.'),
      WAL_BYTES: bigint("Size of the tenant's WAL, which holds what is not archived yet. Not in OceanBase."),
      PENDING_COMMITS: bigint('Commits that wait to be archived. Not in OceanBase.'),
    },
    *rows(reader) {
      for (const { round, isCurrent, isCopy } of shownRounds(reader)) {
        if (!isCurrent) continue;
        const figures = reader.figures(round.tenantId);
        const { checkpointScn } = round;
        // What waits is counted before the leading destination; a copy has its own checkpoint alone.
        const isNoneWaiting = isCopy || figures?.pendingCommits === 0;
        const isCaughtUp = figures?.isAttached === true && isNoneWaiting && checkpointScn >= figures.maxScn;
        yield {
          TENANT_ID: round.tenantId,
          DEST_ID: round.destId,
          PATH: shownUri(round.uri),
          STATUS: round.status,
          CHECKPOINT_SCN: checkpointScn,
          SYNCHRONIZED: round.status === 'DOING' && isCaughtUp ? 'YES' : 'NO',
          COMMENT: round.comment,
          LAG_MS: lagMs(round, reader.nowNs),
          WAL_BYTES: figures?.logBytes ?? 0,
          PENDING_COMMITS: figures?.pendingCommits ?? 0,
        };
      }
    },
  },
  { audience: 'everyone', reach: 'fleet' },
);

const CDB_OB_BACKUP_PARAMETER = view({
  name: 'CDB_OB_BACKUP_PARAMETER',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_PARAMETER',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    NAME: varchar(1024, 'data_backup_dest; of copies data_backup_dest_1 to _3.'),
    VALUE: longtext('Destination, without credentials.'),
  },
  *rows({ store, where }) {
    const setting = settingOf(store);
    for (const dest of store.dataDests.find(where)) {
      yield { TENANT_ID: dest.tenantId, NAME: 'data_backup_dest', VALUE: setting(dest.uri) };
    }
    for (const { tenantId, destNo, uri, binding } of store.dataDestCopies.find(where)) {
      const value = `LOCATION=${setting(uri)} BINDING=${binding}`;
      yield { TENANT_ID: tenantId, NAME: `data_backup_dest_${destNo}`, VALUE: value };
    }
  },
});

const CDB_OB_LS_LOG_ARCHIVE_PROGRESS = view({
  name: 'CDB_OB_LS_LOG_ARCHIVE_PROGRESS',
  source: 'OceanBase 4.3.3 docs, CDB_OB_LS_LOG_ARCHIVE_PROGRESS',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    DEST_ID: bigint('Number of the destination, from 1001.'),
    LS_ID: bigint('The log stream; there is one, 1.'),
    ROUND_ID: bigint('The round.'),
    PIECE_ID: bigint('The piece.'),
    INCARNATION: bigint('Always 1.'),
    START_SCN: ubigint('Start of the round.'),
    MIN_LSN: ubigint('Bytes of captured commits before the piece, in its round.'),
    MAX_LSN: ubigint('The same at the end of the piece.'),
    CHECKPOINT_SCN: ubigint('Everything up to here is archived.'),
    STATUS: varchar(64, 'As in CDB_OB_ARCHIVELOG for the newest piece of a round; STOP for those before it.'),
    FILE_ID: bigint('Number of the segment that is open for appending; NULL when none is.', { isNullable: true }),
    FILE_OFFSET: bigint('Its size, bytes.', { isNullable: true }),
    INPUT_BYTES: bigint('Bytes of captured commits.'),
    OUTPUT_BYTES: bigint('Bytes written to the destination.'),
  },
  *rows(reader) {
    const known = new Map<string, ArchiveRound>();
    for (const { round, isCopy } of shownRounds(reader))
      if (!isCopy) known.set(`${round.tenantId}/${round.roundId}`, round);
    let lsn = { key: '', bytes: 0n };
    for (const stored of reader.store.pieces.find(reader.where)) {
      const key = `${stored.tenantId}/${stored.roundId}`;
      const round = known.get(key);
      if (!round) continue;
      const piece = freshPiece(reader, stored);
      const minLsn = lsn.key === key ? lsn.bytes : 0n;
      lsn = { key, bytes: minLsn + piece.inputBytes };
      const isNewest = piece.pieceId === round.usedPieceId;
      const open = isNewest && isRoundRunning(round.status) ? reader.figures(piece.tenantId)?.openSegment : undefined;
      yield {
        TENANT_ID: piece.tenantId,
        DEST_ID: piece.destId,
        LS_ID,
        ROUND_ID: piece.roundId,
        PIECE_ID: piece.pieceId,
        INCARNATION,
        START_SCN: round.startScn,
        MIN_LSN: minLsn,
        MAX_LSN: lsn.bytes,
        CHECKPOINT_SCN: piece.checkpointScn,
        STATUS: isNewest ? round.status : 'STOP',
        FILE_ID: open?.segmentNo ?? null,
        FILE_OFFSET: open?.sizeBytes ?? null,
        INPUT_BYTES: piece.inputBytes,
        OUTPUT_BYTES: piece.outputBytes,
      };
    }
  },
});

export const ARCHIVE_VIEWS: readonly View[] = [
  CDB_OB_ARCHIVE_DEST,
  CDB_OB_ARCHIVELOG,
  CDB_OB_ARCHIVELOG_SUMMARY,
  CDB_OB_ARCHIVELOG_PIECE_FILES,
  CDB_OB_LS_LOG_ARCHIVE_PROGRESS,
  CDB_OB_BACKUP_PARAMETER,
].flatMap((cdb) => [cdb, deriveDba(cdb)]);
