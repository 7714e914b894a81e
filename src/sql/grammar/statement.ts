// The typed statements: what `parseStatement` returns and the statement handlers work on, one family after the other.
// Every union is told apart by `kind`. Optional clauses that were not written are null, never missing.
import type { DestState } from '../../model/archive-round.ts';
import type { Privilege } from '../../model/privilege.ts';
import type { SqlValue } from '../../model/result.ts';
import type { ScheduleType } from '../../model/schedule.ts';
import type { Scn } from '../../model/scn.ts';
import type { ValidateLevel } from '../../model/validate-job.ts';

// ## Parts that several statements share

/**
 * A TENANT clause: one of the three keywords, or the names in the order written (at least one). As written, neither
 * folded nor checked. Where a clause is null it was not written: the sys tenant means all or must name one, by the
 * statement; a user tenant means itself.
 */
export type TenantSelection = 'ALL' | 'ALL_USER' | 'ALL_META' | readonly string[];

/** `UNTIL TIME = '…'` (text as written, the source tenant's zone decides) or `UNTIL SCN = n`; both inclusive. */
export type Until = { by: 'TIME'; time: string } | { by: 'SCN'; scn: Scn };

/** `user`, `user@host`. */
export interface Account {
  user: string;
  host: string | null;
}

/** A table, view or system view as written; `schema` null when the name stands alone. */
export interface TableName {
  schema: string | null;
  name: string;
}

/** A half-open range of the statement's text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/** `@@x`, `@@session.x`, `@@global.x`; name in lower case without scope. */
export interface SystemVariableReference extends Span {
  type: 'systemVariable';
  scope: VariableScope | null;
  name: string;
}
/** `@x`; name in lower case: user variables are case-insensitive. */
export interface UserVariableReference extends Span {
  type: 'userVariable';
  name: string;
}
/** A call without arguments that only the session can answer, for example `DATABASE()`; name in upper case. */
export interface SessionFunctionReference extends Span {
  type: 'function';
  name: SessionFunctionName;
}
/** What stands in a text for a value that the session knows; see `substituteReferences`. */
export type Reference = SystemVariableReference | UserVariableReference | SessionFunctionReference;

export type VariableScope = 'SESSION' | 'GLOBAL';

export const SESSION_FUNCTIONS = [
  'DATABASE',
  'SCHEMA',
  'USER',
  'CURRENT_USER',
  'SESSION_USER',
  'SYSTEM_USER',
  'CONNECTION_ID',
  'VERSION',
  'OB_VERSION',
  'EFFECTIVE_TENANT',
  'EFFECTIVE_TENANT_ID',
  'LAST_INSERT_ID',
  'ROW_COUNT',
  'FOUND_ROWS',
] as const;
export type SessionFunctionName = (typeof SESSION_FUNCTIONS)[number];

// ## Log archive and destinations

/** `attributes` goes through `parseArchiveDest`. */
export interface SetArchiveDest {
  kind: 'setArchiveDest';
  /** 0 for LOG_ARCHIVE_DEST, 1 to 3 for its copies. */
  destNo: number;
  attributes: string;
  tenants: TenantSelection | null;
}
export interface SetArchiveDestState {
  kind: 'setArchiveDestState';
  /** As of `SetArchiveDest`. */
  destNo: number;
  state: DestState;
  tenants: TenantSelection | null;
}
/** An empty `value` clears the destination. */
export interface SetDataBackupDest {
  kind: 'setDataBackupDest';
  /** 0 for DATA_BACKUP_DEST, 1 to 3 for a copy. */
  destNo: number;
  /** A uri; of a copy also with attributes. */
  value: string;
  tenants: TenantSelection | null;
}
/** An empty `source` clears it. */
export interface SetLogRestoreSource {
  kind: 'setLogRestoreSource';
  source: string;
  tenants: TenantSelection | null;
}
/** The generic setter; at least one assignment. */
export interface SetParameters {
  kind: 'setParameters';
  assignments: ParameterAssignment[];
}
export interface ParameterAssignment {
  /** Lower case. */
  name: string;
  /** Without quotes; a word such as `4G` or `ON` as written. */
  value: string;
  comment: string | null;
  scope: 'MEMORY' | 'SPFILE' | 'BOTH' | null;
  server: string | null;
  zone: string | null;
  tenants: TenantSelection | null;
}
/** ARCHIVELOG (`isOn`) or NOARCHIVELOG. */
export interface SetArchiveMode {
  kind: 'setArchiveMode';
  isOn: boolean;
  tenants: TenantSelection | null;
  description: string | null;
}
export interface ChangeStorageDest {
  kind: 'changeStorageDest';
  path: string;
  attribute: string | null;
  /** `access_id=…&access_key=…`: a secret. */
  accessInfo: string | null;
  /** Ours: the manual has no such clause. */
  tenants: TenantSelection | null;
}
/** Makes this server the writer of a tenant's destinations. */
export interface TakeOver {
  kind: 'takeOver';
  tenants: TenantSelection | null;
}

