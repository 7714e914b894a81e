// Every statement of the manual's matrix (backup, archive, clean, restore) for each kind of session: accepted, or exactly
// how it is refused. The test runs the rows in this order on a real server; docs/conformance.md is made from them.
import { fail, type HoldfastError } from '../../src/base/errors.ts';

/** What a session gets. */
export type Answer = 'ok' | HoldfastError;

export interface ConformanceRow {
  /** `{archive}`, `{data}` are paths of the session's own tenant, in errors `{t}` is it; `s` is the one that sys works on. */
  sql: string;
  sys: Answer;
  /** A mysql and an oracle tenant alike: the oracle tenant sees the error in Oracle's words. */
  tenant: Answer;
  /** What has to be reached before the next row. */
  until?: 'archiving' | 'stopped' | 'noBackup' | 'noDelete' | 'noValidate';
  /** How OceanBase differs, and why we do. */
  differs?: string;
}

const notSupported = (what: string) => fail('NOT_SUPPORTED', { what });
const needs = (privilege: string) => fail('NO_PRIVILEGE', { privilege: `SUPER (${privilege})` });

const OTHER_TENANT = needs('a tenant names no other tenant');
const ofSys = (what: string) => needs(`${what} belongs to root@sys`);
const unnamed = (what: string) => notSupported(`${what} for the sys tenant (add TENANT = name)`);
const DEAD = (what: string) => ({ sys: notSupported(`${what} is`), tenant: notSupported(`${what} is`) });

const LIVE = 'OceanBase takes LOG_ARCHIVE_DEST alone: here _1 to _3 are copies.';
const NO_COPIES_OF_SETS = 'OceanBase has one DATA_BACKUP_DEST.';

