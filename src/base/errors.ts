// Every expected error: one table, names and numbers as in the OceanBase documentation, each with what to do next.
// A number is never reused. `docs/errors.md` is generated from this table.
import { AssertionFailure } from './assert.ts';

/** One row of the table. `F` are the facts its message is built from. */
interface ErrorDefinition<F> {
  /** OceanBase number, positive. */
  readonly code: number;
  /** What a client of a mysql tenant sees. */
  readonly errno: number;
  readonly sqlState: string;
  readonly message: (facts: F) => string;
  /** What the operator should do next; empty when the message says it all. */
  readonly hint: string;
  /** ORA number for oracle tenants; without one the client sees ORA-00600 with the number in the text. */
  readonly ora?: number;
  /** What goes with the ORA number, where it is not the same message. */
  readonly oraMessage?: (facts: F) => string;
}

const def = <F = Record<never, never>>(
  code: number,
  errno: number,
  sqlState: string,
  message: (facts: F) => string,
  hint = '',
  ora?: number,
  oraMessage?: (facts: F) => string,
): ErrorDefinition<F> => ({
  ...{ code, errno, sqlState, message, hint },
  ...(ora === undefined ? {} : { ora }),
  ...(oraMessage === undefined ? {} : { oraMessage }),
});

const plain = (text: string) => () => text;