// ## Backup, cleaning, validation

/** `scope` null: neither DATABASE nor TENANT was written. `to` is always refused by the handler (4007). */
export interface Backup {
  kind: 'backup';
  isIncremental: boolean;
  scope: 'DATABASE' | 'TENANT' | null;
  /** Non-null exactly when `scope` is TENANT. */
  tenants: TenantSelection | null;
  to: string | null;
  isPlusArchivelog: boolean;
  description: string | null;
}
export interface BackupKey {
  kind: 'backupKey';
  tenants: TenantSelection | null;
  to: string | null;
  /** A secret. */
  encryptedBy: string | null;
}
/** A new version of a tenant's key. */
export interface RotateKey {
  kind: 'rotateKey';
  tenants: TenantSelection | null;
}
export interface CancelBackup {
  kind: 'cancelBackup';
  tenants: TenantSelection | null;
}
export interface AddDeletePolicy {
  kind: 'addDeletePolicy';
  policy: string;
  /** As written, for example `7d`; the handler parses it. */
  recoveryWindow: string | null;
  redundancy: number | null;
  backupCopies: number | null;
  tenants: TenantSelection | null;
}
export interface DropDeletePolicy {
  kind: 'dropDeletePolicy';
  policy: string;
  tenants: TenantSelection | null;
}
export interface CancelDelete {
  kind: 'cancelDelete';
  tenants: TenantSelection | null;
  description: string | null;
}
/** DELETE BACKUPSET or ARCHIVELOG_PIECE; at least one id. */
export interface DeleteBackup {
  kind: 'deleteBackup';
  object: 'BACKUPSET' | 'ARCHIVELOG_PIECE';
  ids: number[];
  copy: number | null;
  tenants: TenantSelection | null;
  description: string | null;
}
export interface DeleteObsolete {
  kind: 'deleteObsolete';
  tenants: TenantSelection | null;
  description: string | null;
  /** Ours: shows what would go and what stays, and why. */
  isPreview: boolean;
}
/** Ours: work at times of a cron expression. Options that were not written are null. */
export interface AddSchedule {
  kind: 'addSchedule';
  name: string;
  type: ScheduleType;
  cron: string;
  tenants: TenantSelection | null;
  /** A secret. */
  password: string | null;
  level: string | null;
  /** As written, for example `10G`. */
  budget: string | null;
  description: string | null;
}
export interface ChangeSchedule {
  kind: 'changeSchedule';
  change: 'DROP' | 'PAUSE' | 'RESUME';
  name: string;
}
/** `ids` null: everything at the destination. */
export interface Validate {
  kind: 'validate';
  object: 'BACKUP' | 'BACKUPSET' | 'ARCHIVELOG_PIECE';
  ids: number[] | null;
  dataBackupDest: string | null;
  logArchiveDest: string | null;
  level: ValidateLevel | null;
  /** Ours: how the engine checks what a drill restored. */
  check: string | null;
  /** Ours: bytes that may be read, `10G`. */
  budget: string | null;
  tenants: TenantSelection | null;
  description: string | null;
}
/** Ours; `CANCEL VALIDATE n` is of older versions. */
export interface CancelValidate {
  kind: 'cancelValidate';
  tenants: TenantSelection | null;
}
/** Ours: reads sets and pieces that lie on a destination into the catalog. */
export interface CatalogBackup {
  kind: 'catalogBackup';
  uris: string[];
  tenants: TenantSelection | null;
}

// ## Restore, standby