const ARCHIVE: ConformanceRow[] = [
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={archive}' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={archive} BINDING=Optional PIECE_SWITCH_INTERVAL=1d'",
    sys: unnamed('setting log_archive_dest'),
    tenant: 'ok',
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'BINDING=Optional'",
    sys: unnamed('setting log_archive_dest'),
    tenant: notSupported('set archive dest without location is'),
  },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'ENABLE' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'ENABLE'",
    sys: unnamed('setting log_archive_dest_state'),
    tenant: 'ok',
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'ON'",
    sys: fail('INVALID_ARGUMENT', { what: 'LOG_ARCHIVE_DEST_STATE' }),
    tenant: fail('INVALID_ARGUMENT', { what: 'LOG_ARCHIVE_DEST_STATE' }),
  },
  { sql: "ALTER SYSTEM SET archive_lag_target = '10s' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: "ALTER SYSTEM SET archive_lag_target = '10s'",
    sys: notSupported('setting tenant parameter archive_lag_target for the sys tenant (add TENANT = name) is'),
    tenant: 'ok',
  },
  {
    sql: "ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = '{archive}' SET ATTRIBUTE = 'max_iops=1000' TENANT = s",
    sys: 'ok',
    tenant: OTHER_TENANT,
    differs: 'OceanBase has no TENANT clause here, and no limits of a path on NFS.',
  },
  {
    sql: "ALTER SYSTEM MODIFY EXTERNAL_STORAGE_DEST PATH '{archive}' SET ATTRIBUTE 'max_iops=0'",
    sys: unnamed('CHANGE EXTERNAL_STORAGE_DEST'),
    tenant: 'ok',
  },
  {
    sql: "ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST PATH = 'file:///nowhere' SET ATTRIBUTE = 'max_iops=100'",
    sys: unnamed('CHANGE EXTERNAL_STORAGE_DEST'),
    tenant: fail('ENTRY_NOT_EXIST', { what: 'the path does not exist' }),
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = 'LOCATION={archive}_1 BINDING=OPTIONAL' TENANT = s",
    ...{ sys: 'ok', tenant: OTHER_TENANT, differs: LIVE },
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_2 = 'LOCATION={archive}_2'",
    ...{ sys: unnamed('setting log_archive_dest_2'), tenant: 'ok', differs: LIVE },
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_3 = 'LOCATION={archive}_3 PIECE_SWITCH_INTERVAL=1d' TENANT = s",
    ...{ sys: notSupported('LOG_ARCHIVE_DEST_3 attribute PIECE_SWITCH_INTERVAL is'), tenant: OTHER_TENANT },
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_3 = 'LOCATION={archive}' TENANT = s",
    ...{ sys: notSupported('a copy at the path of LOG_ARCHIVE_DEST is'), tenant: OTHER_TENANT },
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_1 = 'DEFER' TENANT = s",
    ...{ sys: 'ok', tenant: OTHER_TENANT, differs: LIVE },
  },
  {
    sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_3 = 'ENABLE'",
    sys: unnamed('setting log_archive_dest_state_3'),
    tenant: fail('ENTRY_NOT_EXIST', { what: 'log_archive_dest_3 is not set' }),
  },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = '' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_2 = ''", sys: unnamed('setting log_archive_dest_2'), tenant: 'ok' },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_4 = 'LOCATION={archive}' TENANT = s", ...DEAD('LOG_ARCHIVE_DEST_4') },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_8 = 'ENABLE' TENANT = s", ...DEAD('LOG_ARCHIVE_DEST_STATE_8') },
  { sql: "ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: "ALTER SYSTEM SET DATA_BACKUP_DEST_1 = 'LOCATION={data}_1 BINDING=MANDATORY' TENANT = s",
    ...{ sys: 'ok', tenant: OTHER_TENANT, differs: NO_COPIES_OF_SETS },
  },
  {
    sql: "ALTER SYSTEM SET DATA_BACKUP_DEST_3 = '{data}_3'",
    ...{ sys: unnamed('setting data_backup_dest'), tenant: 'ok', differs: NO_COPIES_OF_SETS },
  },
  { sql: "ALTER SYSTEM SET DATA_BACKUP_DEST_3 = ''", sys: unnamed('setting data_backup_dest'), tenant: 'ok' },
  { sql: "ALTER SYSTEM SET DATA_BACKUP_DEST_1 = '' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: 'ALTER SYSTEM TAKE OVER DESTINATION',
    sys: notSupported('TAKE OVER DESTINATION for the sys tenant (add TENANT = name or ALL) is'),
    tenant: 'ok',
    differs: 'OceanBase has no such statement: a cluster elects who writes.',
  },
  {
    sql: "ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}'",
    sys: unnamed('setting data_backup_dest'),
    tenant: 'ok',
  },
  {
    sql: 'ALTER SYSTEM BACKUP DATABASE',
    sys: fail('BACKUP_CAN_NOT_START', {
      because:
        'no tenant meets the backup condition, please check the tenant status, log archive status, backup data dest, and backup status for each tenant',
    }),
    tenant: fail('BACKUP_CAN_NOT_START', { because: 'log archive status is not doing.' }),
  },
  { sql: 'ALTER SYSTEM ARCHIVELOG TENANT = s', sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: 'ALTER SYSTEM ARCHIVELOG TENANT = ALL_USER',
    sys: notSupported("use all_user/all_meta in 'ALTER SYSTEM ARCHIVELOG' syntax is"),
    tenant: OTHER_TENANT,
  },
  {
    sql: 'ALTER SYSTEM ARCHIVELOG TENANT = sys',
    sys: notSupported('this operation on the sys tenant, which holds no user data,'),
    tenant: OTHER_TENANT,
  },
  {
    sql: "ALTER SYSTEM ARCHIVELOG DESCRIPTION = 'nightly'",
    sys: 'ok',
    tenant: fail('ALREADY_IN_ARCHIVE_MODE', {}),
    until: 'archiving',
    differs: 'OceanBase 4.x swallows what fails for one of several tenants; here it is a warning of the statement.',
  },
  {
    sql: 'ALTER SYSTEM ARCHIVELOG',
    sys: fail('ALREADY_IN_ARCHIVE_MODE', {}),
    tenant: fail('ALREADY_IN_ARCHIVE_MODE', {}),
  },
];

