// Goal: the administrator of an oracle tenant finds OceanBase's oracle mode: log-in as SYS, the SYS views with Oracle's
// types and names, ORA errors, what drivers ask when they connect, and the whole runbook from archive to restore.
// Method: a real server; mysql2 and mariadb (npm), as text and as prepared statements, over the wire.
import { mkdirSync } from 'node:fs';
import * as mariadb from 'mariadb';
import type { Connection, FieldPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

/** Type codes of the MySQL protocol: no other may reach a client. */
const TYPE = { DECIMAL: 0xf6, VAR_STRING: 0xfd, DATETIME: 0x0c, TIMESTAMP: 0x07, BLOB: 0xfc };
const NS_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/;

let fixture: HoldfastFixture;
let sys: Connection;
let ora: Connection;

const rows = (sql: string) => query(ora, sql);
const fields = async (sql: string) => (await ora.query(sql))[1] as FieldPacket[];
const names = async (sql: string) => (await fields(sql)).map((field) => field.name);
/** `errno SQLSTATE first line` */
const fails = async (sql: string) => {
  const { errno, sqlState, sqlMessage } = await failure(ora.query(sql));
  return `${errno} ${sqlState} ${sqlMessage.split('\n')[0]}`;
};

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  await sys.query("CREATE TENANT ora SET ob_compatibility_mode = 'oracle'");
  await sys.query('CREATE TENANT other');
  mkdirSync(fixture.path('backup'), { recursive: true });
  ora = await fixture.login('SYS@ora');
}, 60_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('log-in', () => {
  test.each(['SYS@ora', 'sys@ora', 'Sys@ora', 'SYS@ORA'])('%s is the administrator', async (user) => {
    const connection = await fixture.login(user);
    expect(
      await query(connection, "SELECT USER, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') \"schema\" FROM DUAL"),
    ).toEqual([{ USER: 'SYS', schema: 'SYS' }]);
    await connection.end();
  });

  test('nobody else is: root is of mysql tenants, SYS of oracle tenants', async () => {
    for (const user of ['root@ora', 'SYS@other', 'SYS@sys']) {
      const error = await failure(fixture.login(user));
      expect([error.errno, error.sqlState, error.message]).toEqual([
        1045,
        '28000',
        expect.stringContaining("Access denied for user '"),
      ]);
    }
    expect((await failure(fixture.login('SYS@ora', 'wrong'))).errno).toBe(1045);
  });

  test('a password of its own works as in a mysql tenant', async () => {
    await ora.query("ALTER USER SYS IDENTIFIED BY 'first-1'");
    expect((await failure(fixture.login('SYS@ora'))).errno).toBe(1045);
    await (await fixture.login('sys@ora', 'first-1')).end();
    await ora.query("ALTER USER SYS IDENTIFIED BY ''");
  });
});

describe('what drivers ask when they connect', () => {
  /** Each statement of OceanBase's Connector/J in oracle mode, and of obclient's prompt. */
  test.each<[string, unknown[] | null]>([
    ["set autocommit=1, sql_mode = concat(@@sql_mode, ',STRICT_TRANS_TABLES')", null],
    ['select @@sql_mode from dual', ['STRICT_ALL_TABLES,STRICT_TRANS_TABLES']],
    ['select @@NLS_NCHAR_CHARACTERSET from dual', ['AL16UTF16']],
    ["set NCHARACTER_SET_CONNECTION = 'UTF16'", null],
    ['set names utf8', null],
    [
      'SELECT @@max_allowed_packet,@@system_time_zone,@@time_zone,@@auto_increment_increment,@@tx_isolation AS tx_isolation,@@session.tx_read_only AS tx_read_only from dual',
      [expect.anything(), expect.any(String), '+08:00', expect.anything(), 'SERIALIZABLE', expect.anything()],
    ],
    ["ALTER SESSION SET TIME_ZONE='+08:00'", null],
    ["ALTER SESSION SET NLS_DATE_FORMAT='YYYY-MM-DD HH24:MI:SS' NLS_TIMESTAMP_FORMAT='YYYY-MM-DD HH24:MI:SS.FF'", null],
    ['ALTER SESSION SET CURRENT_SCHEMA = SYS', null],
    [
      'select @@version_comment, @@version, ob_version() from dual where rownum <= 1',
      [expect.stringContaining('Holdfast'), expect.stringContaining('OceanBase'), '4.3.3.0'],
    ],
    ["select sys_context('USERENV','CURRENT_SCHEMA') from dual", ['SYS']],
    ['SELECT 1 FROM DUAL', ['1']],
    ['SELECT BANNER FROM v$version WHERE ROWNUM = 1', [expect.stringMatching(/^OceanBase 4\.3\.3\.0/)]],
    ["SELECT VALUE FROM NLS_SESSION_PARAMETERS WHERE PARAMETER = 'NLS_DATE_FORMAT'", ['YYYY-MM-DD HH24:MI:SS']],
    ['SELECT USERNAME FROM ALL_USERS', ['SYS']],
  ])('%s', async (sql, expected) => {
    const [answer] = await ora.query({ sql, rowsAsArray: true });
    expect(Array.isArray(answer) ? answer[0] : null).toEqual(expected);
  });

  test('a setting that there is not is refused by name', async () => {
    expect(await fails('ALTER SESSION SET NO_SUCH_SETTING = 1')).toBe(
      "600 HY000 ORA-00600: internal error code, arguments: -5148, Unknown system variable 'no_such_setting'",
    );
    expect(await fails('ALTER SESSION SET CURRENT_SCHEMA = HR')).toContain("-5154, Unknown database 'HR'");
  });
});

