// Every kind of statement once: how it is written, who may, whether its work is done when it answers, and what refuses it.
// docs/statements.md is made of it. `[x]` may be left out, of `{a | b}` one is written; names and values are examples, so
// that every form of the syntax is a statement that parses.
import type { ErrorName } from '../../base/errors.ts';
import type { StatementKind } from './statement.ts';

export interface StatementFacts {
  syntax: readonly string[];
  /** Whom root@sys means with it: `TENANT =` is written as it says. */
  sys: 'one tenant' | 'all or some' | 'yes' | 'no';
  /** An administrator of a tenant means his own. */
  tenant: 'itself' | 'yes' | 'no';
  /** `job`: the statement checks and records, the work goes on behind it. `never`: it is always refused. */
  runs: 'at once' | 'job' | 'never';
  meaning: string;
  /** What is wrong with the request; any statement may answer 1064 as well, and 5160 for a tenant that is not known. */
  errors: readonly ErrorName[];
}

type Family = Partial<Record<StatementKind, StatementFacts>>;

const DEST_ERRORS = [
  'NOT_SUPPORTED',
  'INVALID_ARGUMENT',
  'INVALID_BACKUP_DEST',
  'BACKUP_DEST_NOT_CONNECT',
  'BACKUP_PERMISSION_DENIED',
  'BACKUP_FORMAT_FILE_NOT_EXIST',
  'BACKUP_FORMAT_FILE_NOT_MATCH',
] as const;
const RESTORE_ERRORS = [
  'INVALID_BACKUP_DEST',
  'BACKUP_FORMAT_FILE_NOT_EXIST',
  'BACKUP_INVALID_PASSWORD',
  'ARCHIVE_ROUND_NOT_CONTINUOUS',
  'RESTORE_SOURCE_NOT_ENOUGH',
  'NO_PRIVILEGE',
] as const;

const OF_ONE = { sys: 'one tenant', tenant: 'itself', runs: 'at once' } as const;
const OF_SOME = { sys: 'all or some', tenant: 'itself' } as const;
const OF_SYS = { sys: 'yes', tenant: 'no' } as const;
const OF_ALL = { sys: 'yes', tenant: 'yes', runs: 'at once' } as const;
const REFUSED_TO_ALL = { sys: 'yes', tenant: 'yes', runs: 'never' } as const;
const OF_DATA = { sys: 'no', tenant: 'yes', runs: 'at once' } as const;