/** What RESTORE, its PREVIEW and RECOVER TABLE have in common. */
export interface RestoreSource {
  /** The uris of FROM, split at commas; null: the list of ADD RESTORE SOURCE. */
  uris: string[] | null;
  until: Until | null;
  /** `WITH '…'`: read by the restore room. */
  options: string | null;
  /** `ENCRYPTED BY`: a secret. */
  encryptedBy: string | null;
  withKey: { from: string; encryptedBy: string | null } | null;
  description: string | null;
}
export interface Restore extends RestoreSource {
  kind: 'restore';
  tenant: string;
}
/** Answers a result set: what a restore would use. */
export interface PreviewRestore extends RestoreSource {
  kind: 'previewRestore';
  tenant: string | null;
}
export interface CancelRestore {
  kind: 'cancelRestore';
  tenant: string;
}
export interface AddRestoreSource {
  kind: 'addRestoreSource';
  uri: string;
}
export interface ClearRestoreSource {
  kind: 'clearRestoreSource';
}
/** `*` stands for every database or every table. */
export interface RecoverTable extends RestoreSource {
  kind: 'recoverTable';
  tables: { database: string; table: string }[];
  tenant: string | null;
  /** A part that the target does not name is null and stays as it was. */
  remapTables: {
    from: { database: string; table: string };
    to: { database: string | null; table: string | null };
  }[];
  remapTablegroups: Remap[];
  remapTablespaces: Remap[];
}
export interface Remap {
  from: string;
  to: string;
}
export interface CancelRecoverTable {
  kind: 'cancelRecoverTable';
  tenant: string;
}
/** `until` null: no clause was written. */
export interface RecoverStandby {
  kind: 'recoverStandby';
  tenants: TenantSelection | null;
  until: Until | 'UNLIMITED' | 'CANCEL' | null;
}
export interface ActivateStandby {
  kind: 'activateStandby';
  tenants: TenantSelection | null;
  isVerify: boolean;
}
export interface Switchover {
  kind: 'switchover';
  to: 'PRIMARY' | 'STANDBY';
  tenants: TenantSelection | null;
  isVerify: boolean;
}
export interface RunUpgradeJob {
  kind: 'runUpgradeJob';
  job: string;
  tenants: TenantSelection | null;
}

// ## Refused on purpose

/** Grammar of 2.x and 3.x: `throw fail('NOT_SUPPORTED', { what: statement.what })`. */
export interface Dead {
  kind: 'dead';
  what: string;
}
/** A statement we know and do not build: `throw fail('NOT_SUPPORTED', { what: statement.what })`. */
export interface NotSupported {
  kind: 'notSupported';
  what: string;
}

// ## Session passwords for sets

/** `password` null: SET ENCRYPTION OFF. */
export interface SetEncryption {
  kind: 'setEncryption';
  password: string | null;
}
export interface SetDecryption {
  kind: 'setDecryption';
  passwords: string[];
}

// ## Tenants and resources

export interface CreateTenant {
  kind: 'createTenant';
  name: string;
  isIfNotExists: boolean;
  engine: string | null;
  location: string | null;
  /** Empty when the clause was not written. */
  poolList: string[];
  comment: string | null;
  /** Every other option, kept: upper-case name (`CHARSET`, `PRIMARY_ZONE`, …) to text; lists joined with commas. */
  attributes: Record<string, string>;
  /** `SET name = value, …`: lower-case name to text without quotes. */
  variables: Record<string, string>;
}
export interface AlterTenant {
  kind: 'alterTenant';
  name: string;
  poolList: string[];
  comment: string | null;
  attributes: Record<string, string>;
  variables: Record<string, string>;
}
export interface DropTenant {
  kind: 'dropTenant';
  name: string;
  isIfExists: boolean;
  option: 'FORCE' | 'PURGE' | null;
}
/** Attributes: upper-case name (`MAX_CPU`, `MEMORY_SIZE`, …) to text as written without quotes. */
export interface CreateUnit {
  kind: 'createUnit';
  name: string;
  isIfNotExists: boolean;
  attributes: Record<string, string>;
}
export interface AlterUnit {
  kind: 'alterUnit';
  name: string;
  attributes: Record<string, string>;
}
export interface DropUnit {
  kind: 'dropUnit';
  name: string;
  isIfExists: boolean;
}
export interface CreatePool {
  kind: 'createPool';
  name: string;
  isIfNotExists: boolean;
  unit: string | null;
  unitNum: number | null;
  zones: string[] | null;
}
export interface AlterPool {
  kind: 'alterPool';
  name: string;
  unit: string | null;
  unitNum: number | null;
  zones: string[] | null;
}
export interface DropPool {
  kind: 'dropPool';
  name: string;
  isIfExists: boolean;
}

// ## Accounts