describe('the runbook', () => {
  test('archive, backup, increment and their views, in the words of the manual', async () => {
    await ora.query('CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(20) NOT NULL)');
    await ora.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${fixture.uri('backup', 'archive')}'`);
    await ora.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('backup', 'data')}'`);
    expect(await fails('ALTER SYSTEM BACKUP DATABASE')).toBe(
      '600 HY000 ORA-00600: internal error code, arguments: -9040, backup can not start, because log archive status is not doing.',
    );
    expect(await rows('SHOW WARNINGS')).toEqual([
      { LEVEL: 'Error', CODE: '600', MESSAGE: expect.stringMatching(/^ORA-00600: .*-9040.*\nHINT: /s) },
    ]);
    await ora.query('ALTER SYSTEM ARCHIVELOG');
    await waitFor(ora, 'SELECT * FROM SYS.DBA_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'DOING');
    await ora.query("SET ENCRYPTION ON IDENTIFIED BY 'pw-1' ONLY");
    await ora.query("ALTER SYSTEM BACKUP DATABASE DESCRIPTION = 'weekly'");
    await waitFor(ora, 'SELECT * FROM SYS.DBA_OB_BACKUP_JOBS', (found) => found.length === 0);
    await ora.query("INSERT INTO t VALUES (1, 'one')");
    await ora.query('ALTER SYSTEM BACKUP INCREMENTAL DATABASE PLUS ARCHIVELOG');
    await waitFor(ora, 'SELECT * FROM SYS.DBA_OB_BACKUP_JOBS', (found) => found.length === 0);
    expect(
      await rows('SELECT status, backup_type, description FROM DBA_OB_BACKUP_JOB_HISTORY ORDER BY job_id'),
    ).toEqual([
      { STATUS: 'COMPLETED', BACKUP_TYPE: 'FULL', DESCRIPTION: 'weekly' },
      { STATUS: 'COMPLETED', BACKUP_TYPE: 'INC', DESCRIPTION: '' },
    ]);
    await ora.query('ALTER SYSTEM CANCEL BACKUP');
  });

  test('policy and cleaning', async () => {
    await ora.query("ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d'");
    expect(await rows('SELECT policy_name, recovery_window FROM SYS.DBA_OB_BACKUP_DELETE_POLICY')).toEqual([
      { POLICY_NAME: 'default', RECOVERY_WINDOW: '7d' },
    ]);
    await ora.query('ALTER SYSTEM DELETE OBSOLETE BACKUP');
    await waitFor(ora, 'SELECT 1 FROM DBA_OB_BACKUP_DELETE_JOBS', (found) => found.length === 0);
    await ora.query('ALTER SYSTEM CANCEL DELETE BACKUP');
    await ora.query("ALTER SYSTEM DROP DELETE BACKUP POLICY 'default'");
    expect(await fails('ALTER SYSTEM DELETE ARCHIVELOG_PIECE 1')).toContain(
      '-9069, deleting backup piece is not allowed',
    );
  });

  test('sys restores it, and the new tenant is an oracle tenant again', async () => {
    await ora.query("INSERT INTO t VALUES (2, 'two')");
    const scn =
      "SELECT TO_SCN FROM oceanbase.CDB_HF_RESTORE_WINDOW w JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID) WHERE t.TENANT_NAME = 'ora'";
    const [before] = await query(sys, scn);
    await waitFor(sys, scn, ([row]) => BigInt(row!.TO_SCN!) > BigInt(before!.TO_SCN!));
    await sys.query("SET DECRYPTION IDENTIFIED BY 'pw-1'");
    const from = `FROM '${fixture.uri('backup', 'data')},${fixture.uri('backup', 'archive')}'`;
    expect(await restore(sys, 'copy', from)).toMatchObject({ STATUS: 'SUCCESS' });
    const copy = await fixture.login('SYS@copy');
    expect(await query(copy, 'SELECT * FROM t ORDER BY id')).toEqual([
      { id: '1', v: 'one' },
      { id: '2', v: 'two' },
    ]);
    expect(await query(copy, 'SELECT tenant_name, compatibility_mode FROM dba_ob_tenants')).toEqual([
      { TENANT_NAME: 'copy', COMPATIBILITY_MODE: 'ORACLE' },
    ]);
    expect(await query(copy, 'SELECT status FROM SYS.DBA_OB_RESTORE_HISTORY')).toEqual([{ STATUS: 'SUCCESS' }]);
    const message = (await failure(copy.query("INSERT INTO t VALUES (3, 'three')"))).sqlMessage;
    expect(message).toMatch(/^ORA-00600: internal error code, arguments: -\d+, The tenant 'copy' is a STANDBY/);
    await copy.query('ALTER SYSTEM ACTIVATE STANDBY');
    // The sessions of before were those of a read-only tenant.
    const opened = await fixture.login('SYS@copy');
    await opened.query("INSERT INTO t VALUES (3, 'three')");
  });
});