export const ERRORS = {
  // ## General: numbers that OceanBase shares with MySQL
  INVALID_ARGUMENT: def<{ what: string }>(4002, 1210, 'HY000', (f) => `Incorrect arguments to ${f.what}`),
  NOT_SUPPORTED: def<{ what: string }>(4007, 1235, '0A000', (f) => `${f.what} not supported`),
  TIMEOUT: def<{ what: string }>(4012, 4012, 'HY000', (f) => `Timeout, ${f.what}`),
  INTERNAL: def<{ what: string }>(
    4016,
    4016,
    'HY000',
    (f) => `Internal error: ${f.what}`,
    'This is a bug of Holdfast. The server log has the stack; please report both.',
  ),
  ENTRY_EXISTS: def<{ what: string }>(4017, 4017, 'HY000', (f) => `Entry already exist: ${f.what}`),
  ENTRY_NOT_EXIST: def<{ what: string }>(4018, 4018, 'HY000', (f) => `Entry not exist: ${f.what}`),
  CANCELED: def(4072, 4072, 'HY000', plain('Operation canceled')),
  SERVER_BUSY: def<{ what: string }>(4023, 1040, '08004', (f) => f.what, 'Close some connections, then retry.'),
  NOT_ALLOWED: def<{ what: string }>(4179, 4179, 'HY000', (f) => `${f.what} not allowed`),
  OUT_OF_DISK: def<{ what: string }>(4184, 4184, '53100', (f) => `Out of disk space: ${f.what}`),
  POOL_ALREADY_GRANTED: def<{ pool: string }>(
    4626,
    4626,
    'HY000',
    (f) => `resource pool '${f.pool}' has already been granted to a tenant`,
  ),
  UNIT_EXISTS: def<{ unit: string }>(4621, 4621, 'HY000', (f) => `resource unit '${f.unit}' already exist`),
  UNIT_NOT_EXIST: def<{ unit: string }>(4620, 4620, 'HY000', (f) => `resource unit '${f.unit}' not exist`),
  POOL_EXISTS: def<{ pool: string }>(4649, 4649, 'HY000', (f) => `resource pool '${f.pool}' already exist`),
  POOL_NOT_EXIST: def<{ pool: string }>(4650, 4650, 'HY000', (f) => `resource pool '${f.pool}' not exist`),
  UNIT_IN_USE: def<{ unit: string }>(
    4635,
    4635,
    'HY000',
    (f) => `resource unit '${f.unit}' is referenced by some resource pool`,
  ),
  SYNTAX: def<{ near: string; line: number }>(
    5001,
    1064,
    '42000',
    (f) =>
      `You have an error in your SQL syntax; check the manual that corresponds to your Holdfast version for the right syntax to use near '${f.near}' at line ${f.line}`,
    '',
    900,
  ),
  NO_PRIVILEGE: def<{ privilege: string }>(
    5036,
    1227,
    '42501',
    (f) => `Access denied; you need (at least one of) the ${f.privilege} privilege(s) for this operation`,
    '',
    1031,
    (f) => `insufficient privileges: this operation needs ${f.privilege}`,
  ),
  ACCESS_DENIED: def<{ user: string; host: string; withPassword: boolean }>(
    5035,
    1045,
    '28000',
    (f) => `Access denied for user '${f.user}'@'${f.host}' (using password: ${f.withPassword ? 'YES' : 'NO'})`,
    '',
    1017,
    plain('invalid username/password; logon denied'),
  ),
  TENANT_EXISTS: def<{ tenant: string }>(5156, 5156, 'HY000', (f) => `tenant '${f.tenant}' already exist`),
  TENANT_NOT_EXIST: def<{ tenant: string }>(
    5160,
    5160,
    'HY000',
    (f) => `tenant '${f.tenant}' not exist`,
    'SELECT TENANT_NAME FROM oceanbase.DBA_OB_TENANTS lists the tenants.',
  ),
  TENANT_NOT_NORMAL: def<{ tenant: string; status: string }>(
    5161,
    5161,
    'HY000',
    (f) => `tenant '${f.tenant}' can not be used now, its status is ${f.status}`,
  ),
  READ_ONLY_STANDBY: def<{ tenant: string }>(
    5162,
    1290,
    'HY000',
    (f) => `The tenant '${f.tenant}' is a STANDBY and read-only, so it cannot execute this statement`,
    'ALTER SYSTEM ACTIVATE STANDBY TENANT = … opens it for writing.',
  ),
  UNKNOWN_DATABASE: def<{ database: string }>(5154, 1049, '42000', (f) => `Unknown database '${f.database}'`),
  UNKNOWN_TABLE: def<{ table: string }>(
    5019,
    1146,
    '42S02',
    (f) => `Table '${f.table}' doesn't exist`,
    '',
    942,
    (f) => `table or view '${f.table.toUpperCase()}' does not exist`,
  ),
  UNKNOWN_COLUMN: def<{ column: string }>(
    5217,
    1054,
    '42S22',
    (f) => `Unknown column '${f.column}' in 'field list'`,
    '',
    904,
    (f) => `invalid identifier '${f.column}' in 'field list'`,
  ),
  UNKNOWN_VARIABLE: def<{ variable: string }>(5148, 1193, 'HY000', (f) => `Unknown system variable '${f.variable}'`),
  VARIABLE_READ_ONLY: def<{ variable: string; scope: string }>(
    4130,
    1238,
    'HY000',
    (f) => `Variable '${f.variable}' is a ${f.scope} variable`,
  ),
  VARIABLE_GLOBAL_ONLY: def<{ variable: string }>(
    4131,
    1229,
    'HY000',
    (f) => `Variable '${f.variable}' is a GLOBAL variable and should be set with SET GLOBAL`,
  ),
  VARIABLE_SESSION_ONLY: def<{ variable: string }>(
    4132,
    1228,
    'HY000',
    (f) => `Variable '${f.variable}' is a SESSION variable and can't be used with SET GLOBAL`,
  ),
  VARIABLE_VALUE: def<{ variable: string; value: string }>(
    4133,
    1231,
    '42000',
    (f) => `Variable '${f.variable}' can't be set to the value of '${f.value}'`,
  ),
  VARIABLE_TYPE: def<{ variable: string }>(
    4134,
    1232,
    '42000',
    (f) => `Incorrect argument type to variable '${f.variable}'`,
  ),
  UNKNOWN_CHARACTER_SET: def<{ charset: string }>(
    4135,
    1115,
    '42000',
    (f) => `Unknown character set: '${f.charset}'`,
    'SHOW CHARACTER SET lists them; text travels as utf8mb4.',
  ),
  UNKNOWN_COLLATION: def<{ collation: string }>(
    4136,
    1273,
    'HY000',
    (f) => `Unknown collation: '${f.collation}'`,
    'SHOW COLLATION lists them.',
  ),
  UNKNOWN_TIME_ZONE: def<{ zone: string }>(
    4137,
    1298,
    'HY000',
    (f) => `Unknown or incorrect time zone: '${f.zone}'`,
    "Write an offset such as '+08:00' or a name such as 'Asia/Shanghai'.",
  ),
  NO_DATABASE: def(4138, 1046, '3D000', plain('No database selected'), 'USE one, or name it in the statement.'),
  NOT_A_VIEW: def<{ what: string }>(4139, 1347, 'HY000', (f) => `'${f.what}' is not VIEW`),
  NO_SUCH_GRANT: def<{ user: string; host: string }>(
    4140,
    1141,
    '42000',
    (f) => `There is no such grant defined for user '${f.user}' on host '${f.host}'`,
  ),
  UNKNOWN_PARAMETER: def<{ parameter: string }>(
    4003,
    1193,
    'HY000',
    (f) => `Unknown parameter '${f.parameter}'`,
    'SHOW PARAMETERS lists them.',
  ),
  QUERY_INTERRUPTED: def(5065, 1317, '70100', plain('Query execution was interrupted')),
  UNKNOWN_THREAD: def<{ id: number }>(5137, 1094, 'HY000', (f) => `Unknown thread id: ${f.id}`),
  UNKNOWN_COMMAND: def<{ command: string }>(4108, 1047, '08S01', (f) => `Unknown command: ${f.command}`),
  UNKNOWN_STATEMENT_ID: def<{ id: number }>(5159, 1243, 'HY000', (f) => `Unknown prepared statement handler (${f.id})`),
  PACKET_TOO_LARGE: def<{ bytes: number }>(
    4109,
    1153,
    '08S01',
    (f) => `Got a packet bigger than 'max_allowed_packet' bytes (${f.bytes})`,
  ),
  MALFORMED_PACKET: def<{ what: string }>(4110, 1835, 'HY000', (f) => `Malformed communication packet: ${f.what}`),
  PACKETS_OUT_OF_ORDER: def<{ expected: number; given: number }>(
    4111,
    1156,
    '08S01',
    (f) => `Got packets out of order: expected ${f.expected}, got ${f.given}`,
  ),
  BAD_HANDSHAKE: def<{ because: string }>(4112, 1043, '08S01', (f) => `Bad handshake: ${f.because}`),
  SERVER_STOPPING: def(
    4113,
    1053,
    '08S01',
    plain('Server shutdown in progress'),
    'Reconnect when it has started again.',
  ),
  INVALID_CHARACTERS: def<{ what: string }>(
    4114,
    1300,
    'HY000',
    (f) => `Invalid utf8mb4 character string in ${f.what}`,
    'Send text as utf8mb4, and bytes as a parameter of a prepared statement or as a hexadecimal literal.',
  ),
  VALUE_DOES_NOT_FIT: def<{ value: string; column: string; type: string }>(
    4115,
    1366,
    'HY000',
    (f) => `Incorrect ${f.type} value: '${f.value}' for column '${f.column}'`,
    'The stored value is not of the declared type; CAST the column to the type that it holds.',
  ),
  TOO_MANY_PREPARED: def<{ what: string; max: number }>(
    4116,
    1461,
    '42000',
    (f) => `Can't create more prepared statements on this connection: more than ${f.max} ${f.what}`,
    'Close prepared statements that are no longer used.',
  ),
  ADDRESS_NOT_FREE: def<{ address: string; because: string }>(
    4117,
    4117,
    'HY000',
    (f) => `can not listen on ${f.address}: ${f.because}`,
    'Stop the other server there, or choose another address or port.',
  ),
  USER_OPERATION_FAILED: def<{ operation: string; users: string }>(
    5142,
    1396,
    'HY000',
    (f) => `Operation ${f.operation} failed for ${f.users}`,
    'SELECT User FROM mysql.user lists the accounts of this tenant.',
    1918,
    (f) => `user ${f.users} does not exist`,
  ),
  NO_SUCH_USER: def(
    5143,
    1133,
    '42000',
    plain("Can't find any matching row in the user table"),
    'CREATE USER makes one.',
  ),
  WRONG_USAGE: def<{ one: string; other: string }>(
    5144,
    1221,
    'HY000',
    (f) => `Incorrect usage of ${f.one} and ${f.other}`,
  ),
  ACCOUNT_LOCKED: def<{ user: string; host: string }>(
    5039,
    3118,
    'HY000',
    (f) => `Access denied for user '${f.user}'@'${f.host}'. Account is locked.`,
    'The administrator of the tenant unlocks it: ALTER USER … ACCOUNT UNLOCK.',
    28000,
    () => 'the account is locked',
  ),
  PASSWORD_REQUIRED: def<{ user: string }>(
    5034,
    1045,
    '28000',
    (f) => `Access denied for user '${f.user}': an empty password is accepted only from the loopback address`,
    "Log in on the server's own machine and set one: ALTER USER … IDENTIFIED BY '…'.",
  ),

  DESTINATION_HELD: def<{ uri: string; holder: string }>(
    4038,
    4038,
    'HY000',
    (f) => `this server is not the one that writes '${f.uri}': ${f.holder}`,
    'Let the other server go on. If it is gone, or this one is to go on instead: stop the other, then ALTER SYSTEM TAKE OVER DESTINATION TENANT = ….',
  ),

  // ## Tenant SQL: what a statement that ran on the tenant's engine can answer
  DUPLICATE_KEY: def<{ message: string }>(
    5024,
    1062,
    '23000',
    (f) => f.message,
    '',
    1,
    (f) => f.message.replace(/^Duplicate entry for (key .*)$/s, 'unique constraint for $1 violated'),
  ),
  NOT_NULL: def<{ column: string }>(
    5235,
    1048,
    '23000',
    (f) => `Column '${f.column}' cannot be null`,
    '',
    1400,
    (f) => `cannot insert NULL into (${f.column})`,
  ),
  FOREIGN_KEY: def(
    5236,
    1452,
    '23000',
    plain('Cannot add or update a child row: a foreign key constraint fails'),
    '',
    2291,
    plain('integrity constraint violated - parent key not found'),
  ),
  CHECK_CONSTRAINT: def<{ message: string }>(
    5237,
    3819,
    'HY000',
    (f) => f.message,
    '',
    2290,
    (f) => `check constraint violated: ${f.message}`,
  ),
  TABLE_EXISTS: def<{ table: string }>(
    5020,
    1050,
    '42S01',
    (f) => `Table '${f.table}' already exists`,
    '',
    955,
    (f) => `name '${f.table}' is already used by an existing object`,
  ),
  LOCK_WAIT_TIMEOUT: def(
    5205,
    1205,
    'HY000',
    plain('Lock wait timeout exceeded; try restarting transaction'),
    '',
    30006,
    plain('resource busy; acquire with WAIT timeout expired'),
  ),
  PARAMETER_COUNT: def<{ expected: number; given: number }>(
    5064,
    1210,
    'HY000',
    (f) => `Incorrect arguments to EXECUTE: the statement has ${f.expected} parameters, ${f.given} were given`,
  ),
  ENGINE: def<{ message: string }>(5099, 1105, 'HY000', (f) => f.message),
  ENGINE_STATEMENT_REFUSED: def<{ what: string; because: string }>(
    5098,
    1235,
    '0A000',
    (f) => `${f.what} is refused in a Holdfast tenant: ${f.because}`,
  ),
  ADOPT_REFUSED: def<{ location: string; because: string }>(
    5097,
    4002,
    'HY000',
    (f) => `the database at '${f.location}' can not be adopted, because ${f.because}`,
  ),
  HOST_LOST: def<{ because: string }>(
    4122,
    2013,
    'HY000',
    (f) => `The engine process of this session ended (${f.because}); its open transaction was rolled back`,
    'Repeat the transaction.',
  ),

  WORKER_LOST: def<{ because: string }>(
    4123,
    4123,
    'HY000',
    (f) => `a process of the backup pipeline is gone: ${f.because}`,
    'Start the backup or restore again; if it happens again, look for memory limits and crashes in the system log.',
  ),

  // ## 90xx: backup, archive, restore
  BACKUP_FILE_NOT_EXIST: def<{ file: string }>(
    9011,
    9011,
    'HY000',
    (f) => `cannot find backup file: ${f.file}`,
    'Restore the file from another copy of the destination, or choose a target that does not need it.',
  ),
  RESTORE_IN_PROGRESS: def(9014, 9014, 'HY000', plain('Another restore is in progress')),
  CANNOT_START_LOG_ARCHIVE: def<{ because: string }>(
    9023,
    9023,
    'HY000',
    (f) => `cannot start log archive backup, because ${f.because}`,
  ),
  INVALID_BACKUP_DEST: def<{ uri: string }>(
    9026,
    9026,
    'HY000',
    (f) => `'${f.uri}' is not a valid uri`,
    'Write file:///absolute/path.',
  ),
  LOG_ARCHIVE_INTERRUPTED: def<{ because: string }>(
    9027,
    9027,
    'HY000',
    (f) => `ob log archive interrupted: ${f.because}`,
    'With gap_repair = auto the next round begins by itself; with manual: NOARCHIVELOG, wait for STOP, ARCHIVELOG, then a full backup.',
  ),
  LOG_ARCHIVE_NOT_RUNNING: def(
    9029,
    9029,
    'HY000',
    plain('log archive is not running'),
    'ALTER SYSTEM ARCHIVELOG starts it.',
  ),
  BACKUP_IN_PROGRESS: def(
    9036,
    9036,
    'HY000',
    plain('Backup is in progress'),
    'Wait for it, or ALTER SYSTEM CANCEL BACKUP.',
  ),
  BACKUP_CAN_NOT_START: def<{ because: string }>(
    9040,
    9040,
    'HY000',
    (f) => `backup can not start, because ${f.because}`,
    'Wait until STATUS in the view CDB_OB_ARCHIVELOG (in a tenant: DBA_OB_ARCHIVELOG) is DOING and DATA_BACKUP_DEST is set, then retry.',
  ),
  BACKUP_DELETE_DATA_IN_PROGRESS: def<{ tenant: string }>(
    9044,
    9044,
    'HY000',
    (f) => `delete backup data is in progress: tenant '${f.tenant}'`,
    'Wait for it, or ALTER SYSTEM CANCEL DELETE BACKUP.',
  ),
  BACKUP_DELETE_BACKUP_SET_NOT_ALLOWED: def<{ because: string }>(
    9045,
    9045,
    'HY000',
    (f) => `delete backup set do not allow: ${f.because}`,
    'ALTER SYSTEM DELETE OBSOLETE BACKUP PREVIEW shows what may go, and why the rest stays.',
  ),
  INVALID_BACKUP_SET_ID: def<{ ids: string }>(
    9046,
    9046,
    'HY000',
    (f) => `backup set id is not valid: ${f.ids}`,
    'CDB_OB_BACKUP_SET_FILES lists the sets of a tenant.',
  ),
  BACKUP_INVALID_PASSWORD: def<{ why: string }>(
    9047,
    9047,
    'HY000',
    (f) => `invalid password for backup${f.why ? `: ${f.why}` : ''}`,
    "SET DECRYPTION IDENTIFIED BY '…' in this session; for a tenant key RESTORE … WITH KEY FROM '…' ENCRYPTED BY '…'; then retry.",
  ),
  ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA: def<{ detail: string }>(
    9064,
    9064,
    'HY000',
    (f) => `the archive log and backup data are not continuous: ${f.detail}`,
  ),
  BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED: def<{ because: string }>(
    9069,
    9069,
    'HY000',
    (f) => `deleting backup piece is not allowed: ${f.because}`,
    'ALTER SYSTEM DELETE OBSOLETE BACKUP PREVIEW shows what may go, and why the rest stays.',
  ),
  BACKUP_DEST_NOT_CONNECT: def<{ uri: string; because: string }>(
    9070,
    9070,
    'HY000',
    (f) => `can not connect to backup destination '${f.uri}': ${f.because}`,
    'Check that the path is mounted, or the store running, and reachable from the server.',
  ),
  BACKUP_PERMISSION_DENIED: def<{ uri: string; because: string }>(
    9071,
    9071,
    'HY000',
    (f) => `no I/O operation permission at the backup destination '${f.uri}': ${f.because}`,
    'Give the user that runs the server, or the access key, permission to read, write and remove there.',
  ),
  ARCHIVE_ROUND_NOT_CONTINUOUS: def<{ target: string; before: string; after: string }>(
    9077,
    9077,
    'HY000',
    (f) =>
      `log discontinuous between two archive rounds: ${f.target} lies in a hole; the nearest restorable points are ${f.before} and ${f.after}`,
  ),
  BACKUP_FORMAT_FILE_NOT_EXIST: def<{ uri: string }>(
    9080,
    9080,
    'HY000',
    (f) => `the format file does not exist under the destination '${f.uri}'`,
    'A new destination must be an empty directory; a restore must name the directory that DATA_BACKUP_DEST or LOG_ARCHIVE_DEST named.',
  ),
  BACKUP_FORMAT_FILE_NOT_MATCH: def<{ uri: string; because: string }>(
    9081,
    9081,
    'HY000',
    (f) => `format file does not match at '${f.uri}': ${f.because}`,
    'Use an empty directory of its own for each tenant, and different ones for data and archive.',
  ),
  BACKUP_DEVICE_OUT_OF_SPACE: def<{ uri: string }>(
    9082,
    9082,
    'HY000',
    (f) => `backup device out of space at '${f.uri}'`,
    'Free space there; the archive goes on by itself, a backup has to be started again.',
  ),
  CLOG_RECYCLE_BEFORE_ARCHIVE: def<{ because: string }>(
    9087,
    9087,
    'HY000',
    (f) => `observer clog is recycled before archive: ${f.because}`,
  ),
  ALREADY_IN_ARCHIVE_MODE: def(9091, 9091, 'HY000', plain('Already in ARCHIVELOG mode')),
  ALREADY_IN_NOARCHIVE_MODE: def(9092, 9092, 'HY000', plain('Already in NOARCHIVELOG mode')),
  RESTORE_TENANT_FAILED: def<{ tenant: string; because: string }>(
    9099,
    9099,
    'HY000',
    (f) => `${f.tenant} restore failed, ${f.because}`,
  ),
  CHECKSUM_TYPE_NOT_SUPPORTED: def<{ type: string }>(
    9113,
    9113,
    'HY000',
    (f) => `checksum type ${f.type} is not supported for the input destination`,
    'Name another checksum_type in the uri: md5, which every store knows, or no_checksum.',
  ),
  S3_REGION_MISMATCH: def<{ uri: string }>(
    9117,
    9117,
    'HY000',
    (f) => `the specified s3_region does not match the endpoint: '${f.uri}'`,
    'Name the region of the bucket in the uri (s3_region=…), and the host of that region.',
  ),
  INVALID_OBJECT_STORAGE_ENDPOINT: def<{ uri: string; because: string }>(
    9118,
    9118,
    'HY000',
    (f) => `object storage endpoint is invalid: '${f.uri}': ${f.because}`,
    'Check host in the uri: the name, and whether it is the S3 interface of the store.',
  ),
  OBJECT_LOCKED_BY_WORM: def<{ object: string; until: string }>(
    4124,
    4124,
    'HY000',
    (f) => `the object '${f.object}' is locked by the store, nobody may delete it until ${f.until}`,
    'Delete it again after that time.',
  ),
  RESTORE_SOURCE_NOT_ENOUGH: def<{ detail: string }>(9119, 9119, 'HY000', (f) => f.detail),
  BACKUP_DATA_CORRUPT: def<{ object: string; because: string }>(
    9010,
    9010,
    'HY000',
    (f) => `backup object '${f.object}' is damaged: ${f.because}`,
    'Restore the object from another copy of the destination, or choose a set or target that does not need it.',
  ),
} as const;