/** ALTER USER … IDENTIFIED BY and SET PASSWORD; `account` null is the session's own. */
export interface SetPassword {
  kind: 'setPassword';
  account: Account | null;
  password: string;
  /** `REPLACE '…'`: the current password. */
  replace: string | null;
}

/** Several accounts are all created or none. An account without a password may log in from the loopback address only. */
export interface CreateUser {
  kind: 'createUser';
  isIfNotExists: boolean;
  users: { account: Account; password: string }[];
  /** ACCOUNT LOCK. */
  isLocked: boolean;
}
export interface DropUser {
  kind: 'dropUser';
  isIfExists: boolean;
  accounts: Account[];
}
/** ALTER USER … ACCOUNT LOCK or UNLOCK. */
export interface LockUser {
  kind: 'lockUser';
  isIfExists: boolean;
  accounts: Account[];
  isLocked: boolean;
}
export interface RenameUser {
  kind: 'renameUser';
  renames: { from: Account; to: Account }[];
}
/** `*.*` is `ALL`; otherwise the name of a database, as written. */
export type GrantTarget = 'ALL' | { database: string };
/** No privileges: USAGE alone. */
export interface GrantPrivileges {
  kind: 'grant';
  privileges: Privilege[];
  on: GrantTarget;
  accounts: Account[];
}
/** `on` null: whatever was granted, on every level. */
export interface RevokePrivileges {
  kind: 'revoke';
  privileges: Privilege[];
  on: GrantTarget | null;
  accounts: Account[];
}

// ## Session

/** SET with one or more items, carried out in order. */
export interface SetStatement {
  kind: 'set';
  items: SetItem[];
}
export type SetItem =
  /** SET NAMES and SET CHARACTER SET; null is DEFAULT or not written. */
  | { set: 'names'; charset: string | null; collation: string | null }
  /** Name in lower case; `scope` null means the session. */
  | { set: 'systemVariable'; scope: VariableScope | null; name: string; value: SetValue }
  | { set: 'userVariable'; name: string; value: SetValue };
export type SetValue =
  /** Strings, NULL, TRUE and FALSE (1, 0), integers (bigint), other numbers (number). */
  | { is: 'literal'; value: SqlValue }
  /** A bare word, as written: ON, OFF, utf8mb4, SYSTEM. */
  | { is: 'word'; word: string }
  | { is: 'default' }
  /** A single `@x`, `@@x` or session function. */
  | { is: 'reference'; reference: Reference }
  /** Anything else; `parseStatement('SELECT ' + text)` makes a select of it. */
  | { is: 'expression'; text: string };

/** SET [SESSION|GLOBAL] TRANSACTION …; `scope` null: only the next transaction. */
export interface SetTransaction {
  kind: 'setTransaction';
  scope: VariableScope | null;
  /** `REPEATABLE READ`, upper case, one blank. */
  isolation: string | null;
  isReadOnly: boolean | null;
}
export interface Use {
  kind: 'use';
  database: string;
}
export interface Transaction {
  kind: 'transaction';
  verb: 'BEGIN' | 'COMMIT' | 'ROLLBACK';
  /** BEGIN: READ ONLY (true) or READ WRITE (false). */
  isReadOnly: boolean | null;
  isConsistentSnapshot: boolean;
  /** BEGIN, in the engine's own dialect. */
  behaviour: 'DEFERRED' | 'IMMEDIATE' | 'EXCLUSIVE' | null;
  /** COMMIT, ROLLBACK: AND CHAIN opens the next transaction at once. */
  isChain: boolean;
  /** COMMIT, ROLLBACK: RELEASE ends the connection. */
  isRelease: boolean;
}
export interface Kill {
  kind: 'kill';
  target: 'QUERY' | 'CONNECTION';
  connectionId: number;
}

