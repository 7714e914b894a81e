// The error numbers that the documentation gives for backup, archive and restore, with a piece of each text, and what we
// raise for them. @source OceanBase 4.3.3 docs and ob_errno.def
import type { ErrorName } from './errors.ts';

export interface DocumentedError {
  /** OceanBase's number without its sign. */
  number: number;
  /** What stands in its text; '' where the documentation gives only the argument. */
  text: string;
  /** null: nothing raises it here. */
  ours: ErrorName | null;
  /** How ours differs, or why there is none. */
  differs?: string;
}

const of = (number: number, text: string, ours: ErrorName | null, differs?: string): DocumentedError => ({
  ...{ number, text, ours },
  ...(differs === undefined ? {} : { differs }),
});

export const DOCUMENTED_ERRORS: readonly DocumentedError[] = [
  of(4002, 'Incorrect arguments to', 'INVALID_ARGUMENT'),
  of(4007, 'not supported', 'NOT_SUPPORTED'),
  of(4012, 'Timeout', 'TIMEOUT'),
  of(4016, 'Internal error', 'INTERNAL'),
  of(4017, 'Entry already exist', 'ENTRY_EXISTS', 'names the entry'),
  of(4018, 'Entry not exist', 'ENTRY_NOT_EXIST', 'names the entry'),
  of(4072, 'Operation canceled', 'CANCELED'),
  of(4179, 'not allowed', 'NOT_ALLOWED'),
  of(4184, 'out of disk space', 'OUT_OF_DISK', 'names the place'),
  of(4626, 'has already been granted to a tenant', 'POOL_ALREADY_GRANTED'),
  of(4650, 'not exist', 'POOL_NOT_EXIST'),
  of(4672, 'replica num not enough', null, 'there are no replicas'),
  of(5001, 'You have an error in your SQL syntax', 'SYNTAX'),
  of(5036, 'Access denied; you need (at least one of) the', 'NO_PRIVILEGE'),
  of(5156, 'already exist', 'TENANT_EXISTS'),
  of(5160, 'not exist', 'TENANT_NOT_EXIST'),
  of(9001, 'URI error', null, '9026 names the uri'),
  of(9010, '', 'BACKUP_DATA_CORRUPT', 'any damaged object, not only an MD5 of OSS: names it and what is wrong'),
  of(9011, 'cannot find backup file', 'BACKUP_FILE_NOT_EXIST', 'names the file'),
  of(9014, 'Another restore is in progress', 'RESTORE_IN_PROGRESS'),
  of(9023, 'cannot start log archive backup', 'CANNOT_START_LOG_ARCHIVE', 'says why'),
  of(9026, 'is not a valid uri', 'INVALID_BACKUP_DEST'),
  of(9027, 'ob log archive interrupted', 'LOG_ARCHIVE_INTERRUPTED', 'says why'),
  of(9029, 'log archive is not running', 'LOG_ARCHIVE_NOT_RUNNING'),
  of(9036, 'Backup is in progress', 'BACKUP_IN_PROGRESS'),
  of(9040, 'backup can not start, because', 'BACKUP_CAN_NOT_START'),
  of(9044, 'delete backup data is in progress', 'BACKUP_DELETE_DATA_IN_PROGRESS', 'names the tenant'),
  of(
    9045,
    'delete backup set do not allow',
    'BACKUP_DELETE_BACKUP_SET_NOT_ALLOWED',
    'the statement is refused, not its job',
  ),
  of(9046, 'backup set id is not valid', 'INVALID_BACKUP_SET_ID', 'names the ids'),
  of(9047, 'invalid password for backup', 'BACKUP_INVALID_PASSWORD', 'says what is missing'),
  of(9064, 'the archive log and backup data are not continuous', 'ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA', 'says where'),
  of(
    9069,
    'deleting backup piece is not allowed',
    'BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED',
    'the statement is refused',
  ),
  of(9070, 'can not connect to backup destination', 'BACKUP_DEST_NOT_CONNECT', 'names it, and why'),
  of(9071, 'no I/O operation permission at the backup destination', 'BACKUP_PERMISSION_DENIED', 'names it, and why'),
  of(9077, 'log discontinuous between two archive rounds', 'ARCHIVE_ROUND_NOT_CONTINUOUS', 'names the nearest points'),
  of(9079, 'archive log had been recycled', null, 'a deleted piece is a hole: 9077, 9119 name the nearest points'),
  of(9080, 'the format file does not exist under the destination', 'BACKUP_FORMAT_FILE_NOT_EXIST'),
  of(9081, 'format file does not match', 'BACKUP_FORMAT_FILE_NOT_MATCH', 'says whose it is'),
  of(9082, 'backup device out of space', 'BACKUP_DEVICE_OUT_OF_SPACE', 'names it'),
  of(9086, 'backup advance checkpoint by flush timeout', null, 'a backup waits for no flush of memory'),
  of(9087, 'observer clog is recycled before archive', 'CLOG_RECYCLE_BEFORE_ARCHIVE', 'says why'),
  of(9091, 'Already in ARCHIVELOG mode', 'ALREADY_IN_ARCHIVE_MODE'),
  of(9092, 'Already in NOARCHIVELOG mode', 'ALREADY_IN_NOARCHIVE_MODE'),
  of(9099, 'restore failed', 'RESTORE_TENANT_FAILED'),
  of(9113, 'is not supported for the input destination', 'CHECKSUM_TYPE_NOT_SUPPORTED'),
  of(9114, 'storage destination is not valid', null, '9026 for a uri, 9070 and 9118 for what does not answer'),
  of(9115, 'can not connect to storage destination', null, '9070, whatever the destination is'),
  of(9116, 'no I/O operation permission of the object storage', null, '9071, whatever the destination is'),
  of(9117, 'the specified s3_region does not match the endpoint', 'S3_REGION_MISMATCH', 'names the destination'),
  of(9118, 'object storage endpoint is invalid', 'INVALID_OBJECT_STORAGE_ENDPOINT', 'names the destination, and why'),
  of(9119, '', 'RESTORE_SOURCE_NOT_ENOUGH', 'names the nearest restorable points'),
];