export type ErrorName = keyof typeof ERRORS;
type Facts<N extends ErrorName> = (typeof ERRORS)[N] extends ErrorDefinition<infer F> ? F : never;

/** An expected failure: number, message and next step are those of the table. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly errorName: ErrorName;
  readonly facts: unknown;

  constructor(errorName: ErrorName, facts: unknown, options?: ErrorOptions) {
    const definition = ERRORS[errorName] as ErrorDefinition<unknown>;
    super(definition.message(facts), options);
    this.errorName = errorName;
    this.facts = facts;
  }

  get code(): number {
    return ERRORS[this.errorName].code;
  }

  get hint(): string {
    return ERRORS[this.errorName].hint;
  }
}

/**
 * Builds an expected error; the caller throws it.
 * @example throw fail('BACKUP_CAN_NOT_START', { because: 'log archive status is not doing.' })
 */
export function fail<N extends ErrorName>(name: N, facts: Facts<N>, options?: ErrorOptions): HoldfastError {
  return new HoldfastError(name, facts, options);
}

/** True for an expected error with this name. */
export function isFailure(error: unknown, name: ErrorName): error is HoldfastError {
  return error instanceof HoldfastError && error.errorName === name;
}

/** What a client is told: number, SQLSTATE and text by the mode of its tenant. */
export interface ClientError {
  errno: number;
  sqlState: string;
  message: string;
}