const ARCHIVE = {
  setArchiveDest: {
    ...OF_ONE,
    syntax: [
      "ALTER SYSTEM [SET] LOG_ARCHIVE_DEST = 'LOCATION=file:///backup/t/archive BINDING=Optional PIECE_SWITCH_INTERVAL=1d' [TENANT = t]",
      "ALTER SYSTEM [SET] LOG_ARCHIVE_DEST_1 = 'LOCATION=file:///copy/t/archive BINDING=Optional' [TENANT = t]",
    ],
    meaning:
      'Where the log of a tenant is archived, and with _1 to _3 where copies of it go; an empty text takes a destination away.',
    errors: [...DEST_ERRORS, 'ENTRY_NOT_EXIST'],
  },
  setArchiveDestState: {
    ...OF_ONE,
    syntax: [
      "ALTER SYSTEM [SET] LOG_ARCHIVE_DEST_STATE = {'ENABLE' | 'DEFER'} [TENANT = t]",
      "ALTER SYSTEM [SET] LOG_ARCHIVE_DEST_STATE_1 = {'ENABLE' | 'DEFER'} [TENANT = t]",
    ],
    meaning: 'DEFER suspends a copy, or with the leading destination the archive round; ENABLE goes on with it.',
    errors: ['INVALID_ARGUMENT', 'ENTRY_NOT_EXIST', 'NOT_SUPPORTED'],
  },
  setDataBackupDest: {
    ...OF_ONE,
    syntax: [
      "ALTER SYSTEM [SET] DATA_BACKUP_DEST = 'file:///backup/t/data' [TENANT = t]",
      "ALTER SYSTEM [SET] DATA_BACKUP_DEST_{1 | 2 | 3} = 'LOCATION=file:///copy/t/data [BINDING={MANDATORY | OPTIONAL}]' [TENANT = t]",
    ],
    meaning: 'Where backup sets of a tenant go, and where copies of them go; an empty text takes a destination away.',
    errors: [...DEST_ERRORS, 'BACKUP_IN_PROGRESS', 'INVALID_ARGUMENT', 'NOT_ALLOWED'],
  },
  changeStorageDest: {
    ...OF_ONE,
    syntax: [
      "ALTER SYSTEM {ALTER | CHANGE | MODIFY} EXTERNAL_STORAGE_DEST PATH [=] 'file:///backup/t/archive' SET ATTRIBUTE [=] 'max_iops=200&max_bandwidth=50M' [TENANT = t]",
      "ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = 'p' SET ACCESS_INFO = 'access_id=a&access_key=b' [TENANT = t]",
    ],
    meaning:
      'Changes the limits of a path that the tenant uses (those not named stay, 0 takes one away), or its access key, once it was proved.',
    errors: [
      ...(['NOT_SUPPORTED', 'INVALID_BACKUP_DEST', 'ENTRY_NOT_EXIST', 'INVALID_ARGUMENT'] as const),
      ...(['BACKUP_DEST_NOT_CONNECT', 'BACKUP_PERMISSION_DENIED', 'BACKUP_FORMAT_FILE_NOT_EXIST'] as const),
    ],
  },
  takeOver: {
    ...OF_SOME,
    runs: 'at once',
    syntax: ['ALTER SYSTEM TAKE OVER DESTINATION [TENANT = {ALL | t1, t2}]'],
    meaning:
      "Makes this server the writer of the tenants' archive and backup destinations, from whichever server holds them.",
    errors: [
      'NOT_SUPPORTED',
      'BACKUP_DEST_NOT_CONNECT',
      'BACKUP_FORMAT_FILE_NOT_EXIST',
      'BACKUP_FORMAT_FILE_NOT_MATCH',
    ],
  },
  setArchiveMode: {
    ...OF_SOME,
    runs: 'job',
    syntax: ["ALTER SYSTEM {ARCHIVELOG | NOARCHIVELOG} [TENANT = {ALL | t1, t2}] [DESCRIPTION = 'why']"],
    meaning: 'Archives the log from now on, or no longer.',
    errors: [
      'ALREADY_IN_ARCHIVE_MODE',
      'ALREADY_IN_NOARCHIVE_MODE',
      'CANNOT_START_LOG_ARCHIVE',
      'NOT_SUPPORTED',
      'NO_PRIVILEGE',
    ],
  },
  setLogRestoreSource: {
    ...OF_ONE,
    syntax: ["ALTER SYSTEM [SET] LOG_RESTORE_SOURCE = 'LOCATION=file:///backup/t/archive' [TENANT = t]"],
    meaning: 'Where a standby tenant takes its log from.',
    errors: [
      'NOT_ALLOWED',
      'INVALID_BACKUP_DEST',
      'BACKUP_FORMAT_FILE_NOT_EXIST',
      'BACKUP_FORMAT_FILE_NOT_MATCH',
      'BACKUP_DEST_NOT_CONNECT',
      'BACKUP_PERMISSION_DENIED',
      'INVALID_ARGUMENT',
      'NOT_SUPPORTED',
      'NO_PRIVILEGE',
    ],
  },
} satisfies Family;

