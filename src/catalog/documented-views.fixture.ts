// The columns of every documented view, as the documentation lists them: name and type, `a / b` where the DBA_ view has
// another type. Deviations, on purpose: PARAMETER of delete jobs can hold ids, so it is a varchar in mysql mode too;
// REDUNDANCY of delete policies is ours; END_SCN_DISPLAY stands after END_SCN as in the samples; BACKUP_TYPE of
// BACKUP_SET_FILES is varchar(64), because its documented varchar(1) cannot hold FULL and INC.

const DOCUMENTED: Record<string, string> = {
  OB_ARCHIVE_DEST: `
    TENANT_ID bigint
    DEST_NO bigint
    NAME varchar(1024)
    VALUE varchar(4096)`,
  OB_ARCHIVELOG: `
    TENANT_ID bigint
    DEST_ID bigint
    ROUND_ID bigint
    INCARNATION bigint
    DEST_NO bigint
    STATUS varchar(64)
    START_SCN bigint unsigned
    START_SCN_DISPLAY datetime(6)
    CHECKPOINT_SCN bigint unsigned
    CHECKPOINT_SCN_DISPLAY datetime(6)
    COMPATIBLE bigint
    BASE_PIECE_ID bigint
    USED_PIECE_ID bigint
    PIECE_SWITCH_INTERVAL bigint
    UNIT_SIZE bigint
    COMPRESSION varchar(128)
    INPUT_BYTES bigint(21)
    INPUT_BYTES_DISPLAY varchar(28)
    OUTPUT_BYTES bigint(21)
    OUTPUT_BYTES_DISPLAY varchar(28)
    COMPRESSION_RATIO decimal(24,2)
    DELETED_INPUT_BYTES bigint
    DELETED_INPUT_BYTES_DISPLAY varchar(27)
    DELETED_OUTPUT_BYTES bigint
    DELETED_OUTPUT_BYTES_DISPLAY varchar(27)
    COMMENT varchar(262144)
    PATH varchar(2048)`,
  OB_ARCHIVELOG_PIECE_FILES: `
    TENANT_ID bigint
    DEST_ID bigint
    ROUND_ID bigint
    PIECE_ID bigint
    INCARNATION bigint
    DEST_NO bigint
    CREATE_TIMESTAMP bigint
    STATUS varchar(64)
    START_SCN bigint unsigned
    START_SCN_DISPLAY varchar(26) / datetime(6)
    CHECKPOINT_SCN bigint unsigned
    CHECKPOINT_SCN_DISPLAY varchar(26) / datetime(6)
    MAX_SCN bigint unsigned
    END_SCN bigint unsigned
    END_SCN_DISPLAY varchar(26) / datetime(6)
    COMPATIBLE bigint
    UNIT_SIZE bigint
    COMPRESSION varchar(128)
    INPUT_BYTES bigint
    INPUT_BYTES_DISPLAY varchar(27)
    OUTPUT_BYTES bigint
    OUTPUT_BYTES_DISPLAY varchar(27)
    COMPRESSION_RATIO decimal(23,2)
    FILE_STATUS varchar(64)
    PATH varchar(2048)`,
  OB_BACKUP_PARAMETER: `
    TENANT_ID bigint
    NAME varchar(1024)
    VALUE longtext`,
  OB_BACKUP_JOBS: `
    TENANT_ID bigint
    JOB_ID bigint
    INCARNATION bigint
    BACKUP_SET_ID bigint
    INITIATOR_TENANT_ID bigint
    INITIATOR_JOB_ID bigint
    EXECUTOR_TENANT_ID varchar(65536)
    PLUS_ARCHIVELOG varchar(4096)
    BACKUP_TYPE varchar(4096)
    JOB_LEVEL varchar(4096)
    ENCRYPTION_MODE varchar(4096)
    PASSWD varchar(4096)
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP timestamp(6)
    STATUS varchar(4096)
    RESULT bigint
    COMMENT varchar(4096)
    DESCRIPTION varchar(4096)
    PATH varchar(4096)`,
  OB_BACKUP_TASKS: `
    TENANT_ID bigint
    TASK_ID bigint
    JOB_ID bigint
    INCARNATION bigint
    BACKUP_SET_ID bigint
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP timestamp(6)
    STATUS varchar(4096)
    START_SCN bigint unsigned
    END_SCN bigint unsigned
    USER_LS_START_SCN bigint unsigned
    ENCRYPTION_MODE varchar(4096)
    PASSWD varchar(4096)
    INPUT_BYTES bigint
    OUTPUT_BYTES bigint
    OUTPUT_RATE_BYTES decimal(28,4)
    EXTRA_META_BYTES bigint
    TABLET_COUNT bigint
    FINISH_TABLET_COUNT bigint
    MACRO_BLOCK_COUNT bigint
    FINISH_MACRO_BLOCK_COUNT bigint
    FILE_COUNT bigint
    META_TURN_ID bigint
    DATA_TURN_ID bigint
    RESULT bigint
    COMMENT varchar(4096)
    PATH varchar(4096)
    MINOR_TURN_ID bigint
    MAJOR_TURN_ID bigint
    DATA_PROGRESS decimal(26,2)
    LOG_FILE_COUNT bigint
    FINISH_LOG_FILE_COUNT bigint
    LOG_PROGRESS decimal(26,2)`,
  OB_BACKUP_SET_FILES: `
    TENANT_ID bigint
    BACKUP_SET_ID bigint
    DEST_ID bigint
    INCARNATION bigint
    BACKUP_TYPE varchar(64)
    PREV_FULL_BACKUP_SET_ID bigint
    PREV_INC_BACKUP_SET_ID bigint
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP varchar(26)
    STATUS varchar(64)
    FILE_STATUS varchar(64)
    ELAPSED_SECONDES decimal(22,0)
    PLUS_ARCHIVELOG varchar(4096)
    START_REPLAY_SCN bigint unsigned
    START_REPLAY_SCN_DISPLAY varchar(26)
    MIN_RESTORE_SCN bigint unsigned
    MIN_RESTORE_SCN_DISPLAY varchar(26)
    INPUT_BYTES bigint
    OUTPUT_BYTES bigint
    OUTPUT_RATE_BYTES decimal(28,4)
    EXTRA_META_BYTES bigint
    TABLET_COUNT bigint
    FINISH_TABLET_COUNT bigint
    MACRO_BLOCK_COUNT bigint
    FINISH_MACRO_BLOCK_COUNT bigint
    FILE_COUNT bigint
    META_TURN_ID bigint
    DATA_TURN_ID bigint
    RESULT bigint
    COMMENT varchar(4096)
    ENCRYPTION_MODE varchar(64)
    PASSWD varchar(128)
    TENANT_COMPATIBLE varchar(4096)
    BACKUP_COMPATIBLE bigint
    PATH varchar(4096)
    CLUSTER_VERSION varchar(4096)
    CONSISTENT_SCN bigint unsigned
    MINOR_TURN_ID bigint
    MAJOR_TURN_ID bigint`,
  OB_BACKUP_DELETE_POLICY: `
    TENANT_ID bigint
    POLICY_NAME varchar(256)
    RECOVERY_WINDOW varchar(64)
    REDUNDANCY bigint`,
  OB_BACKUP_DELETE_JOBS: `
    TENANT_ID bigint
    JOB_ID bigint
    INCARNATION bigint
    INITIATOR_TENANT_ID bigint
    INITIATOR_JOB_ID bigint
    EXECUTOR_TENANT_ID varchar(65536)
    TYPE varchar(64)
    PARAMETER varchar(1024)
    JOB_LEVEL varchar(64)
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP timestamp(6)
    STATUS varchar(64)
    TASK_COUNT bigint
    SUCCESS_TASK_COUNT bigint
    RESULT bigint
    COMMENT varchar(4096)`,
  OB_BACKUP_DELETE_TASKS: `
    TENANT_ID bigint
    TASK_ID bigint
    INCARNATION bigint
    JOB_ID bigint
    TASK_TYPE varchar(64)
    ID bigint
    ROUND_ID bigint
    DEST_ID bigint
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP timestamp(6)
    STATUS varchar(64)
    TOTAL_LS_COUNT bigint
    FINISH_LS_COUNT bigint
    TOTAL_BYTES bigint
    DELETE_BYTES bigint
    TOTAL_FILES_COUNT bigint
    DELETE_FILES_COUNT bigint
    RESULT bigint
    COMMENT varchar(4096)
    PATH varchar(1024)`,
  OB_RESTORE_PROGRESS: `
    TENANT_ID bigint
    JOB_ID bigint
    RESTORE_TENANT_NAME longtext
    RESTORE_TENANT_ID bigint / longtext
    BACKUP_TENANT_NAME longtext
    BACKUP_TENANT_ID longtext
    BACKUP_CLUSTER_NAME longtext
    BACKUP_DEST longtext
    RESTORE_OPTION longtext
    RESTORE_SCN bigint unsigned
    RESTORE_SCN_DISPLAY varchar(26) / datetime(6)
    STATUS longtext
    START_TIMESTAMP varchar(26) / datetime(6)
    BACKUP_SET_LIST longtext
    BACKUP_PIECE_LIST longtext
    TOTAL_BYTES bigint
    TOTAL_BYTES_DISPLAY varchar(27)
    FINISH_BYTES bigint
    FINISH_BYTES_DISPLAY varchar(27)
    DESCRIPTION longtext`,
  OB_RESTORE_HISTORY: `
    TENANT_ID bigint
    JOB_ID bigint
    RESTORE_TENANT_NAME varchar(128)
    RESTORE_TENANT_ID bigint
    BACKUP_TENANT_NAME varchar(128)
    BACKUP_TENANT_ID bigint
    BACKUP_CLUSTER_NAME varchar(128)
    BACKUP_DEST longtext
    RESTORE_SCN bigint unsigned
    RESTORE_SCN_DISPLAY varchar(26) / datetime(6)
    RESTORE_OPTION varchar(4096)
    START_TIMESTAMP timestamp(6)
    FINISH_TIMESTAMP timestamp(6)
    STATUS varchar(64)
    BACKUP_PIECE_LIST longtext
    BACKUP_SET_LIST longtext
    BACKUP_CLUSTER_VERSION bigint
    LS_COUNT bigint
    FINISH_LS_COUNT bigint
    TABLET_COUNT bigint
    FINISH_TABLET_COUNT bigint
    TOTAL_BYTES bigint
    TOTAL_BYTES_DISPLAY varchar(27)
    FINISH_BYTES bigint
    FINISH_BYTES_DISPLAY varchar(27)
    DESCRIPTION varchar(1024)
    COMMENT varchar(1024)`,
  OB_LS_LOG_ARCHIVE_PROGRESS: `
    TENANT_ID bigint
    DEST_ID bigint
    LS_ID bigint
    ROUND_ID bigint
    PIECE_ID bigint
    INCARNATION bigint
    START_SCN bigint unsigned
    MIN_LSN bigint unsigned
    MAX_LSN bigint unsigned
    CHECKPOINT_SCN bigint unsigned
    STATUS varchar(64)
    FILE_ID bigint
    FILE_OFFSET bigint
    INPUT_BYTES bigint
    OUTPUT_BYTES bigint`,
  OB_BACKUP_STORAGE_INFO: `
    TENANT_ID bigint
    PATH varchar(1024)
    ENDPOINT varchar(256)
    DEST_ID bigint
    DEST_TYPE varchar(64)
    AUTHORIZATION varchar(1024)
    EXTENSION varchar(512)
    CHECK_FILE_NAME varchar(256)
    LAST_CHECK_TIMESTAMP timestamp(6)`,
  OB_BACKUP_VALIDATE_JOBS: `
    TENANT_ID bigint
    JOB_ID bigint
    INCARNATION bigint
    INITIATOR_TENANT_ID bigint
    INITIATOR_JOB_ID bigint
    EXECUTOR_TENANT_ID varchar(65536)
    TYPE varchar(64)
    PATH varchar(4096)
    PATH_TYPE varchar(64)
    ID varchar(4096)
    VALIDATE_LEVEL varchar(64)
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP timestamp(6)
    STATUS varchar(64)
    RETRY_COUNT bigint
    TASK_COUNT bigint
    SUCCESS_TASK_COUNT bigint
    RESULT bigint
    DESCRIPTION varchar(4096)
    COMMENT varchar(4096)`,
  OB_BACKUP_VALIDATE_TASKS: `
    TENANT_ID bigint
    TASK_ID bigint
    INCARNATION bigint
    JOB_ID bigint
    TASK_TYPE varchar(64)
    ID bigint
    PATH varchar(4096)
    PATH_TYPE varchar(64)
    DEST_ID bigint
    PLUS_ARCHIVELOG varchar(64)
    INITIATOR_TASK_ID bigint
    VALIDATE_LEVEL varchar(64)
    ROUND_ID bigint
    START_TIMESTAMP timestamp(6)
    END_TIMESTAMP timestamp(6)
    STATUS varchar(64)
    TOTAL_LS_COUNT bigint
    FINISH_LS_COUNT bigint
    TOTAL_BYTES bigint
    VALIDATED_BYTES bigint
    RESULT bigint
    COMMENT varchar(4096)`,
  V$OB_ARCHIVE_DEST_STATUS: `
    TENANT_ID bigint
    DEST_ID bigint
    PATH varchar(4096)
    STATUS varchar(64)
    CHECKPOINT_SCN bigint unsigned
    SYNCHRONIZED varchar(32)
    COMMENT varchar(262144)`,
  OB_LOG_RESTORE_SOURCE: `
    TENANT_ID bigint
    ID bigint
    TYPE varchar(32)
    VALUE longtext
    RECOVERY_UNTIL_SCN bigint unsigned`,
  V$OB_LS_LOG_RESTORE_STATUS: `
    TENANT_ID bigint
    LS_ID bigint
    SYNC_LSN bigint unsigned
    SYNC_SCN bigint unsigned
    SYNC_STATUS varchar(128)
    ERR_CODE bigint
    COMMENT varchar(2048)`,
  OB_RECOVER_TABLE_JOBS: `
    TENANT_ID bigint
    JOB_ID bigint
    INITIATOR_TENANT_ID bigint
    INITIATOR_JOB_ID bigint
    START_TIMESTAMP timestamp(6)
    FINISH_TIMESTAMP timestamp(6)
    STATUS varchar(64)
    AUX_TENANT_NAME varchar(64)
    TARGET_TENANT_NAME varchar(64)
    IMPORT_ALL tinyint(4)
    DB_LIST longtext
    TABLE_LIST longtext
    RESTORE_SCN bigint unsigned
    RESTORE_SCN_DISPLAY datetime(6)
    RESTORE_OPTION varchar(4096)
    BACKUP_DEST varchar(4096)
    BACKUP_SET_LIST longtext
    BACKUP_PIECE_LIST longtext
    BACKUP_PASSWD varchar(4096)
    EXTERNAL_KMS_INFO varchar(4096)
    REMAP_DB_LIST longtext
    REMAP_TABLE_LIST longtext
    REMAP_TABLEGROUP_LIST longtext
    REMAP_TABLESPACE_LIST longtext
    RESULT varchar(64)
    COMMENT longtext
    DESCRIPTION longtext`,
  OB_IMPORT_TABLE_JOBS: `
    TENANT_ID bigint
    JOB_ID bigint
    INITIATOR_TENANT_ID bigint
    INITIATOR_JOB_ID bigint
    START_TIMESTAMP timestamp(6)
    FINISH_TIMESTAMP timestamp(6)
    SRC_TENANT_NAME varchar(64)
    SRC_TENANT_ID bigint
    STATUS varchar(64)
    IMPORT_ALL tinyint(4)
    DB_LIST longtext
    TABLE_LIST longtext
    REMAP_DB_LIST longtext
    REMAP_TABLE_LIST longtext
    REMAP_TABLEGROUP_LIST longtext
    REMAP_TABLESPACE_LIST longtext
    TOTAL_TABLE_COUNT bigint
    FINISHED_TABLE_COUNT bigint
    FAILED_TABLE_COUNT bigint
    RESULT varchar(64)
    COMMENT longtext
    DESCRIPTION longtext`,
  OB_IMPORT_TABLE_TASKS: `
    TENANT_ID bigint
    TASK_ID bigint
    JOB_ID bigint
    SRC_TENANT_ID bigint
    SRC_TABLESPACE varchar(128)
    SRC_TABLEGROUP varchar(128)
    SRC_DATABASE varchar(128)
    SRC_TABLE varchar(128)
    SRC_PARTITION varchar(64)
    TARGET_TABLESPACE varchar(128)
    TARGET_TABLEGROUP varchar(128)
    TARGET_DATABASE varchar(128)
    TARGET_TABLE varchar(128)
    TABLE_COLUMN bigint
    STATUS varchar(64)
    START_TIMESTAMP timestamp(6)
    COMPLETION_TIMESTAMP timestamp(6)
    CUMULATIVE_TS bigint
    TOTAL_INDEX_COUNT bigint
    IMPORTED_INDEX_COUNT bigint
    FAILED_INDEX_COUNT bigint
    TOTAL_CONSTRAINT_COUNT bigint
    IMPORTED_CONSTRAINT_COUNT bigint
    FAILED_CONSTRAINT_COUNT bigint
    TOTAL_REF_CONSTRAINT_COUNT bigint
    IMPORTED_REF_CONSTRAINT_COUNT bigint
    FAILED_REF_CONSTRAINT_COUNT bigint
    RESULT varchar(64)
    COMMENT longtext`,
};
/** Views with the columns of another one. */
const ALIKE: Record<string, string> = {
  OB_ARCHIVELOG_SUMMARY: 'OB_ARCHIVELOG',
  OB_BACKUP_JOB_HISTORY: 'OB_BACKUP_JOBS',
  OB_BACKUP_DELETE_JOB_HISTORY: 'OB_BACKUP_DELETE_JOBS',
  OB_BACKUP_DELETE_TASK_HISTORY: 'OB_BACKUP_DELETE_TASKS',
  OB_BACKUP_STORAGE_INFO_HISTORY: 'OB_BACKUP_STORAGE_INFO',
  OB_BACKUP_VALIDATE_JOB_HISTORY: 'OB_BACKUP_VALIDATE_JOBS',
  OB_BACKUP_VALIDATE_TASK_HISTORY: 'OB_BACKUP_VALIDATE_TASKS',
  OB_RECOVER_TABLE_JOB_HISTORY: 'OB_RECOVER_TABLE_JOBS',
  OB_IMPORT_TABLE_JOB_HISTORY: 'OB_IMPORT_TABLE_JOBS',
};
/** Views whose DBA_ form has TENANT_ID too. */
export const KEEPS_TENANT_ID = new Set([
  'OB_BACKUP_STORAGE_INFO',
  'OB_BACKUP_STORAGE_INFO_HISTORY',
  'OB_LOG_RESTORE_SOURCE',
]);
const TASK_HISTORY_LACKS = ['DATA_PROGRESS', 'LOG_FILE_COUNT', 'FINISH_LOG_FILE_COUNT', 'LOG_PROGRESS'];

