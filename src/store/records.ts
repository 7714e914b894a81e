// Which field of which noun is kept how. The columns are those of `migrations.ts`.
import type { DestKind } from '../format/format-file.ts';
import type { WrittenBlock } from '../format/index-pages.ts';
import type { ArchiveCopyDest, PieceCopy, RoundCopy } from '../model/archive-copy.ts';
import type { ArchiveDest, ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { AuditEvent } from '../model/audit-event.ts';
import type { BackupJob, BackupSet, BackupTask } from '../model/backup-job.ts';
import type { DeleteJob, DeletePolicy, DeleteTask } from '../model/delete-job.ts';
import type { LeaseStatus } from '../model/lease-status.ts';
import type { Grant } from '../model/privilege.ts';
import type { ImportJob, ImportTask, RecoverJob } from '../model/recover-job.ts';
import type { RestoreJob } from '../model/restore-job.ts';
import type { Schedule } from '../model/schedule.ts';
import type { Scn } from '../model/scn.ts';
import type { DataDestCopy, SetCopy } from '../model/set-copy.ts';
import type { Standby } from '../model/standby.ts';
import type { ResourcePool, ResourceUnit, Tenant } from '../model/tenant.ts';
import type { ValidateJob, ValidateTask, Verification } from '../model/validate-job.ts';
import type { Statements } from './statements.ts';
import { big, bool, bytes, int, json, orNull, real, Table, text } from './table.ts';

/** An account: verifiers of its password, both empty for an empty password. The administrator's grants are not kept. */
export interface Account {
  tenantId: number;
  user: string;
  nativeHash: Uint8Array;
  sha2Hash: Uint8Array;
  /** It can not log in. */
  isLocked: boolean;
  grants: Grant[];
}

/** An account without a password, as administrators begin: it can log in from the loopback address only. */
export function accountWithoutPassword(tenantId: number, user: string): Account {
  const empty = new Uint8Array(0);
  return { tenantId, user, nativeHash: empty, sha2Hash: empty, isLocked: false, grants: [] };
}

/** Of an active piece whose objects are put whole: up to where their numbers may have been given. */
export interface SpentNumbers {
  tenantId: number;
  destId: number;
  pieceId: number;
  spentTo: number;
}

export interface DataDest {
  tenantId: number;
  destId: number;
  uri: string;
}

/** A path that a tenant has used, and what was said and found of it. */
export interface StoredDestination {
  tenantId: number;
  destId: number;
  /** Without options. */
  uri: string;
  options: Record<string, string>;
  /** Empty while it was never claimed. */
  destType: DestKind | '';
  /** Object by which it was proved that it can be written. */
  checkFileName: string;
  /** When that was last proved; null when a catalog told of it. */
  lastCheckNs: bigint | null;
}
/** Who writes a path of a tenant, as far as this server knows. */
export interface StoredLease {
  tenantId: number;
  /** Without options. */
  uri: string;
  destType: DestKind;
  status: LeaseStatus;
  /** The newest one known. */
  generation: number;
  /** Of its holder. */
  hostName: string;
  dataDir: string;
  /** null when it is not known. */
  acquiredNs: bigint | null;
  /** Another server may have written to rounds up to here; 0 for none. */
  foreignRoundId: number;
  /** Why this server does not write there; '' when it does. */
  comment: string;
}

/** What was said of a path before something else was. */
export interface PastDestination extends StoredDestination {
  historyId: number;
}

/** How an object store is accessed for a tenant; a row for each that he uses. */
export interface DestinationAccess {
  tenantId: number;
  uri: string;
  /** The cluster's administration named it: it may be on any network, and be reached with the server's own rights. */
  isApproved: boolean;
  /** Id and key, under the cluster's key; null where the server's own rights are used. */
  sealedAccess: Uint8Array | null;
}

/** Whose backups the rows of a tenant id are that were recorded from a destination: his own here is another tenant, or none. */
export interface RecordedSource {
  /** Under which the rows are kept. */
  tenantId: number;
  sourceClusterUuid: string;
  sourceClusterName: string;
  sourceTenantId: number;
  sourceTenantName: string;
  timeZone: string;
}

/** A tenant whose archived log nobody holds, because nothing in its files has changed since. */
export interface ArchiveRest {
  tenantId: number;
  /** The round that goes on when the tenant is used again. */
  roundId: number;
  /** Figures of the round as they were at the last look. */
  checkpointScn: Scn;
  maxScn: Scn;
  inputBytes: bigint;
  outputBytes: bigint;
  /** Identity of the tenant's files at rest. */
  files: string;
}

/** A data file that is complete at the destination while its set is not: after a crash its blocks need not be made again. */
export interface FinishedPack {
  tenantId: number;
  backupSetId: number;
  packNo: number;
  /** Of the set as its blocks name it. */
  setUuid: string;
  /** Object name below the set's directory. */
  name: string;
  sizeBytes: number;
  checksum: Uint8Array;
  blocks: readonly WrittenBlock[];
}

/** One version of a tenant's key. It outlives its tenant, as his backups do. */
export interface TenantKeyRecord {
  tenantId: number;
  /** From 1; the greatest one encrypts what is new. */
  version: number;
  /** Id of the key, in hex: names it at destinations. */
  keyId: string;
  /** The key under the cluster's key file. */
  sealedKey: Uint8Array;
  createdNs: bigint;
  /** When BACKUP KEY wrote it to a file last; null: never. */
  exportedNs: bigint | null;
}

export type TenantArchiveDest = ArchiveDest & { tenantId: number };

function tenantTables(db: Statements) {
  return {
    tenants: new Table<Tenant>(
      db,
      'tenant',
      {
        tenantId: int,
        name: text,
        mode: text,
        role: text,
        status: text,
        engine: text,
        location: text,
        isAdopted: bool,
        timeZone: text,
        isArchiveMode: bool,
        lastScn: big,
        recoveryUntilScn: big,
        poolName: orNull(text),
        comment: text,
        createdNs: big,
      },
      ['tenantId'],
    ),
    units: new Table<ResourceUnit>(
      db,
      'resource_unit',
      { name: text, unitId: int, maxCpu: real, minCpu: real, memoryBytes: big, attributes: json },
      ['name'],
    ),
    pools: new Table<ResourcePool>(
      db,
      'resource_pool',
      { name: text, poolId: int, unitName: text, unitNum: int, zones: json, tenantId: orNull(int) },
      ['name'],
    ),
    accounts: new Table<Account>(
      db,
      'account',
      { tenantId: int, user: text, nativeHash: bytes, sha2Hash: bytes, isLocked: bool, grants: json },
      ['tenantId', 'user'],
    ),
    auditEvents: new Table<AuditEvent>(
      db,
      'audit_event',
      {
        eventId: int,
        tenantId: int,
        kind: text,
        user: text,
        host: text,
        connectionId: orNull(int),
        statement: orNull(text),
        firstNs: big,
        lastNs: big,
        count: int,
        errno: orNull(int),
        elapsedUs: orNull(int),
      },
      ['eventId'],
    ),
  };
}

const destinationFields = {
  tenantId: int,
  destId: int,
  uri: text,
  options: json,
  destType: text,
  checkFileName: text,
  lastCheckNs: orNull(big),
};

function destinationTables(db: Statements) {
  return {
    destinations: new Table<StoredDestination>(db, 'destination', destinationFields, ['tenantId', 'destId']),
    destinationHistory: new Table<PastDestination>(
      db,
      'destination_history',
      { historyId: int, ...destinationFields },
      ['historyId'],
    ),
    destinationAccess: new Table<DestinationAccess>(
      db,
      'destination_access',
      { tenantId: int, uri: text, isApproved: bool, sealedAccess: orNull(bytes) },
      ['tenantId', 'uri'],
    ),
    leases: new Table<StoredLease>(
      db,
      'lease',
      {
        tenantId: int,
        uri: text,
        destType: text,
        status: text,
        generation: int,
        hostName: text,
        dataDir: text,
        acquiredNs: orNull(big),
        foreignRoundId: int,
        comment: text,
      },
      ['tenantId', 'uri'],
    ),
  };
}

/** What a leading destination and its copies both keep of rounds and pieces. */
const roundFields = {
  tenantId: int,
  destId: int,
  roundId: int,
  status: text,
  startScn: big,
  checkpointScn: big,
  basePieceId: int,
  usedPieceId: int,
  pieceSwitchIntervalUs: big,
  inputBytes: big,
  outputBytes: big,
  comment: text,
  uri: text,
  baseRoundId: orNull(int),
  baseScn: orNull(big),
  repairedScn: orNull(big),
};
const pieceFields = {
  tenantId: int,
  destId: int,
  roundId: int,
  pieceId: int,
  status: text,
  fileStatus: text,
  lockedUntilNs: big,
  createdUs: big,
  startScn: big,
  checkpointScn: big,
  maxScn: big,
  endScn: big,
  inputBytes: big,
  outputBytes: big,
  uri: text,
};

function archiveTables(db: Statements) {
  return {
    archiveDests: new Table<TenantArchiveDest>(
      db,
      'archive_dest',
      {
        tenantId: int,
        destId: int,
        uri: text,
        binding: text,
        pieceSwitchIntervalUs: big,
        pieceSwitchIntervalText: text,
        state: text,
      },
      ['tenantId'],
    ),
    archiveCopyDests: new Table<ArchiveCopyDest>(
      db,
      'archive_copy_dest',
      { tenantId: int, destNo: int, destId: int, uri: text, binding: text, state: text },
      ['tenantId', 'destNo'],
    ),
    recordedSources: new Table<RecordedSource>(
      db,
      'recorded_source',
      {
        tenantId: int,
        sourceClusterUuid: text,
        sourceClusterName: text,
        sourceTenantId: int,
        sourceTenantName: text,
        timeZone: text,
      },
      ['tenantId'],
    ),
    archiveRests: new Table<ArchiveRest>(
      db,
      'archive_rest',
      { tenantId: int, roundId: int, checkpointScn: big, maxScn: big, inputBytes: big, outputBytes: big, files: text },
      ['tenantId'],
    ),
    dataDests: new Table<DataDest>(db, 'data_dest', { tenantId: int, destId: int, uri: text }, ['tenantId']),
    rounds: new Table<ArchiveRound>(db, 'archive_round', roundFields, ['tenantId', 'roundId']),
    roundCopies: new Table<RoundCopy>(
      db,
      'archive_round_copy',
      { ...roundFields, destNo: int, batchNo: int, batchHash: orNull(bytes), isComplete: bool },
      ['tenantId', 'roundId', 'destId'],
    ),
    ...pieceTables(db),
  };
}

function pieceTables(db: Statements) {
  return {
    pieces: new Table<ArchivePiece>(db, 'archive_piece', pieceFields, ['tenantId', 'pieceId']),
    pieceCopies: new Table<PieceCopy>(db, 'archive_piece_copy', pieceFields, ['tenantId', 'pieceId', 'destId']),
    segmentNumbers: new Table<SpentNumbers>(
      db,
      'segment_number',
      { tenantId: int, destId: int, pieceId: int, spentTo: int },
      ['tenantId', 'destId', 'pieceId'],
    ),
  };
}

/** Fields that jobs and tasks of every kind of work keep. */
const outcome = { status: text, startNs: big, endNs: orNull(big), result: int, comment: text };
/** Fields that the jobs of statements keep. */
const initiated = { initiatorTenantId: int, initiatorJobId: int, executorTenantIds: json, description: text };
/** Fields that a task and its set both keep. */
const figures = {
  ...outcome,
  encryptionMode: text,
  inputBytes: big,
  outputBytes: big,
  tabletCount: int,
  finishTabletCount: int,
  blockCount: int,
  finishBlockCount: int,
  fileCount: int,
  uri: text,
};

function backupTables(db: Statements) {
  return {
    backupJobs: new Table<BackupJob>(
      db,
      'backup_job',
      {
        tenantId: int,
        jobId: int,
        backupSetId: int,
        isPlusArchivelog: bool,
        backupType: text,
        level: text,
        encryptionMode: text,
        keys: orNull(json),
        parent: orNull(json),
        uri: text,
        ...initiated,
        ...outcome,
      },
      ['tenantId', 'jobId'],
    ),
    backupTasks: new Table<BackupTask>(
      db,
      'backup_task',
      {
        tenantId: int,
        taskId: int,
        jobId: int,
        backupSetId: int,
        attempt: int,
        startScn: big,
        endScn: big,
        userLsStartScn: big,
        ...figures,
      },
      ['tenantId', 'taskId'],
    ),
    finishedPacks: new Table<FinishedPack>(
      db,
      'finished_pack',
      {
        tenantId: int,
        backupSetId: int,
        packNo: int,
        setUuid: text,
        name: text,
        sizeBytes: int,
        checksum: bytes,
        blocks: json,
      },
      ['tenantId', 'backupSetId', 'packNo'],
    ),
    backupSets: new Table<BackupSet>(
      db,
      'backup_set',
      {
        tenantId: int,
        backupSetId: int,
        destId: int,
        backupType: text,
        prevFullBackupSetId: int,
        prevIncBackupSetId: int,
        fileStatus: text,
        lockedUntilNs: big,
        isPlusArchivelog: bool,
        roundId: int,
        consistentScn: big,
        startReplayScn: big,
        minRestoreScn: big,
        ...figures,
      },
      ['tenantId', 'backupSetId'],
    ),
  };
}

function deleteTables(db: Statements) {
  return {
    deletePolicies: new Table<DeletePolicy>(
      db,
      'delete_policy',
      { tenantId: int, policyName: text, recoveryWindow: orNull(text), redundancy: orNull(int) },
      ['tenantId'],
    ),
    deleteJobs: new Table<DeleteJob>(
      db,
      'delete_job',
      {
        tenantId: int,
        jobId: int,
        type: text,
        expiryNs: orNull(big),
        ids: json,
        level: text,
        taskCount: int,
        successTaskCount: int,
        ...initiated,
        ...outcome,
      },
      ['tenantId', 'jobId'],
    ),
    deleteTasks: new Table<DeleteTask>(
      db,
      'delete_task',
      {
        tenantId: int,
        taskId: int,
        jobId: int,
        taskType: text,
        objectId: int,
        roundId: int,
        destId: int,
        fileStatusBefore: text,
        totalBytes: big,
        deletedBytes: big,
        totalFiles: int,
        deletedFiles: int,
        uri: text,
        ...outcome,
      },
      ['tenantId', 'taskId'],
    ),
  };
}

function validateTables(db: Statements) {
  return {
    validateJobs: new Table<ValidateJob>(
      db,
      'validate_job',
      {
        tenantId: int,
        jobId: int,
        type: text,
        uri: text,
        pathType: text,
        ids: json,
        level: text,
        checkLevel: text,
        taskCount: int,
        successTaskCount: int,
        sealedDataKeys: json,
        ...initiated,
        ...outcome,
      },
      ['tenantId', 'jobId'],
    ),
    validateTasks: new Table<ValidateTask>(
      db,
      'validate_task',
      {
        tenantId: int,
        taskId: int,
        jobId: int,
        taskType: text,
        objectId: int,
        directory: text,
        uri: text,
        pathType: text,
        archiveUri: text,
        destId: int,
        roundId: int,
        level: text,
        totalBytes: big,
        validatedBytes: big,
        ...outcome,
      },
      ['tenantId', 'taskId'],
    ),
    verifications: new Table<Verification>(
      db,
      'verification',
      {
        tenantId: int,
        objectType: text,
        objectId: int,
        level: text,
        uri: text,
        jobId: int,
        lastNs: big,
        result: int,
        comment: text,
        isProved: bool,
        provedNs: orNull(big),
        provedScn: big,
      },
      ['tenantId', 'objectType', 'objectId', 'level', 'uri'],
    ),
  };
}

function restoreTables(db: Statements) {
  return {
    restoreJobs: new Table<RestoreJob>(
      db,
      'restore_job',
      {
        jobId: int,
        restoreTenantName: text,
        restoreTenantId: int,
        backupTenantName: text,
        backupTenantId: int,
        backupClusterName: text,
        uris: json,
        restoreOption: text,
        restoreScn: big,
        timeZone: text,
        status: text,
        startNs: big,
        endNs: orNull(big),
        backupSetList: json,
        backupPieceList: json,
        planSeed: text,
        sealedDataKeys: json,
        totalBytes: orNull(big),
        finishBytes: orNull(big),
        tabletCount: int,
        description: text,
        comment: text,
      },
      ['jobId'],
    ),
    standbys: new Table<Standby>(
      db,
      'standby',
      {
        tenantId: int,
        clusterUuid: text,
        sourceTenantId: int,
        sourceUri: text,
        scn: big,
        commitScn: big,
        roundId: int,
        checksum: text,
        nextScn: orNull(big),
        nextCommitScn: orNull(big),
        nextRoundId: orNull(int),
        nextChecksum: orNull(text),
        isReplayed: bool,
      },
      ['tenantId'],
    ),
  };
}

function scheduleTables(db: Statements) {
  return {
    schedules: new Table<Schedule>(
      db,
      'backup_schedule',
      {
        tenantId: int,
        name: text,
        type: text,
        cron: text,
        targets: orNull(json),
        sealedPassword: orNull(bytes),
        level: orNull(text),
        budgetBytes: orNull(big),
        isPaused: bool,
        description: text,
        createdNs: big,
        nextNs: big,
        runStatus: orNull(text),
        runDueNs: orNull(big),
        runStartNs: orNull(big),
        runEndNs: orNull(big),
        runJobs: json,
        runResult: int,
        runComment: text,
        runCount: int,
        failedCount: int,
        skippedCount: int,
      },
      ['tenantId', 'name'],
    ),
  };
}

function keyTables(db: Statements) {
  return {
    tenantKeys: new Table<TenantKeyRecord>(
      db,
      'tenant_key',
      { tenantId: int, version: int, keyId: text, sealedKey: bytes, createdNs: big, exportedNs: orNull(big) },
      ['tenantId', 'version'],
    ),
  };
}

function copyTables(db: Statements) {
  return {
    dataDestCopies: new Table<DataDestCopy>(
      db,
      'data_dest_copy',
      { tenantId: int, destNo: int, destId: int, uri: text, binding: text },
      ['tenantId', 'destNo'],
    ),
    setCopies: new Table<SetCopy>(
      db,
      'backup_set_copy',
      {
        ...{ tenantId: int, backupSetId: int, destId: int, uri: text, status: text },
        ...{ totalBytes: big, copiedBytes: big, startNs: orNull(big), endNs: orNull(big), result: int, comment: text },
      },
      ['tenantId', 'backupSetId', 'destId'],
    ),
  };
}

function recoverTables(db: Statements) {
  return {
    recoverJobs: new Table<RecoverJob>(
      db,
      'recover_job',
      {
        jobId: int,
        targetTenantId: int,
        targetTenantName: text,
        targetJobId: int,
        auxTenantId: int,
        auxTenantName: text,
        restoreJobId: int,
        choice: json,
        renames: json,
        restoreScn: big,
        timeZone: text,
        restoreOption: text,
        uris: json,
        backupSetList: json,
        backupPieceList: json,
        hasPassword: bool,
        description: text,
        ...outcome,
      },
      ['jobId'],
    ),
    importJobs: new Table<ImportJob>(
      db,
      'import_job',
      {
        tenantId: int,
        jobId: int,
        recoverJobId: int,
        tableCount: int,
        finishedTableCount: int,
        failedTableCount: int,
        ...outcome,
      },
      ['tenantId', 'jobId'],
    ),
    importTasks: new Table<ImportTask>(
      db,
      'import_task',
      {
        tenantId: int,
        taskId: int,
        jobId: int,
        sourceTable: text,
        targetTable: text,
        createSql: text,
        columnCount: int,
        indexCount: int,
        constraintCount: int,
        refConstraintCount: int,
        ...outcome,
      },
      ['tenantId', 'taskId'],
    ),
  };
}

/** Every table of the store, by the name that rooms use. */
export type Tables = ReturnType<typeof tables>;

export function tables(db: Statements) {
  return {
    ...tenantTables(db),
    ...destinationTables(db),
    ...archiveTables(db),
    ...backupTables(db),
    ...deleteTables(db),
    ...restoreTables(db),
    ...scheduleTables(db),
    ...validateTables(db),
    ...keyTables(db),
    ...copyTables(db),
    ...recoverTables(db),
  };
}
