import { describe, expect, test } from 'vitest';
import { HoldfastError, isFailure } from '../../base/errors.ts';
import { parseStatement } from './parse.ts';

const parse = (sql: string) => parseStatement(sql, 'mysql');

/** What SYNTAX says, or the error's name. */
function failureOf(sql: string, mode: 'mysql' | 'oracle' = 'mysql'): string {
  try {
    parseStatement(sql, mode);
  } catch (error) {
    if (isFailure(error, 'SYNTAX')) return `near ${(error.facts as { near: string }).near}`;
    if (error instanceof HoldfastError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
}

describe('ALTER SYSTEM SET', () => {
  test.each([
    [
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file:///backup/m/archive' TENANT = mysql_tenant;",
      { kind: 'setArchiveDest', destNo: 0, attributes: 'LOCATION=file:///backup/m/archive', tenants: ['mysql_tenant'] },
    ],
    ["alter system log_archive_dest = ''", { kind: 'setArchiveDest', destNo: 0, attributes: '', tenants: null }],
    [
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'defer' TENANT t",
      { kind: 'setArchiveDestState', destNo: 0, state: 'DEFER', tenants: ['t'] },
    ],
    [
      'ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = ENABLE',
      { kind: 'setArchiveDestState', destNo: 0, state: 'ENABLE', tenants: null },
    ],
    [
      "ALTER SYSTEM SET DATA_BACKUP_DEST='file:///d' TENANT = ALL",
      { kind: 'setDataBackupDest', destNo: 0, value: 'file:///d', tenants: 'ALL' },
    ],
    [
      "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=file:///a' TENANT = `t`",
      { kind: 'setLogRestoreSource', source: 'LOCATION=file:///a', tenants: ['t'] },
    ],
    [
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST_3 = 'LOCATION=file:///a' TENANT = t",
      { kind: 'setArchiveDest', destNo: 3, attributes: 'LOCATION=file:///a', tenants: ['t'] },
    ],
    [
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_1 = 'defer'",
      { kind: 'setArchiveDestState', destNo: 1, state: 'DEFER', tenants: null },
    ],
    ['ALTER SYSTEM SET LOG_ARCHIVE_DEST_4 = "x"', { kind: 'dead', what: 'LOG_ARCHIVE_DEST_4 is' }],
    ["ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_8 = 'x'", { kind: 'dead', what: 'LOG_ARCHIVE_DEST_STATE_8 is' }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test('reads several parameters with all their clauses', () => {
    const sql = `ALTER SYSTEM SET archive_lag_target = '30s' TENANT = a, ha_low_thread_score=10 COMMENT 'why'
      SCOPE = SPFILE SERVER='1.2.3.4:2882' TENANT=ALL_USER, x = -4, y = 4G zone = 'z1', \`z\` = TRUE`;
    const none = { comment: null, scope: null, server: null, zone: null, tenants: null };
    expect(parse(sql)).toEqual({
      kind: 'setParameters',
      assignments: [
        { ...none, name: 'archive_lag_target', value: '30s', tenants: ['a'] },
        {
          ...none,
          name: 'ha_low_thread_score',
          value: '10',
          comment: 'why',
          scope: 'SPFILE',
          server: '1.2.3.4:2882',
          tenants: 'ALL_USER',
        },
        { ...none, name: 'x', value: '-4' },
        { ...none, name: 'y', value: '4G', zone: 'z1' },
        { ...none, name: 'z', value: 'TRUE' },
      ],
    });
  });

  test.each([
    ["ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'PAUSE'", '4002: Incorrect arguments to LOG_ARCHIVE_DEST_STATE'],
    [
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'x', a = 1",
      '4007: LOG_ARCHIVE_DEST together with other parameters is not supported',
    ],
    [
      "ALTER SYSTEM SET DATA_BACKUP_DEST = 'x' COMMENT 'c'",
      '4007: DATA_BACKUP_DEST with COMMENT, SCOPE, SERVER or ZONE is not supported',
    ],
    ["ALTER SYSTEM SET LOG_ARCHIVE_DEST 'x'", "near 'x'"],
    ["ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'x' TENNT = t", 'near TENNT = t'],
    ['ALTER SYSTEM SET a = 1 SCOPE = DISK', 'near DISK'],
    ["ALTER SYSTEM SET a = 1 ZONE z SERVER 's'", "near SERVER 's'"],
    ['ALTER SYSTEM SET a = 1 TENANT = b, c', 'near '],
    ['ALTER SYSTEM SET a = ', 'near '],
    ['ALTER SYSTEM SET', 'near '],
  ])('refuses %s', (sql, failure) => {
    expect(failureOf(sql)).toBe(failure);
  });
});

describe('ALTER SYSTEM about backup', () => {
  const backup = {
    kind: 'backup',
    isIncremental: false,
    scope: 'DATABASE',
    tenants: null,
    to: null,
    isPlusArchivelog: false,
    description: null,
  };
  test.each([
    ['ALTER SYSTEM ARCHIVELOG TENANT = mysql_tenant;', { isOn: true, tenants: ['mysql_tenant'], description: null }],
    ['ALTER SYSTEM ARCHIVELOG', { isOn: true, tenants: null, description: null }],
    [
      "ALTER SYSTEM NOARCHIVELOG TENANT a, 'b', `c` DESCRIPTION 'd'",
      { isOn: false, tenants: ['a', 'b', 'c'], description: 'd' },
    ],
    ['ALTER SYSTEM ARCHIVELOG TENANT ALL', { isOn: true, tenants: 'ALL', description: null }],
    ['ALTER SYSTEM ARCHIVELOG TENANT = all_meta', { isOn: true, tenants: 'ALL_META', description: null }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual({ kind: 'setArchiveMode', ...statement });
  });

  test.each([
    ['ALTER SYSTEM BACKUP DATABASE;', backup],
    [
      'alter system backup incremental database plus archivelog',
      { ...backup, isIncremental: true, isPlusArchivelog: true },
    ],
    [
      "ALTER SYSTEM BACKUP TENANT = mysql_tenant, oracle_tenant PLUS ARCHIVELOG DESCRIPTION 'weekly'",
      {
        ...backup,
        scope: 'TENANT',
        tenants: ['mysql_tenant', 'oracle_tenant'],
        isPlusArchivelog: true,
        description: 'weekly',
      },
    ],
    [
      "ALTER SYSTEM BACKUP DATABASE TO = 'file:///x' DESCRIPTION = 'd'",
      { ...backup, to: 'file:///x', description: 'd' },
    ],
    ['ALTER SYSTEM BACKUP', { ...backup, scope: null }],
    ['ALTER SYSTEM BACKUP INCREMENTAL', { ...backup, scope: null, isIncremental: true }],
    [
      "ALTER SYSTEM BACKUP KEY TENANT t TO 'p' ENCRYPTED BY 'pw'",
      { kind: 'backupKey', tenants: ['t'], to: 'p', encryptedBy: 'pw' },
    ],
    ['ALTER SYSTEM BACKUP KEY', { kind: 'backupKey', tenants: null, to: null, encryptedBy: null }],
    ['ALTER SYSTEM CANCEL BACKUP TENANT = a, b', { kind: 'cancelBackup', tenants: ['a', 'b'] }],
    ['ALTER SYSTEM CANCEL BACKUP', { kind: 'cancelBackup', tenants: null }],
    ['ALTER SYSTEM TAKE OVER DESTINATION TENANT = t, u', { kind: 'takeOver', tenants: ['t', 'u'] }],
    ['ALTER SYSTEM TAKE OVER DESTINATION', { kind: 'takeOver', tenants: null }],
    ['ALTER SYSTEM ROTATE KEY TENANT = t', { kind: 'rotateKey', tenants: ['t'] }],
    ['ALTER SYSTEM ROTATE KEY', { kind: 'rotateKey', tenants: null }],
    [
      "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '7d' REDUNDANCY = 1 BACKUP_COPIES 0 TENANT = t",
      {
        kind: 'addDeletePolicy',
        policy: 'default',
        recoveryWindow: '7d',
        redundancy: 1,
        backupCopies: 0,
        tenants: ['t'],
      },
    ],
    [
      "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d'",
      {
        kind: 'addDeletePolicy',
        policy: 'default',
        recoveryWindow: '7d',
        redundancy: null,
        backupCopies: null,
        tenants: null,
      },
    ],
    [
      "ALTER SYSTEM DROP DELETE BACKUP POLICY 'default' TENANT t",
      { kind: 'dropDeletePolicy', policy: 'default', tenants: ['t'] },
    ],
    [
      "ALTER SYSTEM CANCEL DELETE BACKUP TENANT a DESCRIPTION 'd'",
      { kind: 'cancelDelete', tenants: ['a'], description: 'd' },
    ],
    [
      "ALTER SYSTEM DELETE BACKUPSET 1, 2 COPY 0 TENANT = t DESCRIPTION = 'd'",
      { kind: 'deleteBackup', object: 'BACKUPSET', ids: [1, 2], copy: 0, tenants: ['t'], description: 'd' },
    ],
    [
      'ALTER SYSTEM DELETE ARCHIVELOG_PIECE 7',
      { kind: 'deleteBackup', object: 'ARCHIVELOG_PIECE', ids: [7], copy: null, tenants: null, description: null },
    ],
    [
      'ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT t',
      { kind: 'deleteObsolete', tenants: ['t'], description: null, isPreview: false },
    ],
    [
      'ALTER SYSTEM DELETE OBSOLETE BACKUP PREVIEW',
      { kind: 'deleteObsolete', tenants: null, description: null, isPreview: true },
    ],
    [
      "ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = 'p' SET ATTRIBUTE = 'max_iops=1' ACCESS_INFO = 'access_id=a'",
      { kind: 'changeStorageDest', path: 'p', attribute: 'max_iops=1', accessInfo: 'access_id=a', tenants: null },
    ],
    [
      "ALTER SYSTEM MODIFY EXTERNAL_STORAGE_DEST PATH 'p' SET ACCESS_INFO 'a=b' TENANT = t",
      { kind: 'changeStorageDest', path: 'p', attribute: null, accessInfo: 'a=b', tenants: ['t'] },
    ],
    [
      "ALTER SYSTEM CATALOG BACKUP FROM 'file:///a, file:///b' TENANT = t",
      { kind: 'catalogBackup', uris: ['file:///a', 'file:///b'], tenants: ['t'] },
    ],
    ['ALTER SYSTEM CANCEL VALIDATE', { kind: 'cancelValidate', tenants: null }],
    ['ALTER SYSTEM CANCEL VALIDATE TENANT = a, b', { kind: 'cancelValidate', tenants: ['a', 'b'] }],
    [
      'ALTER SYSTEM RUN UPGRADE JOB "UPGRADE_ALL" TENANT = a,b',
      { kind: 'runUpgradeJob', job: 'UPGRADE_ALL', tenants: ['a', 'b'] },
    ],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test.each([
    ['ALTER SYSTEM VALIDATE BACKUP', { object: 'BACKUP' }],
    [
      "ALTER SYSTEM VALIDATE BACKUPSET = '1, 2' LEVEL = 'PHYSICAL' TENANT = t",
      { object: 'BACKUPSET', ids: [1, 2], level: 'physical', tenants: ['t'] },
    ],
    ['ALTER SYSTEM VALIDATE BACKUPSET 3', { object: 'BACKUPSET', ids: [3] }],
    [
      "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE LOG_ARCHIVE_DEST = 'file:///a'",
      { object: 'ARCHIVELOG_PIECE', logArchiveDest: 'file:///a' },
    ],
    [
      "ALTER SYSTEM VALIDATE BACKUPSET DATA_BACKUP_DEST = 'p' LEVEL 'basic'",
      { object: 'BACKUPSET', dataBackupDest: 'p', level: 'basic' },
    ],
    [
      "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'restore' CHECK = 'Full' TENANT = t DESCRIPTION 'drill'",
      { object: 'BACKUP', level: 'restore', check: 'full', tenants: ['t'], description: 'drill' },
    ],
    [
      "ALTER SYSTEM VALIDATE BACKUP LEVEL 'physical' BUDGET '10G'",
      { object: 'BACKUP', level: 'physical', budget: '10G' },
    ],
  ])('reads %s', (sql, facts) => {
    const none = {
      ids: null,
      dataBackupDest: null,
      logArchiveDest: null,
      level: null,
      check: null,
      budget: null,
      tenants: null,
      description: null,
    };
    expect(parse(sql)).toEqual({ kind: 'validate', ...none, ...facts });
  });

  test.each([
    'SUSPEND BACKUP',
    'RESUME BACKUP',
    'CANCEL ALL BACKUP FORCE',
    'CANCEL BACKUP BACKUPSET 1',
    'CANCEL BACKUP BACKUPPIECE 1',
    'CANCEL VALIDATE 3',
    'START BACKUP ARCHIVELOG',
    'STOP BACKUP ARCHIVELOG',
    "BACKUP BACKUPSET ALL BACKUP_BACKUP_DEST='x'",
    'BACKUP BACKUPPIECE 1',
    'DELETE BACKUPROUND 1',
    'DELETE BACKUPPIECE 1 COPY 1',
    'VALIDATE DATABASE',
  ])('knows that %s is dead', (text) => {
    const statement = parse(`ALTER SYSTEM ${text}`);
    expect(statement.kind).toBe('dead');
    expect(text.startsWith((statement as { what: string }).what.replace(/ is$/, ''))).toBe(true);
  });

  test.each([
    ["ALTER SYSTEM VALIDATE BACKUPSET = '1,x'", '4002: Incorrect arguments to BACKUPSET ids'],
    ["ALTER SYSTEM VALIDATE BACKUP LEVEL = 'deep'", '4002: Incorrect arguments to LEVEL'],
    ['ALTER SYSTEM DELETE BACKUPSET 99999999999999999999', '4002: Incorrect arguments to BACKUPSET id'],
    ['ALTER SYSTEM BACKP DATABASE', 'near BACKP DATABASE'],
    ['ALTER SYSTEM BACKUP DATABSE', 'near DATABSE'],
    ['ALTER SYSTEM BACKUP DATABASE PLUS ARCHIVLOG', 'near ARCHIVLOG'],
    ['ALTER SYSTEM BACKUP DATABASE TENANT = t', 'near TENANT = t'],
    ['ALTER SYSTEM BACKUP TENANT = a,', 'near '],
    ['ALTER SYSTEM BACKUP DATABASE; SELECT 1', 'near SELECT 1'],
    ["ALTER SYSTEM BACKUP DATABASE DESCRIPTION 'open", "near '******"],
    ['ALTER SYSTEM ARCHIVELOGG', 'near ARCHIVELOGG'],
    ["ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOOW '7d'", "near RECOVERY_WINDOOW '7d'"],
    ['ALTER SYSTEM DELETE BACKUPSET', 'near '],
    ['ALTER SYSTEM DELETE BACKUPSET one', 'near one'],
    ["ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH='p' SET", 'near '],
    ['ALTER SYSTEM CANCEL BACKUP NOW', 'near NOW'],
    ['ALTER SYSTEM CANCEL', 'near '],
    ['ALTER SYSTEM', 'near '],
    ['ALTER SYSTEM KILL SESSION 4', 'near KILL SESSION 4'],
    ['/* hidden */ ALTER /**/ SYSTEM # c\n DROP TABLE t', 'near TABLE t'],
  ])('refuses %s', (sql, failure) => {
    expect(failureOf(sql)).toBe(failure);
  });
});

describe('ALTER SYSTEM about restore', () => {
  const source = { uris: null, until: null, options: null, encryptedBy: null, withKey: null, description: null };
  test.each([
    [
      "ALTER SYSTEM RESTORE new_tenant FROM 'file:///b/data,file:///b/archive' UNTIL TIME='2025-01-02 03:04:05.678' WITH 'pool_list=p'",
      {
        kind: 'restore',
        tenant: 'new_tenant',
        ...source,
        uris: ['file:///b/data', 'file:///b/archive'],
        until: { by: 'TIME', time: '2025-01-02 03:04:05.678' },
        options: 'pool_list=p',
      },
    ],
    [
      "ALTER SYSTEM RESTORE t UNTIL SCN = 1740790800120000000 WITH 'pool_list=p' ENCRYPTED BY 'k' WITH KEY FROM 'f' ENCRYPTED BY 'pw' DESCRIPTION 'd'",
      {
        kind: 'restore',
        tenant: 't',
        ...source,
        until: { by: 'SCN', scn: 1740790800120000000n },
        options: 'pool_list=p',
        encryptedBy: 'k',
        withKey: { from: 'f', encryptedBy: 'pw' },
        description: 'd',
      },
    ],
    ["ALTER SYSTEM RESTORE t WITH 'a=b'", { kind: 'restore', tenant: 't', ...source, options: 'a=b' }],
    [
      "ALTER SYSTEM RESTORE FROM 'file:///a' UNTIL SCN 5 PREVIEW",
      { kind: 'previewRestore', tenant: null, ...source, uris: ['file:///a'], until: { by: 'SCN', scn: 5n } },
    ],
    [
      "ALTER SYSTEM RESTORE t FROM 'file:///a' UNTIL TIME '2025-01-01' WITH 'pool_list=p' PREVIEW",
      {
        kind: 'previewRestore',
        tenant: 't',
        ...source,
        uris: ['file:///a'],
        until: { by: 'TIME', time: '2025-01-01' },
        options: 'pool_list=p',
      },
    ],
    ['ALTER SYSTEM RESTORE PREVIEW', { kind: 'previewRestore', tenant: null, ...source }],
    ['ALTER SYSTEM CANCEL RESTORE t', { kind: 'cancelRestore', tenant: 't' }],
    ["ALTER SYSTEM ADD RESTORE SOURCE 'u'", { kind: 'addRestoreSource', uri: 'u' }],
    ['ALTER SYSTEM CLEAR RESTORE SOURCE', { kind: 'clearRestoreSource' }],
    ['ALTER SYSTEM RECOVER STANDBY', { kind: 'recoverStandby', tenants: null, until: null }],
    ['ALTER SYSTEM RECOVER STANDBY TENANT t CANCEL', { kind: 'recoverStandby', tenants: ['t'], until: 'CANCEL' }],
    [
      'ALTER SYSTEM RECOVER STANDBY TENANT = t UNTIL UNLIMITED',
      { kind: 'recoverStandby', tenants: ['t'], until: 'UNLIMITED' },
    ],
    [
      'ALTER SYSTEM RECOVER STANDBY UNTIL SCN=7',
      { kind: 'recoverStandby', tenants: null, until: { by: 'SCN', scn: 7n } },
    ],
    ['ALTER SYSTEM ACTIVATE STANDBY TENANT t VERIFY', { kind: 'activateStandby', tenants: ['t'], isVerify: true }],
    ['ALTER SYSTEM ACTIVATE STANDBY', { kind: 'activateStandby', tenants: null, isVerify: false }],
    [
      'ALTER SYSTEM SWITCHOVER TO PRIMARY TENANT = t',
      { kind: 'switchover', to: 'PRIMARY', tenants: ['t'], isVerify: false },
    ],
    ['ALTER SYSTEM SWITCHOVER TO STANDBY VERIFY', { kind: 'switchover', to: 'STANDBY', tenants: null, isVerify: true }],
    ['ALTER SYSTEM CANCEL RECOVER TABLE t', { kind: 'cancelRecoverTable', tenant: 't' }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test('reads RECOVER TABLE with every clause', () => {
    const sql = `ALTER SYSTEM RECOVER TABLE db.t1, db.*, *.* TO TENANT = dst FROM 'a,b' UNTIL SCN = 9
      WITH 'pool_list=p' ENCRYPTED BY 'k' WITH KEY FROM 'f' REMAP TABLE db.t1:t2, db.t3:db2.t3, db.\`*\`:db3.\`*\`
      REMAP TABLEGROUP g1:g2 REMAP TABLESPACE s1:s2, s3:s4 DESCRIPTION = 'd'`;
    expect(parse(sql)).toEqual({
      kind: 'recoverTable',
      tables: [
        { database: 'db', table: 't1' },
        { database: 'db', table: '*' },
        { database: '*', table: '*' },
      ],
      tenant: 'dst',
      uris: ['a', 'b'],
      until: { by: 'SCN', scn: 9n },
      options: 'pool_list=p',
      encryptedBy: 'k',
      withKey: { from: 'f', encryptedBy: null },
      remapTables: [
        { from: { database: 'db', table: 't1' }, to: { database: null, table: 't2' } },
        { from: { database: 'db', table: 't3' }, to: { database: 'db2', table: 't3' } },
        { from: { database: 'db', table: '*' }, to: { database: 'db3', table: null } },
      ],
      remapTablegroups: [{ from: 'g1', to: 'g2' }],
      remapTablespaces: [
        { from: 's1', to: 's2' },
        { from: 's3', to: 's4' },
      ],
      description: 'd',
    });
  });

  test.each([
    ['ALTER SYSTEM RESTORE t UNTIL SCN = 18446744073709551616', '4002: Incorrect arguments to SCN'],
    ["ALTER SYSTEM RESTORE t FORM 'x'", "near FORM 'x'"],
    ["ALTER SYSTEM RESTORE t FROM 'x' UNTIL TIMESTAMP = 'y'", "near TIMESTAMP = 'y'"],
    ["ALTER SYSTEM RESTORE t FROM 'x' UNTIL SCN = 1.5", 'near 1.5'],
    ["ALTER SYSTEM RESTORE t FROM 'x' WITH KEY 'y'", "near 'y'"],
    ["ALTER SYSTEM RESTORE FROM 'x'", 'near '],
    ["ALTER SYSTEM RESTORE t FROM 'x' PREVIW", 'near PREVIW'],
    ['ALTER SYSTEM RECOVER TABLE t', 'near '],
    ['ALTER SYSTEM RECOVER TABEL db.t', 'near TABEL db.t'],
    ['ALTER SYSTEM ACTIVATE STANBY', 'near STANBY'],
    ['ALTER SYSTEM SWITCHOVER TO MASTER', 'near MASTER'],
    ['ALTER SYSTEM ACTIVATE STANDBY TENANT = t VERIFI', 'near VERIFI'],
    ['ALTER SYSTEM CANCEL RECOVER t', 'near t'],
  ])('refuses %s', (sql, failure) => {
    expect(failureOf(sql)).toBe(failure);
  });
});

test('an oracle tenant writes the same words, with identifiers in double quotes', () => {
  const sql = `ALTER SYSTEM BACKUP TENANT = "My T" DESCRIPTION 'it''s\\'`;
  expect(parseStatement(sql, 'oracle')).toMatchObject({ tenants: ['My T'], description: "it's\\" });
  expect(failureOf('ALTER SYSTEM BACKUP DATABASE DESCRIPTION "d"', 'oracle')).toBe('near "d"');
  expect(failureOf('ALTER SYSTEM BACKUP DATABASE DESCRIPTION "d"', 'mysql')).toBe('no error');
});

describe('schedules', () => {
  const none = { tenants: null, password: null, level: null, budget: null, description: null };
  test.each([
    [
      "ALTER SYSTEM ADD BACKUP SCHEDULE 'weekly' TYPE = FULL CRON = '0 2 * * 0'",
      { ...none, kind: 'addSchedule', name: 'weekly', type: 'FULL', cron: '0 2 * * 0' },
    ],
    [
      "alter system add backup schedule s cron '@daily' tenant = a, b type validate level 'physical' budget '10G' password 'p' description 'd'",
      {
        ...{ kind: 'addSchedule', name: 's', type: 'VALIDATE', cron: '@daily', tenants: ['a', 'b'], password: 'p' },
        ...{ level: 'physical', budget: '10G', description: 'd' },
      },
    ],
    [
      "ALTER SYSTEM ADD BACKUP SCHEDULE = 'd' TYPE = DRILL CRON = '0 3 1 * *' TENANT = ALL",
      { ...none, kind: 'addSchedule', name: 'd', type: 'DRILL', cron: '0 3 1 * *', tenants: 'ALL' },
    ],
    ["ALTER SYSTEM DROP BACKUP SCHEDULE 'w'", { kind: 'changeSchedule', change: 'DROP', name: 'w' }],
    ['ALTER SYSTEM PAUSE BACKUP SCHEDULE = w;', { kind: 'changeSchedule', change: 'PAUSE', name: 'w' }],
    ["ALTER SYSTEM RESUME BACKUP SCHEDULE 'w'", { kind: 'changeSchedule', change: 'RESUME', name: 'w' }],
    ['ALTER SYSTEM RESUME BACKUP', { kind: 'dead', what: 'RESUME BACKUP is' }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test.each([
    ["ALTER SYSTEM ADD BACKUP SCHEDULE 'w' TYPE = FULL", 'near '],
    ["ALTER SYSTEM ADD BACKUP SCHEDULE 'w' CRON = '@daily'", 'near '],
    ["ALTER SYSTEM ADD BACKUP SCHEDULE 'w' TYPE = HOURLY CRON = '@daily'", "near HOURLY CRON = '@daily'"],
    ["ALTER SYSTEM ADD BACKUP SCHEDULE 'w' TYPE = FULL TYPE = FULL CRON = '@daily'", 'near TYPE = FULL CRON'],
    ["ALTER SYSTEM PAUSE BACKUP 'w'", "near 'w'"],
  ])('refuses %s', (sql, near) => {
    expect(failureOf(sql)).toContain(near);
  });
});