/** The ORA number of what has none of its own. */
export const ORA_INTERNAL = 600;
/** The number under which a client of a mode knows an error, for warnings that are none. */
export function clientErrno(name: ErrorName, mode: 'mysql' | 'oracle'): number {
  const { errno, ora } = ERRORS[name] as ErrorDefinition<unknown>;
  return mode === 'mysql' ? errno : (ora ?? ORA_INTERNAL);
}

const oraText = (ora: number, text: string) => `ORA-${String(ora).padStart(5, '0')}: ${text}`;

/**
 * Turns any thrown value into what a client sees; anything unexpected becomes 4016 without its inner text.
 * @source OceanBase 4.3.3 docs, error codes; its ob_errno.def: without an Oracle number it is ORA-00600 with the number in
 * the text, and the SQLSTATE is the same in both modes
 */
export function toClientError(error: unknown, mode: 'mysql' | 'oracle'): ClientError {
  const known = error instanceof HoldfastError ? error : fail('INTERNAL', { what: describeBug(error) });
  const definition = ERRORS[known.errorName] as ErrorDefinition<unknown>;
  const { sqlState, ora } = definition;
  // The documented text stays word for word on the first line; the next step follows on its own.
  const withHint = (text: string) => (known.hint ? `${text}\nHINT: ${known.hint}` : text);
  if (mode === 'mysql') return { errno: definition.errno, sqlState, message: withHint(known.message) };
  if (ora !== undefined) {
    const text = definition.oraMessage?.(known.facts) ?? known.message;
    return { errno: ora, sqlState, message: withHint(oraText(ora, text)) };
  }
  const text = `internal error code, arguments: -${definition.code}, ${known.message}`;
  return { errno: ORA_INTERNAL, sqlState, message: withHint(oraText(ORA_INTERNAL, text)) };
}