const BACKUP = {
  backup: {
    ...OF_SOME,
    runs: 'job',
    syntax: [
      "ALTER SYSTEM BACKUP [INCREMENTAL] {DATABASE | TENANT = t1, t2} [PLUS ARCHIVELOG] [DESCRIPTION = 'weekly']",
    ],
    meaning: 'Makes a backup set of each tenant; DATABASE is every tenant from sys, and itself from a tenant.',
    errors: ['BACKUP_CAN_NOT_START', 'BACKUP_IN_PROGRESS', 'NOT_SUPPORTED', 'INVALID_ARGUMENT'],
  },
  cancelBackup: {
    ...OF_SOME,
    runs: 'job',
    syntax: ['ALTER SYSTEM CANCEL BACKUP [TENANT = {ALL | t1, t2}]'],
    meaning: 'Ends running backups; where none runs it does nothing.',
    errors: ['NO_PRIVILEGE', 'NOT_SUPPORTED'],
  },
  backupKey: {
    ...OF_ONE,
    syntax: ["ALTER SYSTEM BACKUP KEY [TENANT = t] TO 'file:///safe/keys' ENCRYPTED BY 'password'"],
    meaning: "Writes all versions of a tenant's key to a new file, under a password.",
    errors: [
      ...(['NOT_SUPPORTED', 'INVALID_ARGUMENT', 'ENTRY_NOT_EXIST', 'ENTRY_EXISTS', 'INVALID_BACKUP_DEST'] as const),
      'BACKUP_PERMISSION_DENIED',
    ],
  },
  rotateKey: {
    ...OF_ONE,
    syntax: [
      'ALTER INSTANCE ROTATE INNODB MASTER KEY',
      'ADMINISTER KEY MANAGEMENT SET [ENCRYPTION] KEY',
      'ALTER SYSTEM ROTATE KEY [TENANT = t]',
    ],
    meaning: "Makes a new version of a tenant's key for what follows.",
    errors: ['NOT_SUPPORTED', 'INVALID_ARGUMENT'],
  },
  addSchedule: {
    ...OF_SOME,
    runs: 'at once',
    syntax: [
      "ALTER SYSTEM ADD BACKUP SCHEDULE [=] 'weekly' TYPE [=] {FULL | INCREMENTAL | VALIDATE | DRILL} CRON [=] '0 2 * * 0' [TENANT = {ALL | t1, t2}] [PASSWORD = 'password'] [LEVEL = 'physical'] [BUDGET = '10G'] [DESCRIPTION = 'why']",
    ],
    meaning: 'Starts such work by itself at the times of CRON; LEVEL and BUDGET are those of VALIDATE.',
    errors: ['INVALID_ARGUMENT', 'ENTRY_EXISTS', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  changeSchedule: {
    ...OF_ALL,
    syntax: ["ALTER SYSTEM {DROP | PAUSE | RESUME} BACKUP SCHEDULE [=] 'weekly'"],
    meaning: 'Ends a schedule of the own tenant, or lets it wait.',
    errors: ['ENTRY_NOT_EXIST'],
  },
  catalogBackup: {
    sys: 'yes',
    tenant: 'itself',
    runs: 'at once',
    syntax: ["ALTER SYSTEM CATALOG BACKUP FROM 'file:///backup/t/data,file:///backup/t/archive' [TENANT = t]"],
    meaning: 'Reads sets, rounds and pieces that lie at destinations into the views; answers how many.',
    errors: [
      'INVALID_BACKUP_DEST',
      'BACKUP_FORMAT_FILE_NOT_EXIST',
      'BACKUP_FORMAT_FILE_NOT_MATCH',
      'BACKUP_PERMISSION_DENIED',
      'INVALID_ARGUMENT',
      'NO_PRIVILEGE',
    ],
  },
  setEncryption: {
    ...OF_ALL,
    syntax: ["SET ENCRYPTION ON IDENTIFIED BY 'password' ONLY", 'SET ENCRYPTION OFF'],
    meaning: 'Backups of this session are encrypted under the password from now on, or no longer.',
    errors: ['NOT_SUPPORTED', 'INVALID_ARGUMENT'],
  },
} satisfies Family;

const CLEANING = {
  addDeletePolicy: {
    ...OF_ONE,
    syntax: [
      "ALTER SYSTEM ADD DELETE BACKUP POLICY [=] {'default' | 'log_only'} [RECOVERY_WINDOW [=] '7d'] [REDUNDANCY [=] 2] [TENANT [=] t]",
    ],
    meaning: 'From now on what is obsolete by the policy is deleted by itself.',
    errors: ['ENTRY_EXISTS', 'NOT_SUPPORTED', 'INVALID_ARGUMENT', 'NO_PRIVILEGE'],
  },
  dropDeletePolicy: {
    ...OF_ONE,
    syntax: ["ALTER SYSTEM DROP DELETE BACKUP POLICY [=] 'default' [TENANT [=] t]"],
    meaning: 'Nothing is deleted by itself any more.',
    errors: ['ENTRY_NOT_EXIST', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  deleteBackup: {
    sys: 'one tenant',
    tenant: 'itself',
    runs: 'job',
    syntax: ["ALTER SYSTEM DELETE {BACKUPSET | ARCHIVELOG_PIECE} 1[, 2] [TENANT = t] [DESCRIPTION = 'why']"],
    meaning: 'Deletes sets or pieces by their numbers, all of them or none.',
    errors: [
      'BACKUP_DELETE_BACKUP_SET_NOT_ALLOWED',
      'BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED',
      'BACKUP_DELETE_DATA_IN_PROGRESS',
      'NOT_SUPPORTED',
      'NO_PRIVILEGE',
    ],
  },
  deleteObsolete: {
    ...OF_SOME,
    runs: 'job',
    syntax: ["ALTER SYSTEM DELETE OBSOLETE BACKUP [TENANT = {ALL | t1, t2}] [DESCRIPTION = 'why'] [PREVIEW]"],
    meaning: 'Deletes what the policies let go by now; PREVIEW answers what would go and what stays, and why.',
    errors: ['ENTRY_NOT_EXIST', 'BACKUP_DELETE_DATA_IN_PROGRESS', 'NO_PRIVILEGE'],
  },
  cancelDelete: {
    ...OF_SOME,
    runs: 'job',
    syntax: ["ALTER SYSTEM CANCEL DELETE BACKUP [TENANT = {ALL | t1, t2}] [DESCRIPTION = 'why']"],
    meaning: 'Ends running deletions behind the object that they are at.',
    errors: ['NO_PRIVILEGE', 'NOT_SUPPORTED'],
  },
  validate: {
    ...OF_SOME,
    runs: 'job',
    syntax: [
      "ALTER SYSTEM VALIDATE BACKUP [LEVEL = {'basic' | 'physical'}] [BUDGET = '10G'] [TENANT = {ALL | t1, t2}] [DESCRIPTION = 'why']",
      "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'restore' [CHECK = {'quick' | 'full'}] [TENANT = {ALL | t1, t2}] [DESCRIPTION = 'why']",
      "ALTER SYSTEM VALIDATE BACKUPSET [= '1, 2'] [DATA_BACKUP_DEST = 'file:///backup/t/data'] [LEVEL = {'basic' | 'physical' | 'restore'}] [TENANT = t] [DESCRIPTION = 'why']",
      "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE [= '1, 2'] [LOG_ARCHIVE_DEST = 'file:///backup/t/archive'] [LEVEL = {'basic' | 'physical'}] [TENANT = t] [DESCRIPTION = 'why']",
    ],
    meaning:
      'Looks at sets and pieces again: that everything is there, or every byte, or by a restore that is checked and dropped.',
    errors: [
      ...(['INVALID_ARGUMENT', 'INVALID_BACKUP_SET_ID', 'ENTRY_NOT_EXIST', 'BACKUP_INVALID_PASSWORD'] as const),
      ...(['NOT_ALLOWED', 'BACKUP_PERMISSION_DENIED'] as const),
    ],
  },
  cancelValidate: {
    ...OF_SOME,
    runs: 'job',
    syntax: ['ALTER SYSTEM CANCEL VALIDATE [TENANT = {ALL | t1, t2}]'],
    meaning: 'Ends running validations; what they found out stays.',
    errors: ['NO_PRIVILEGE', 'NOT_SUPPORTED'],
  },
} satisfies Family;

const RESTORE = {
  setDecryption: {
    sys: 'yes',
    tenant: 'no',
    runs: 'at once',
    syntax: ["SET DECRYPTION IDENTIFIED BY 'password'[, 'other']"],
    meaning: 'Passwords by which restores of this session open encrypted sets.',
    errors: ['NOT_SUPPORTED', 'INVALID_ARGUMENT'],
  },
  restore: {
    ...OF_SYS,
    runs: 'job',
    syntax: [
      "ALTER SYSTEM RESTORE t [FROM 'file:///backup/t/data,file:///backup/t/archive'] [UNTIL {TIME = '2026-01-31 09:15:00.000000' | SCN = 1740790800120000000}] [WITH 'pool_list=p'] [DESCRIPTION = 'why']",
    ],
    meaning: 'Makes a new tenant of a set and the log behind it; it is a STANDBY until it is activated.',
    errors: ['TENANT_EXISTS', 'RESTORE_IN_PROGRESS', 'POOL_NOT_EXIST', 'POOL_ALREADY_GRANTED', ...RESTORE_ERRORS],
  },
  previewRestore: {
    ...OF_SYS,
    runs: 'at once',
    syntax: [
      "ALTER SYSTEM RESTORE [t] [FROM 'file:///backup/t/data,file:///backup/t/archive'] [UNTIL {TIME = '2026-01-31 09:15:00' | SCN = 1740790800120000000}] PREVIEW",
    ],
    meaning: 'Answers what a restore would use, and how far back one could go.',
    errors: RESTORE_ERRORS,
  },
  cancelRestore: {
    ...OF_SYS,
    runs: 'job',
    syntax: ['ALTER SYSTEM CANCEL RESTORE t'],
    meaning: 'Ends a running restore; nothing of it is left.',
    errors: ['ENTRY_NOT_EXIST', 'NO_PRIVILEGE'],
  },
  addRestoreSource: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ["ALTER SYSTEM ADD RESTORE SOURCE 'file:///backup/t/data/backup_set_1_full'"],
    meaning: 'What a RESTORE of this session without FROM reads.',
    errors: ['INVALID_ARGUMENT', 'NO_PRIVILEGE'],
  },
  clearRestoreSource: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ['ALTER SYSTEM CLEAR RESTORE SOURCE'],
    meaning: 'Forgets those.',
    errors: ['NO_PRIVILEGE'],
  },
  recoverTable: {
    ...OF_SYS,
    runs: 'job',
    syntax: [
      "ALTER SYSTEM RECOVER TABLE main.t1[, main.*] TO TENANT = t [FROM 'file:///backup/t/data,file:///backup/t/archive'] [UNTIL SCN = 1740790800120000000] [WITH 'pool_list=p'] [REMAP TABLE main.t1:main.t2]",
    ],
    meaning: 'Brings tables of a backup into a tenant that is in use, in one commit.',
    errors: [
      'NOT_ALLOWED',
      'NOT_SUPPORTED',
      'INVALID_ARGUMENT',
      'ENTRY_EXISTS',
      'TENANT_NOT_EXIST',
      'TENANT_NOT_NORMAL',
      'RESTORE_IN_PROGRESS',
      'BACKUP_INVALID_PASSWORD',
      'RESTORE_SOURCE_NOT_ENOUGH',
    ],
  },
  cancelRecoverTable: {
    ...OF_SYS,
    runs: 'job',
    syntax: ['ALTER SYSTEM CANCEL RECOVER TABLE t'],
    meaning: 'Ends a recovery of tables into a tenant; nothing of it stays.',
    errors: ['NOT_ALLOWED', 'ENTRY_NOT_EXIST', 'TENANT_NOT_EXIST'],
  },
  recoverStandby: {
    ...OF_ONE,
    syntax: [
      "ALTER SYSTEM RECOVER STANDBY [TENANT = t] [UNTIL {TIME = '2026-01-31 09:15:00' | SCN = 1740790800120000000 | UNLIMITED}]",
      'ALTER SYSTEM RECOVER STANDBY [TENANT = t] CANCEL',
    ],
    meaning: 'How far a standby tenant follows its source.',
    errors: ['NOT_ALLOWED', 'TENANT_NOT_NORMAL', 'INVALID_ARGUMENT', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  activateStandby: {
    ...OF_ONE,
    syntax: ['ALTER SYSTEM ACTIVATE STANDBY [TENANT = t] [VERIFY]'],
    meaning: 'Opens a restored tenant for writing; VERIFY only asks whether it could.',
    errors: ['NOT_ALLOWED', 'TENANT_NOT_NORMAL', 'BACKUP_DATA_CORRUPT', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  switchover: {
    ...OF_ONE,
    syntax: ['ALTER SYSTEM SWITCHOVER TO {PRIMARY | STANDBY} [TENANT = t] [VERIFY]'],
    meaning: 'Refused: there is no pair of clusters here.',
    errors: ['NOT_SUPPORTED'],
  },
} satisfies Family;

const TENANTS = {
  createTenant: {
    ...OF_SYS,
    runs: 'at once',
    syntax: [
      "CREATE TENANT [IF NOT EXISTS] t [LOCATION = '/data/app.db'] [RESOURCE_POOL_LIST = ('p')] [COMMENT = 'why'] [SET ob_compatibility_mode = {'mysql' | 'oracle'}, time_zone = '+08:00']",
    ],
    meaning: 'Makes a tenant, or adopts the SQLite database at LOCATION.',
    errors: ['TENANT_EXISTS', 'ADOPT_REFUSED', 'POOL_NOT_EXIST', 'INVALID_ARGUMENT', 'NO_PRIVILEGE'],
  },
  alterTenant: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ["ALTER TENANT t {COMMENT = 'why' | SET VARIABLES time_zone = '+08:00'}"],
    meaning: 'Changes what is said of a tenant.',
    errors: ['NOT_SUPPORTED', 'INVALID_ARGUMENT', 'NO_PRIVILEGE'],
  },
  dropTenant: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ['DROP TENANT [IF EXISTS] t [{FORCE | PURGE}]'],
    meaning: 'Removes a tenant and the database that was made for it, never an adopted one. FORCE ends its backups.',
    errors: ['BACKUP_IN_PROGRESS', 'TENANT_NOT_NORMAL', 'NOT_ALLOWED', 'NO_PRIVILEGE'],
  },
  createUnit: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ["CREATE RESOURCE UNIT [IF NOT EXISTS] u MAX_CPU = 2, MEMORY_SIZE = '1G'"],
    meaning: 'Names an amount of resources.',
    errors: ['UNIT_EXISTS', 'INVALID_ARGUMENT', 'NO_PRIVILEGE'],
  },
  alterUnit: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ['ALTER RESOURCE UNIT u MAX_CPU = 4'],
    meaning: 'Changes it.',
    errors: ['UNIT_NOT_EXIST', 'INVALID_ARGUMENT', 'NO_PRIVILEGE'],
  },
  dropUnit: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ['DROP RESOURCE UNIT [IF EXISTS] u'],
    meaning: 'Removes one that no pool has.',
    errors: ['UNIT_NOT_EXIST', 'UNIT_IN_USE', 'NO_PRIVILEGE'],
  },
  createPool: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ["CREATE RESOURCE POOL [IF NOT EXISTS] p UNIT = 'u', UNIT_NUM = 1, ZONE_LIST = ('zone1')"],
    meaning: 'Makes a pool of units that a tenant can have.',
    errors: ['POOL_EXISTS', 'UNIT_NOT_EXIST', 'NO_PRIVILEGE'],
  },
  alterPool: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ["ALTER RESOURCE POOL p {UNIT = 'u' | UNIT_NUM = 1}"],
    meaning: 'Changes it.',
    errors: ['POOL_NOT_EXIST', 'UNIT_NOT_EXIST', 'NO_PRIVILEGE'],
  },
  dropPool: {
    ...OF_SYS,
    runs: 'at once',
    syntax: ['DROP RESOURCE POOL [IF EXISTS] p'],
    meaning: 'Removes one that no tenant has.',
    errors: ['POOL_NOT_EXIST', 'POOL_ALREADY_GRANTED', 'NO_PRIVILEGE'],
  },
  setParameters: {
    ...OF_SOME,
    runs: 'at once',
    syntax: [
      "ALTER SYSTEM [SET] archive_lag_target = '10s' [COMMENT = 'why'] [SCOPE = {MEMORY | SPFILE | BOTH}] [TENANT = {ALL_USER | t}]",
    ],
    meaning: 'Sets a parameter; several, separated by commas, are set together or not at all. See parameters.md.',
    errors: ['UNKNOWN_PARAMETER', 'INVALID_ARGUMENT', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  runUpgradeJob: {
    ...OF_SYS,
    runs: 'job',
    syntax: ["ALTER SYSTEM RUN UPGRADE JOB 'UPGRADE_ALL' [TENANT = t]"],
    meaning: 'Does nothing and says so: a restored tenant has the version of the server.',
    errors: ['TENANT_NOT_EXIST', 'NO_PRIVILEGE'],
  },
} satisfies Family;

const SESSION = {
  createUser: {
    ...OF_ALL,
    syntax: ["CREATE USER [IF NOT EXISTS] u IDENTIFIED BY 'password'[, v IDENTIFIED BY 'other']"],
    meaning: 'Makes accounts of the own tenant that may nothing yet; in an oracle tenant there is SYS alone.',
    errors: ['USER_OPERATION_FAILED', 'INVALID_ARGUMENT', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  lockUser: {
    ...OF_ALL,
    syntax: ['ALTER USER [IF EXISTS] u ACCOUNT {LOCK | UNLOCK}'],
    meaning: 'Lets nobody log in as the account, or again.',
    errors: ['USER_OPERATION_FAILED', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  renameUser: {
    ...OF_ALL,
    syntax: ['RENAME USER u TO v'],
    meaning: 'Gives an account another name.',
    errors: ['USER_OPERATION_FAILED', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  dropUser: {
    ...OF_ALL,
    syntax: ['DROP USER [IF EXISTS] u'],
    meaning: 'Removes accounts.',
    errors: ['USER_OPERATION_FAILED', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  grant: {
    ...OF_ALL,
    syntax: ['GRANT {SELECT | ALTER SYSTEM | ALL} ON *.* TO u'],
    meaning: 'Lets an account do more; see accounts.md.',
    errors: ['NO_SUCH_USER', 'WRONG_USAGE', 'UNKNOWN_DATABASE', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  revoke: {
    ...OF_ALL,
    syntax: ['REVOKE {SELECT | ALTER SYSTEM | ALL} ON *.* FROM u'],
    meaning: 'Lets it do less.',
    errors: ['NO_SUCH_USER', 'NO_SUCH_GRANT', 'WRONG_USAGE', 'NOT_SUPPORTED', 'NO_PRIVILEGE'],
  },
  setPassword: {
    ...OF_ALL,
    syntax: ["ALTER USER root IDENTIFIED BY 'password'", "SET PASSWORD [FOR root] = 'password'"],
    meaning: 'Changes a password.',
    errors: ['USER_OPERATION_FAILED', 'ACCESS_DENIED', 'INVALID_ARGUMENT'],
  },
  show: {
    ...OF_ALL,
    syntax: [
      "SHOW PARAMETERS [{LIKE '%archive%' | WHERE scope = 'TENANT'}] [TENANT = t]",
      'SHOW {DATABASES | TABLES | TENANTS | WARNINGS | [FULL] PROCESSLIST}',
      "SHOW [{GLOBAL | SESSION}] {VARIABLES | STATUS} [LIKE 'a%']",
      'SHOW CREATE {TABLE | VIEW | DATABASE | TENANT} t',
      'SHOW [FULL] COLUMNS FROM t',
      'SHOW INDEX FROM t',
    ],
    meaning: 'Lists; forms of MySQL that have nothing to list here answer no rows. A tenant names no other tenant.',
    errors: ['UNKNOWN_TABLE', 'UNKNOWN_DATABASE', 'NO_DATABASE', 'NO_PRIVILEGE'],
  },
  set: {
    ...OF_ALL,
    syntax: ['SET [{GLOBAL | SESSION}] autocommit = 1', 'SET NAMES utf8mb4', 'SET @a = 1'],
    meaning: 'Sets variables.',
    errors: ['UNKNOWN_VARIABLE', 'VARIABLE_VALUE', 'VARIABLE_READ_ONLY', 'INVALID_ARGUMENT'],
  },
  setTransaction: {
    ...OF_ALL,
    syntax: ['SET [SESSION] TRANSACTION {ISOLATION LEVEL SERIALIZABLE | READ ONLY | READ WRITE}'],
    meaning: 'What the next transactions are like.',
    errors: [],
  },
  use: {
    ...OF_ALL,
    syntax: ['USE oceanbase'],
    meaning: 'Names the database of the session.',
    errors: ['UNKNOWN_DATABASE'],
  },
  kill: {
    ...OF_ALL,
    syntax: ['KILL [{QUERY | CONNECTION}] 42'],
    meaning: 'Ends a statement, or a connection, of the own tenant; sys of any.',
    errors: ['UNKNOWN_THREAD'],
  },
  empty: {
    ...REFUSED_TO_ALL,
    syntax: ['/* nothing */'],
    meaning: 'Nothing but blanks and comments.',
    errors: ['SYNTAX'],
  },
} satisfies Family;

const REFUSED = {
  notSupported: {
    ...REFUSED_TO_ALL,
    syntax: [
      'CREATE ROLE r',
      'DROP ROLE r',
      'CREATE STANDBY TENANT t',
      'ALTER TENANT t {LOCK | UNLOCK | RENAME GLOBAL_NAME TO x}',
    ],
    meaning: 'Known and refused.',
    errors: ['NOT_SUPPORTED'],
  },
  dead: {
    ...REFUSED_TO_ALL,
    syntax: [
      'ALTER SYSTEM {SUSPEND | RESUME} BACKUP',
      'ALTER SYSTEM {START | STOP} BACKUP ARCHIVELOG',
      'ALTER SYSTEM BACKUP {BACKUPSET | BACKUPPIECE} 1',
      'ALTER SYSTEM DELETE {BACKUPPIECE | BACKUPROUND} 1',
      'ALTER SYSTEM CANCEL ALL BACKUP FORCE',
      'ALTER SYSTEM VALIDATE DATABASE',
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST_4 = 'LOCATION=file:///a'",
    ],
    meaning: 'Grammar of OceanBase 2.x and 3.x, refused as OceanBase 4.x does.',
    errors: ['NOT_SUPPORTED'],
  },
} satisfies Family;

const DATA = {
  select: {
    ...OF_ALL,
    syntax: ['SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS', 'SELECT id FROM t'],
    meaning: "Reads system views, or the tenant's own tables in SQLite's dialect; not both in one query.",
    errors: ['UNKNOWN_TABLE', 'UNKNOWN_COLUMN', 'NOT_SUPPORTED', 'ENGINE'],
  },
  engine: {
    ...OF_DATA,
    syntax: ['INSERT INTO t VALUES (1)', 'CREATE TABLE t (id INTEGER PRIMARY KEY)'],
    meaning: "Everything else runs on the tenant's engine, in SQLite's dialect.",
    errors: ['ENGINE', 'ENGINE_STATEMENT_REFUSED', 'READ_ONLY_STANDBY', 'NOT_SUPPORTED'],
  },
  transaction: {
    ...OF_ALL,
    syntax: [
      'START TRANSACTION [READ ONLY]',
      'BEGIN [{DEFERRED | IMMEDIATE | EXCLUSIVE}]',
      'COMMIT [AND CHAIN]',
      'ROLLBACK',
    ],
    meaning: "A transaction of the tenant's engine.",
    errors: ['LOCK_WAIT_TIMEOUT'],
  },
} satisfies Family;

/** By family, in the order of the page. */
export const STATEMENT_FAMILIES: Readonly<Record<string, Family>> = {
  'Log archive and destinations': ARCHIVE,
  Backup: BACKUP,
  'Cleaning and validation': CLEANING,
  'Restore and standby': RESTORE,
  'Tenants, resources, parameters': TENANTS,
  'Session and accounts': SESSION,
  Data: DATA,
  Refused: REFUSED,
};

/** A kind that is missing here does not compile. */
export const STATEMENTS: Readonly<Record<StatementKind, StatementFacts>> = {
  ...ARCHIVE,
  ...BACKUP,
  ...CLEANING,
  ...RESTORE,
  ...TENANTS,
  ...SESSION,
  ...DATA,
  ...REFUSED,
};