/** `COLUMN type` of each column of a view, by the name behind its prefix. */
export function documented(name: string): string[] {
  if (name === 'OB_BACKUP_TASK_HISTORY') {
    return documented('OB_BACKUP_TASKS').filter((line) => !TASK_HISTORY_LACKS.includes(line.split(' ')[0]!));
  }
  if (name === 'OB_IMPORT_TABLE_TASK_HISTORY') {
    const [tenantId, _taskId, ...rest] = documented('OB_IMPORT_TABLE_TASKS');
    return [tenantId!, 'TASK_ID varchar(64)', ...rest];
  }
  return DOCUMENTED[ALIKE[name] ?? name]!.trim()
    .split('\n')
    .map((line) => line.trim());
}

/** Views that have a CDB_ and a DBA_ form. */
export const BASE_NAMES = [
  ...Object.keys(DOCUMENTED).filter((name) => name.startsWith('OB_')),
  ...Object.keys(ALIKE),
  'OB_BACKUP_TASK_HISTORY',
  'OB_IMPORT_TABLE_TASK_HISTORY',
];

/** What differs from the documentation, by the name behind the prefix, and why. */
export const VIEW_DIFFERENCES: Readonly<Record<string, string>> = {
  OB_ARCHIVELOG_PIECE_FILES: 'END_SCN_DISPLAY behind END_SCN, as in its samples',
  OB_BACKUP_SET_FILES: 'BACKUP_TYPE is varchar(64): varchar(1) can not hold FULL',
  OB_BACKUP_DELETE_POLICY: 'REDUNDANCY is added: how many full sets stay',
  OB_BACKUP_DELETE_JOBS: 'PARAMETER is a varchar in mysql mode too: it can hold ids',
  OB_BACKUP_DELETE_JOB_HISTORY: 'PARAMETER is a varchar in mysql mode too: it can hold ids',
  OB_BACKUP_JOBS: 'PASSWD shows ****** and no hash, which would be an attack on the key',
  OB_BACKUP_VALIDATE_JOBS: 'ID is a varchar: it can hold several',
  OB_BACKUP_VALIDATE_JOB_HISTORY: 'ID is a varchar: it can hold several',
  OB_IMPORT_TABLE_TASK_HISTORY: 'TASK_ID is varchar(64): the documentation gives no length',
};