const BACKUP: ConformanceRow[] = [
  {
    sql: "SET ENCRYPTION ON IDENTIFIED BY 'pw-1' ONLY",
    sys: 'ok',
    tenant: 'ok',
    differs: 'It encrypts; in OceanBase the password only gates the restore.',
  },
  {
    sql: "SET ENCRYPTION ON IDENTIFIED BY 'pw-1'",
    sys: notSupported('SET ENCRYPTION ON IDENTIFIED BY without ONLY is'),
    tenant: notSupported('SET ENCRYPTION ON IDENTIFIED BY without ONLY is'),
  },
  { sql: 'SET ENCRYPTION OFF', sys: 'ok', tenant: 'ok' },
  {
    sql: 'ALTER SYSTEM BACKUP TENANT = s',
    sys: 'ok',
    tenant: notSupported('user tenant cannot specify tenant names'),
    until: 'noBackup',
  },
  {
    sql: "ALTER SYSTEM BACKUP DATABASE TO 'file:///x'",
    sys: notSupported('backup do not support using specify path'),
    tenant: notSupported('backup do not support using specify path'),
  },
  { sql: 'ALTER SYSTEM BACKUP', sys: notSupported('No tenant name specified'), tenant: 'ok', until: 'noBackup' },
  {
    sql: "ALTER SYSTEM BACKUP DATABASE DESCRIPTION = 'weekly'",
    sys: 'ok',
    tenant: 'ok',
    until: 'noBackup',
  },
  {
    sql: 'ALTER SYSTEM BACKUP INCREMENTAL DATABASE',
    sys: 'ok',
    tenant: 'ok',
    until: 'noBackup',
  },
  { sql: 'ALTER SYSTEM CANCEL BACKUP', sys: 'ok', tenant: 'ok' },
  { sql: 'ALTER SYSTEM CANCEL BACKUP TENANT = s', sys: 'ok', tenant: OTHER_TENANT },
  {
    sql: 'ALTER SYSTEM BACKUP TENANT = nobody',
    sys: fail('TENANT_NOT_EXIST', { tenant: 'nobody' }),
    tenant: notSupported('user tenant cannot specify tenant names'),
  },
];