/** One row per form of SHOW; DESCRIBE is COLUMNS. Forms that differ only in a synonym share a subject. */
export const SHOW_SUBJECTS = [
  'VARIABLES',
  'STATUS',
  'DATABASES',
  'TABLES',
  'TABLE STATUS',
  'OPEN TABLES',
  'COLUMNS',
  'INDEX',
  'CREATE TABLE',
  'CREATE VIEW',
  'CREATE DATABASE',
  'CREATE TENANT',
  'WARNINGS',
  'ERRORS',
  'COUNT WARNINGS',
  'COUNT ERRORS',
  'PROCESSLIST',
  'PARAMETERS',
  'ENGINES',
  'ENGINE STATUS',
  'CHARSET',
  'COLLATION',
  'GRANTS',
  'PRIVILEGES',
  'PLUGINS',
  'TENANT',
  'TENANTS',
  'MASTER STATUS',
  'SLAVE STATUS',
  'BINARY LOGS',
  'TRIGGERS',
  'PROCEDURE STATUS',
  'FUNCTION STATUS',
  'EVENTS',
  'PROFILES',
] as const;
export type ShowSubject = (typeof SHOW_SUBJECTS)[number];
export interface Show {
  kind: 'show';
  subject: ShowSubject;
  /** FULL was written. */
  isFull: boolean;
  scope: VariableScope | null;
  /** COLUMNS, INDEX, CREATE TABLE, CREATE VIEW. A later `FROM db` is already in `schema`. */
  table: TableName | null;
  /** TABLES, TABLE STATUS, OPEN TABLES, TRIGGERS, EVENTS (`FROM db`), CREATE DATABASE. */
  database: string | null;
  /** GRANTS FOR; null is the session's own. */
  account: Account | null;
  /** PARAMETERS … TENANT = t, CREATE TENANT t. */
  tenant: string | null;
  filter: ShowFilter | null;
  limit: { offset: number; count: number } | null;
}
/** A LIKE pattern, decoded; or the text of a WHERE condition over the columns of the result. */
export type ShowFilter = { by: 'LIKE'; pattern: string } | { by: 'WHERE'; text: string };

// ## Everything that reads or writes tables

/** What a scan of a statement's text found; best effort for tables, exact for references. */
export interface TextFacts {
  /** Tables after FROM, JOIN, INTO and the like, subqueries included, names of CTEs excluded; no repeats. */
  tables: TableName[];
  references: Reference[];
  /** Where a select item without alias needs one, because substitution changes its text. */
  aliases: { offset: number; name: string }[];
  /** `FROM DUAL`, which engines do not know. */
  dual: Span[];
}

/** Begins with SELECT, WITH, `(`, VALUES or TABLE, and writes nothing. */
export interface Select extends TextFacts {
  kind: 'select';
  /** True when a FROM (other than FROM DUAL) or TABLE is there, in subqueries too. */
  hasFrom: boolean;
}
/** Everything else: the tenant's engine runs it in its own dialect. */
export interface EngineStatement extends TextFacts {
  kind: 'engine';
  /** First word, upper case; of `WITH … INSERT` the INSERT. */
  verb: string;
  /** Second word, upper case, for example TABLE of CREATE TABLE; '' when it is no word. */
  object: string;
}
/** Nothing but blanks and comments. */
export interface Empty {
  kind: 'empty';
}

export type AlterSystemStatement =
  | SetArchiveDest
  | SetArchiveDestState
  | SetDataBackupDest
  | SetLogRestoreSource
  | SetParameters
  | SetArchiveMode
  | ChangeStorageDest
  | TakeOver
  | Backup
  | BackupKey
  | RotateKey
  | CancelBackup
  | AddDeletePolicy
  | DropDeletePolicy
  | CancelDelete
  | DeleteBackup
  | DeleteObsolete
  | AddSchedule
  | ChangeSchedule
  | Validate
  | CancelValidate
  | CatalogBackup
  | Restore
  | PreviewRestore
  | CancelRestore
  | AddRestoreSource
  | ClearRestoreSource
  | RecoverTable
  | CancelRecoverTable
  | RecoverStandby
  | ActivateStandby
  | Switchover
  | RunUpgradeJob
  | Dead;

export type TenantStatement =
  | CreateTenant
  | AlterTenant
  | DropTenant
  | CreateUnit
  | AlterUnit
  | DropUnit
  | CreatePool
  | AlterPool
  | DropPool;

export type AccountStatement =
  | SetPassword
  | CreateUser
  | DropUser
  | LockUser
  | RenameUser
  | GrantPrivileges
  | RevokePrivileges;

export type SessionStatement =
  | SetEncryption
  | SetDecryption
  | SetStatement
  | SetTransaction
  | Use
  | Transaction
  | Kill
  | Show;

export type Statement =
  | AlterSystemStatement
  | TenantStatement
  | AccountStatement
  | SessionStatement
  | NotSupported
  | Select
  | EngineStatement
  | Empty;

export type StatementKind = Statement['kind'];
/** The statement of one kind: `StatementOf<'backup'>`. */
export type StatementOf<K extends StatementKind> = Extract<Statement, { kind: K }>;