describe('system views', () => {
  test('are announced in types that every MySQL client knows', async () => {
    const jobs = await fields('SELECT * FROM SYS.DBA_OB_BACKUP_JOB_HISTORY');
    const typeOf = (name: string) => jobs.find((field) => field.name === name)?.columnType;
    expect([typeOf('JOB_ID'), typeOf('STATUS'), typeOf('START_TIMESTAMP')]).toEqual([
      TYPE.DECIMAL,
      TYPE.VAR_STRING,
      TYPE.VAR_STRING,
    ]);
    const [window] = await fields('SELECT start_scn_display FROM dba_ob_archivelog');
    expect([window!.columnType, window!.name, window!.orgName]).toEqual([
      TYPE.DATETIME,
      'START_SCN_DISPLAY',
      'START_SCN_DISPLAY',
    ]);
    expect((await fields('SELECT value FROM dba_ob_backup_parameter'))[0]!.columnType).toBe(TYPE.BLOB);
    expect((await fields('SELECT finish_timestamp FROM dba_ob_restore_history'))[0]!.columnType).toBe(TYPE.TIMESTAMP);
  });

  test('are the same as prepared statements and in the other client', async () => {
    const sql =
      'SELECT backup_set_id, start_timestamp, min_restore_scn, start_replay_scn_display FROM dba_ob_backup_set_files WHERE backup_set_id = ?';
    const [text] = await ora.query(sql.replace('?', '1'));
    const [binary] = await ora.execute(sql, [1]);
    expect(binary).toEqual(text);
    const connection = await mariadb.createConnection({
      host: '127.0.0.1',
      port: fixture.port,
      user: 'SYS@ora',
      dateStrings: true,
    });
    try {
      const [row] = await connection.query(sql, [1]);
      const [expected] = text as Record<string, string>[];
      expect(expected).toMatchObject({ START_TIMESTAMP: expect.stringMatching(NS_TIME) });
      expect(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)]))).toEqual(expected);
    } finally {
      await connection.end();
    }
  });

  test.each(['DESC SYS.DBA_OB_ARCHIVELOG', 'DESCRIBE dba_ob_archivelog', 'SHOW COLUMNS FROM SYS.DBA_OB_ARCHIVELOG'])(
    '%s shows Oracle’s types',
    async (sql) => {
      const described = await rows(sql);
      expect(described[0]).toEqual({
        FIELD: 'DEST_ID',
        TYPE: 'NUMBER(38)',
        NULL: 'NO',
        KEY: null,
        DEFAULT: null,
        EXTRA: null,
      });
      expect(described.map((row) => row.TYPE)).toEqual(
        expect.arrayContaining(['VARCHAR2(64)', 'TIMESTAMP(9)', 'NUMBER', 'VARCHAR2(42)']),
      );
    },
  );

  test.each(['ALL', 'USER', 'DBA'])('%s_TAB_COLUMNS tells the same, of own tables too', async (prefix) => {
    const sql = `SELECT column_name, data_type, data_precision FROM ${prefix}_TAB_COLUMNS WHERE table_name`;
    expect(await rows(`${sql} = 'DBA_OB_BACKUP_PARAMETER' ORDER BY column_id`)).toEqual([
      { COLUMN_NAME: 'NAME', DATA_TYPE: 'VARCHAR2', DATA_PRECISION: null },
      { COLUMN_NAME: 'VALUE', DATA_TYPE: 'CLOB', DATA_PRECISION: null },
    ]);
    expect(await rows(`${sql} = 't' ORDER BY column_id`)).toEqual([
      { COLUMN_NAME: 'id', DATA_TYPE: 'NUMBER', DATA_PRECISION: '38' },
      { COLUMN_NAME: 'v', DATA_TYPE: 'VARCHAR2', DATA_PRECISION: null },
    ]);
  });

  test('name columns in upper case, and as quoted', async () => {
    expect(
      await names('SELECT status, path AS "where", COUNT(*) FROM dba_ob_archivelog GROUP BY status, path'),
    ).toEqual(['STATUS', 'where', 'COUNT(*)']);
  });

  test('of V$ are there under SYS and alone', async () => {
    for (const view of ['SYS.V$OB_ARCHIVE_DEST_STATUS', 'v$ob_archive_dest_status'])
      expect(await rows(`SELECT status FROM ${view}`)).toEqual([{ STATUS: 'DOING' }]);
  });
});