const TOO_FEW = notSupported('Too little tenant names specified, only one tenant name can be specified');
const CLEAN: ConformanceRow[] = [
  {
    sql: "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d' TENANT = s",
    sys: 'ok',
    tenant: OTHER_TENANT,
  },
  { sql: "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d'", sys: TOO_FEW, tenant: 'ok' },
  {
    sql: "ALTER SYSTEM ADD DELETE BACKUP POLICY 'daily' RECOVERY_WINDOW '7d'",
    sys: TOO_FEW,
    tenant: notSupported("The policy name is not 'default', it is not supported"),
  },
  {
    sql: "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default'",
    sys: TOO_FEW,
    tenant: notSupported('Neither recovery_window nor redundancy is set'),
  },
  { sql: 'ALTER SYSTEM DELETE OBSOLETE BACKUP', sys: 'ok', tenant: 'ok', until: 'noDelete' },
  { sql: 'ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = s', sys: 'ok', tenant: OTHER_TENANT, until: 'noDelete' },
  { sql: 'ALTER SYSTEM DELETE OBSOLETE BACKUP PREVIEW', sys: 'ok', tenant: 'ok', differs: 'OceanBase has no PREVIEW.' },
  { sql: 'ALTER SYSTEM CANCEL DELETE BACKUP', sys: 'ok', tenant: 'ok' },
  { sql: 'ALTER SYSTEM CANCEL DELETE BACKUP TENANT = s', sys: 'ok', tenant: OTHER_TENANT },
  { sql: "ALTER SYSTEM DROP DELETE BACKUP POLICY 'default' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  { sql: "ALTER SYSTEM DROP DELETE BACKUP POLICY 'default'", sys: TOO_FEW, tenant: 'ok' },
  { sql: 'ALTER SYSTEM DELETE BACKUPSET 1 TENANT = s', sys: 'ok', tenant: OTHER_TENANT, until: 'noDelete' },
  { sql: 'ALTER SYSTEM DELETE BACKUPSET 1', sys: unnamed('DELETE BACKUPSET'), tenant: 'ok', until: 'noDelete' },
  {
    sql: 'ALTER SYSTEM DELETE ARCHIVELOG_PIECE 1 TENANT = s',
    sys: fail('BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED', { because: 'id=1(is active piece)' }),
    tenant: OTHER_TENANT,
    differs: 'OceanBase begins a job that fails, and says why in its COMMENT.',
  },
  {
    sql: 'ALTER SYSTEM DELETE ARCHIVELOG_PIECE 1',
    sys: unnamed('DELETE ARCHIVELOG_PIECE'),
    tenant: fail('BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED', { because: 'id=1(is active piece)' }),
  },
];

const IS_PRIMARY = fail('NOT_ALLOWED', { what: "activating the tenant '{t}', whose role is PRIMARY, is" });
const RESTORE: ConformanceRow[] = [
  {
    sql: "SET DECRYPTION IDENTIFIED BY 'pw-1', 'pw-2'",
    sys: 'ok',
    tenant: notSupported('SET DECRYPTION in a user tenant is'),
  },
  { sql: "ALTER SYSTEM ADD RESTORE SOURCE 'file:///x'", sys: 'ok', tenant: ofSys('ADD RESTORE SOURCE') },
  { sql: 'ALTER SYSTEM CLEAR RESTORE SOURCE', sys: 'ok', tenant: ofSys('CLEAR RESTORE SOURCE') },
  {
    sql: "ALTER SYSTEM RESTORE r FROM '{data},{archive}' PREVIEW",
    sys: 'ok',
    tenant: ofSys('RESTORE … PREVIEW'),
    differs: 'OceanBase parses it and shows nothing.',
  },
  {
    sql: "ALTER SYSTEM RESTORE r FROM '{data},{archive}' WITH 'pool_list=p'",
    sys: fail('POOL_NOT_EXIST', { pool: 'p' }),
    tenant: ofSys('RESTORE'),
  },
  {
    sql: 'ALTER SYSTEM CANCEL RESTORE nobody',
    sys: fail('ENTRY_NOT_EXIST', { what: "a running restore of tenant 'nobody'" }),
    tenant: ofSys('CANCEL RESTORE'),
  },
  { sql: 'ALTER SYSTEM ACTIVATE STANDBY TENANT = s VERIFY', sys: IS_PRIMARY, tenant: OTHER_TENANT },
  { sql: 'ALTER SYSTEM ACTIVATE STANDBY', sys: unnamed('ACTIVATE STANDBY'), tenant: IS_PRIMARY },
];

/** Answers of a tenant that is none: what a standby does is told in standby.test.ts. */
const noStandby = (what: string) =>
  fail('NOT_ALLOWED', { what: `${what} for the tenant '{t}', whose role is PRIMARY, is` });
const NO_SWITCHOVER = notSupported(
  'SWITCHOVER (a standby replays an archive and has no primary to change roles with; ACTIVATE STANDBY opens it) is',
);
const NO_SERVICE = notSupported(
  'LOG_RESTORE_SOURCE with SERVICE (log comes from an archive: LOCATION=<uri of a log archive destination>) is',
);

const STANDBY: ConformanceRow[] = [
  {
    sql: 'ALTER SYSTEM RECOVER STANDBY TENANT = s UNTIL UNLIMITED',
    sys: noStandby('RECOVER STANDBY'),
    tenant: OTHER_TENANT,
  },
  {
    sql: 'ALTER SYSTEM RECOVER STANDBY CANCEL',
    sys: unnamed('RECOVER STANDBY'),
    tenant: noStandby('RECOVER STANDBY'),
  },
  {
    sql: "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION={archive}' TENANT = s",
    sys: noStandby('a log restore source'),
    tenant: OTHER_TENANT,
  },
  {
    sql: "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION={archive}'",
    sys: unnamed('setting log_restore_source'),
    tenant: noStandby('a log restore source'),
  },
  {
    sql: "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'SERVICE=1.2.3.4:2881 USER=u@t PASSWORD=p'",
    sys: unnamed('setting log_restore_source'),
    tenant: NO_SERVICE,
    differs: 'Here a standby replays an archive; no primary hands out its log.',
  },
  {
    sql: 'ALTER SYSTEM SWITCHOVER TO STANDBY TENANT = s VERIFY',
    sys: NO_SWITCHOVER,
    tenant: NO_SWITCHOVER,
    differs: 'Here no primary hands out its log, so there are no roles to change.',
  },
  {
    sql: "ALTER SYSTEM RUN UPGRADE JOB 'UPGRADE_ALL' TENANT = s",
    sys: 'ok',
    tenant: ofSys('RUN UPGRADE JOB'),
    differs: 'Nothing is to be upgraded; a Note says so.',
  },
];

const NO_RECOVER = fail('NOT_ALLOWED', { what: 'user tenant recover table is' });
const RECOVER_TABLE: ConformanceRow[] = [
  {
    sql: "ALTER SYSTEM RECOVER TABLE main.t TO TENANT = s FROM '{data},{archive}' WITH 'pool_list=p'",
    sys: fail('POOL_NOT_EXIST', { pool: 'p' }),
    tenant: NO_RECOVER,
  },
  {
    sql: "ALTER SYSTEM RECOVER TABLE s.t TO s FROM '{data},{archive}' WITH 'pool_list='",
    sys: fail('INVALID_ARGUMENT', {
      what: "RECOVER TABLE: there is no database 's', the tables of a tenant are in 'main'",
    }),
    tenant: NO_RECOVER,
    differs: 'A SQLite tenant has one database.',
  },
  {
    sql: "ALTER SYSTEM RECOVER TABLE main.* FROM '{data},{archive}' WITH 'pool_list='",
    sys: notSupported('RECOVER TABLE without TO TENANT is'),
    tenant: NO_RECOVER,
  },
  {
    sql: "ALTER SYSTEM RECOVER TABLE *.* TO sys FROM '{data},{archive}' WITH 'pool_list='",
    sys: notSupported('this operation on the sys tenant, which holds no user data,'),
    tenant: NO_RECOVER,
  },
  {
    sql: "ALTER SYSTEM RECOVER TABLE main.t TO s FROM '{data}' WITH 'pool_list=' REMAP TABLEGROUP a:b",
    sys: notSupported('REMAP TABLEGROUP (there are none) is'),
    tenant: NO_RECOVER,
    differs: 'There are no table groups and no tablespaces.',
  },
  {
    sql: 'ALTER SYSTEM CANCEL RECOVER TABLE s',
    sys: fail('ENTRY_NOT_EXIST', { what: "a running table recovery into tenant 's'" }),
    tenant: fail('NOT_ALLOWED', { what: 'user tenant cancel recover table is' }),
  },
];

const DEAD_FORMS: ConformanceRow[] = [
  'SUSPEND BACKUP',
  'RESUME BACKUP',
  'CANCEL ALL BACKUP FORCE',
  'START BACKUP ARCHIVELOG',
  'STOP BACKUP ARCHIVELOG',
  'VALIDATE DATABASE',
].map((words) => ({ sql: `ALTER SYSTEM ${words}`, ...DEAD(words) }));

const NO_KEY = fail('ENTRY_NOT_EXIST', { what: "a key of tenant '{t}'" });
const KEYS: ConformanceRow[] = [
  { sql: "ALTER SYSTEM BACKUP KEY TENANT = s TO '{data}/key' ENCRYPTED BY 'pw-1'", sys: NO_KEY, tenant: OTHER_TENANT },
  {
    sql: "ALTER SYSTEM BACKUP KEY TO '{data}/key' ENCRYPTED BY 'pw-1'",
    sys: notSupported('No tenant name specified'),
    tenant: NO_KEY,
  },
  {
    sql: 'ALTER INSTANCE ROTATE INNODB MASTER KEY',
    sys: unnamed('ALTER SYSTEM ROTATE KEY'),
    tenant: notSupported("a new key for a tenant with tde_method = 'none' is"),
  },
  {
    sql: "ALTER SYSTEM SET tde_method = 'internal' TENANT = s",
    sys: 'ok',
    tenant: OTHER_TENANT,
    differs: 'Here it encrypts sets and archived log, not the database file.',
  },
  {
    sql: "ALTER SYSTEM SET tde_method = 'internal'",
    sys: notSupported('setting tenant parameter tde_method for the sys tenant (add TENANT = name) is'),
    tenant: 'ok',
  },
  {
    sql: 'ADMINISTER KEY MANAGEMENT SET ENCRYPTION KEY',
    sys: unnamed('ALTER SYSTEM ROTATE KEY'),
    tenant: 'ok',
    differs: 'Of oracle tenants there; both modes take the words of both here.',
  },
  {
    sql: 'ALTER SYSTEM ROTATE KEY TENANT = s',
    sys: 'ok',
    tenant: OTHER_TENANT,
    differs: 'OceanBase has no form for sys.',
  },
  {
    sql: "ALTER SYSTEM BACKUP KEY TENANT = s TO '{data}/key'",
    sys: fail('INVALID_ARGUMENT', { what: 'BACKUP KEY: ENCRYPTED BY is missing' }),
    tenant: OTHER_TENANT,
    differs: 'There it is optional; here no key lies anywhere in clear.',
  },
  { sql: "ALTER SYSTEM BACKUP KEY TENANT = s TO '{data}/key' ENCRYPTED BY 'pw-1'", sys: 'ok', tenant: OTHER_TENANT },
];

const NO_LEVEL = fail('INVALID_ARGUMENT', { what: 'LEVEL' });
const NO_PATH = fail('INVALID_ARGUMENT', {
  what: 'VALIDATE: BACKUP means the present destinations and takes no path',
});
const VALIDATE: ConformanceRow[] = [
  { sql: 'ALTER SYSTEM VALIDATE BACKUP TENANT = s', sys: 'ok', tenant: OTHER_TENANT, until: 'noValidate' },
  {
    sql: "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'physical' TENANT = s",
    sys: 'ok',
    tenant: OTHER_TENANT,
    until: 'noValidate',
  },
  { sql: "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'deep'", sys: NO_LEVEL, tenant: NO_LEVEL },
  {
    sql: "ALTER SYSTEM VALIDATE BACKUP DATA_BACKUP_DEST = '{data}'",
    sys: NO_PATH,
    tenant: NO_PATH,
  },
  {
    sql: "ALTER SYSTEM VALIDATE BACKUPSET = '999' LEVEL = 'basic'",
    sys: unnamed('ALTER SYSTEM VALIDATE BACKUPSET'),
    tenant: fail('INVALID_BACKUP_SET_ID', { ids: '999' }),
  },
  {
    sql: "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE = '999' TENANT = s",
    sys: fail('ENTRY_NOT_EXIST', { what: 'archive piece 999' }),
    tenant: OTHER_TENANT,
  },
  {
    sql: "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE LOG_ARCHIVE_DEST = '{archive}'",
    sys: unnamed('ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE'),
    tenant: 'ok',
    until: 'noValidate',
  },
  { sql: 'ALTER SYSTEM CANCEL VALIDATE', sys: 'ok', tenant: 'ok', differs: 'OceanBase has no way to end one.' },
];

const END: ConformanceRow[] = [
  { sql: 'ALTER SYSTEM NOARCHIVELOG TENANT = s', sys: 'ok', tenant: OTHER_TENANT },
  { sql: 'ALTER SYSTEM NOARCHIVELOG', sys: 'ok', tenant: fail('ALREADY_IN_NOARCHIVE_MODE', {}), until: 'stopped' },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST = '' TENANT = s", sys: 'ok', tenant: OTHER_TENANT },
  { sql: "ALTER SYSTEM SET LOG_ARCHIVE_DEST = ''", sys: unnamed('setting log_archive_dest'), tenant: 'ok' },
];

/** The rows by what they are about. */
export const CONFORMANCE: Readonly<Record<string, readonly ConformanceRow[]>> = {
  'Archiving the log': ARCHIVE,
  'Backing up': BACKUP,
  Cleaning: CLEAN,
  Restoring: RESTORE,
  'Recovering tables': RECOVER_TABLE,
  'Grammar of OceanBase 2.x and 3.x': DEAD_FORMS,
  'Keys of tenants': KEYS,
  'Standby tenants': STANDBY,
  Validation: VALIDATE,
  'Ending the archive': END,
};