function describeBug(error: unknown): string {
  return error instanceof AssertionFailure ? error.message : 'unexpected failure, see the server log';
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The text for a COMMENT column: negative number and message, as OceanBase writes it. */
export function toComment(error: unknown): string {
  if (error instanceof HoldfastError) return `result: -${error.code}(${error.message})`;
  return `result: -${ERRORS.INTERNAL.code}(${messageOf(error)})`;
}

/** The number for a RESULT column: positive OceanBase number, 4016 for a bug. */
export function toResult(error: unknown): number {
  return error instanceof HoldfastError ? error.code : ERRORS.INTERNAL.code;
}

/** An error as it crosses a process boundary. */
export interface WireError {
  errorName?: ErrorName;
  facts?: unknown;
  message: string;
  stack?: string;
}

export function errorToWire(error: unknown): WireError {
  if (error instanceof HoldfastError) return { errorName: error.errorName, facts: error.facts, message: error.message };
  if (error instanceof Error) return { message: error.message, ...(error.stack ? { stack: error.stack } : {}) };
  return { message: String(error) };
}

export function errorFromWire(wire: WireError): Error {
  if (wire.errorName) return new HoldfastError(wire.errorName, wire.facts);
  const error = new Error(wire.message);
  if (wire.stack) error.stack = wire.stack;
  return error;
}