describe('errors', () => {
  test.each([
    [
      'SELECT * FROM oceanbase.DBA_OB_ARCHIVELOG',
      "942 42S02 ORA-00942: table or view 'OCEANBASE.DBA_OB_ARCHIVELOG' does not exist",
    ],
    [
      'SELECT * FROM SYS.CDB_OB_ARCHIVELOG',
      "942 42S02 ORA-00942: table or view 'SYS.CDB_OB_ARCHIVELOG' does not exist",
    ],
    ['SELECT * FROM CDB_OB_ARCHIVELOG', "942 42S02 ORA-00942: table or view 'CDB_OB_ARCHIVELOG' does not exist"],
    ['SELECT * FROM nosuch', "942 42S02 ORA-00942: table or view 'NOSUCH' does not exist"],
    ['SELECT "status" FROM DBA_OB_ARCHIVELOG', "904 42S22 ORA-00904: invalid identifier 'status' in 'field list'"],
    ["INSERT INTO t VALUES (1, 'again')", "1 23000 ORA-00001: unique constraint for key 't.id' violated"],
    ['INSERT INTO t VALUES (9, NULL)', '1400 23000 ORA-01400: cannot insert NULL into (v)'],
    ['CREATE TABLE t (x INT)', "955 42S01 ORA-00955: name 't' is already used by an existing object"],
    [
      'ALTER SYSTEM ARCHIVELOG TENANT = other',
      '1031 42501 ORA-01031: insufficient privileges: this operation needs SUPER (a tenant names no other tenant)',
    ],
    [
      "SET DECRYPTION IDENTIFIED BY 'x'",
      '600 0A000 ORA-00600: internal error code, arguments: -4007, SET DECRYPTION in a user tenant is not supported',
    ],
    [
      'ALTER SYSTEM SUSPEND BACKUP',
      '600 0A000 ORA-00600: internal error code, arguments: -4007, SUSPEND BACKUP is not supported',
    ],
    [
      'ALTER SYSTEM ARCHIVELOG',
      '600 HY000 ORA-00600: internal error code, arguments: -9091, Already in ARCHIVELOG mode',
    ],
  ])('%s', async (sql, expected) => {
    expect(await fails(sql)).toBe(expected);
  });

  test('a syntax error is ORA-00900, with the place', async () => {
    expect(await fails('ALTER SYSTEM BACKUP DATABSE')).toMatch(
      /^900 42000 ORA-00900: You have an error .* near 'DATABSE' at line 1$/,
    );
  });
});

test('the tenant’s own tables speak the engine’s dialect, in the case they were made with', async () => {
  expect(await names('SELECT id, v AS Value FROM t')).toEqual(['id', 'Value']);
});
