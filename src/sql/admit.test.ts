// Goal: each kind of statement asks of each kind of user what it should, and nothing of it escapes the audit with a
// secret. Method: one text of every kind, run through the gate of a real store with users of every kind.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AuditedStatement, AuditService } from '../audit/audit-service.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { MYSQL_ID, ORACLE_ID } from '../catalog/catalog.fixture.ts';
import type { Grant } from '../model/privilege.ts';
import { okResult } from '../model/result.ts';
import { accountWithoutPassword } from '../store/records.ts';
import { admit, runAudited } from './admit.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseStatement } from './grammar/parse.ts';
import { SHOW_SUBJECTS, type StatementKind } from './grammar/statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';
import type { Session } from './session.ts';

/** A text of every kind of statement. */
const SAMPLES: Record<StatementKind, string> = {
  setArchiveDest: "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a'",
  setArchiveDestState: "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'DEFER'",
  setDataBackupDest: "ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///d'",
  setLogRestoreSource: "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=file:///a'",
  setParameters: "ALTER SYSTEM SET gap_repair = 'manual'",
  setArchiveMode: 'ALTER SYSTEM ARCHIVELOG',
  changeStorageDest:
    "ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = 's3://b' SET ACCESS_INFO = 'access_id=i&access_key=planted-7'",
  takeOver: 'ALTER SYSTEM TAKE OVER DESTINATION',
  backup: 'ALTER SYSTEM BACKUP DATABASE',
  backupKey: "ALTER SYSTEM BACKUP KEY TO 'file:///k' ENCRYPTED BY 'planted-0'",
  rotateKey: 'ALTER SYSTEM ROTATE KEY',
  cancelBackup: 'ALTER SYSTEM CANCEL BACKUP',
  addDeletePolicy: "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d'",
  dropDeletePolicy: "ALTER SYSTEM DROP DELETE BACKUP POLICY 'default'",
  cancelDelete: 'ALTER SYSTEM CANCEL DELETE BACKUP',
  deleteBackup: 'ALTER SYSTEM DELETE BACKUPSET 1',
  deleteObsolete: 'ALTER SYSTEM DELETE OBSOLETE BACKUP',
  validate: 'ALTER SYSTEM VALIDATE BACKUP',
  cancelValidate: 'ALTER SYSTEM CANCEL VALIDATE',
  catalogBackup: "ALTER SYSTEM CATALOG BACKUP FROM 'file:///d'",
  addSchedule: "ALTER SYSTEM ADD BACKUP SCHEDULE 's' TYPE = FULL CRON = '0 2 * * 0' PASSWORD = 'planted-8'",
  changeSchedule: "ALTER SYSTEM PAUSE BACKUP SCHEDULE 's'",
  restore: "ALTER SYSTEM RESTORE r FROM 'file:///d' WITH '' ENCRYPTED BY 'planted-1'",
  previewRestore: "ALTER SYSTEM RESTORE FROM 'file:///d' PREVIEW",
  cancelRestore: 'ALTER SYSTEM CANCEL RESTORE r',
  addRestoreSource: "ALTER SYSTEM ADD RESTORE SOURCE 'file:///d'",
  clearRestoreSource: 'ALTER SYSTEM CLEAR RESTORE SOURCE',
  recoverTable: "ALTER SYSTEM RECOVER TABLE a.b TO TENANT t FROM 'file:///d' WITH ''",
  cancelRecoverTable: 'ALTER SYSTEM CANCEL RECOVER TABLE t',
  recoverStandby: 'ALTER SYSTEM RECOVER STANDBY',
  activateStandby: 'ALTER SYSTEM ACTIVATE STANDBY',
  switchover: 'ALTER SYSTEM SWITCHOVER TO STANDBY',
  runUpgradeJob: "ALTER SYSTEM RUN UPGRADE JOB 'x'",
  dead: 'ALTER SYSTEM CANCEL ALL BACKUP FORCE',
  notSupported: 'CREATE ROLE r',
  setEncryption: "SET ENCRYPTION ON IDENTIFIED BY 'planted-2' ONLY",
  setDecryption: "SET DECRYPTION IDENTIFIED BY 'planted-3'",
  createTenant: 'CREATE TENANT t',
  alterTenant: "ALTER TENANT t COMMENT 'x'",
  dropTenant: 'DROP TENANT t',
  createUnit: 'CREATE RESOURCE UNIT u MAX_CPU = 1',
  alterUnit: 'ALTER RESOURCE UNIT u MAX_CPU = 1',
  dropUnit: 'DROP RESOURCE UNIT u',
  createPool: "CREATE RESOURCE POOL p UNIT = 'u'",
  alterPool: "ALTER RESOURCE POOL p UNIT = 'u'",
  dropPool: 'DROP RESOURCE POOL p',
  setPassword: "SET PASSWORD FOR root = 'planted-4'",
  createUser: "CREATE USER 'new' IDENTIFIED BY 'planted-5'",
  dropUser: 'DROP USER other',
  lockUser: 'ALTER USER other ACCOUNT LOCK',
  renameUser: 'RENAME USER other TO another',
  grant: 'GRANT ALL ON *.* TO other',
  revoke: 'REVOKE ALL ON *.* FROM other',
  set: 'SET NAMES utf8mb4',
  setTransaction: 'SET TRANSACTION READ ONLY',
  use: 'USE oceanbase',
  transaction: 'BEGIN',
  kill: 'KILL 7',
  show: 'SHOW WARNINGS',
  select: 'SELECT 1',
  engine: 'INSERT INTO orders VALUES (1)',
  empty: ';',
};
/** Other forms of these that ask for something else. */
const FORMS = {
  'SET GLOBAL': 'SET @@autocommit = 1, GLOBAL time_zone = "+01:00"',
  'SET GLOBAL TRANSACTION': 'SET GLOBAL TRANSACTION READ ONLY',
  'SET audit_retention': "ALTER SYSTEM SET audit_retention = '1h'",
  'own password': "ALTER USER IDENTIFIED BY 'planted-6'",
  'SHOW GRANTS': 'SHOW GRANTS',
  'SHOW GRANTS FOR': 'SHOW GRANTS FOR root',
  'SHOW PARAMETERS': 'SHOW PARAMETERS',
} as const;

const USERS: Record<string, Grant[]> = {
  nobody: [],
  viewer: [{ privilege: 'SELECT', level: 'SYSTEM' }],
  reader: [{ privilege: 'SELECT', level: 'DATA' }],
  auditor: [{ privilege: 'SELECT', level: 'GLOBAL' }],
  manager: [{ privilege: 'ALTER SYSTEM', level: 'GLOBAL' }],
  writer: [{ privilege: 'ALL', level: 'DATA' }],
  everything: [{ privilege: 'ALL', level: 'GLOBAL' }],
};

type Recorded = AuditedStatement & { errno: number | null };

let fixture: SqlFixture;
let deps: SqlDependencies;
let recorded: Recorded[];
beforeEach(() => {
  fixture = openSqlFixture();
  recorded = [];
  const audit: AuditService = {
    start: () => {},
    stop: () => {},
    begin: (statement) => recorded.push({ ...statement, errno: null }) - 1,
    end: (eventId, { errno }) => {
      recorded[eventId]!.errno = errno;
    },
    count: (statement, errno) => void recorded.push({ ...statement, errno }),
    logIn: () => {},
  };
  deps = { ...fixture.deps, audit };
  for (const tenantId of [SYS_TENANT_ID, MYSQL_ID]) {
    for (const [user, grants] of Object.entries(USERS))
      deps.store.accounts.insert({ ...accountWithoutPassword(tenantId, user), grants });
  }
});
afterEach(() => fixture[Symbol.dispose]());

/** What the gate says: the privilege that is missing, or nothing. */
function missing(session: Session, sql: string): string | null {
  try {
    admit(deps, session, sql);
    return null;
  } catch (error) {
    const { errorName, facts } = error as { errorName: string; facts: { privilege: string } };
    expect(errorName, sql).toBe('NO_PRIVILEGE');
    return facts.privilege;
  }
}

const MANAGING = Object.keys(SAMPLES).slice(0, Object.keys(SAMPLES).indexOf('setPassword')) as StatementKind[];
const ACCOUNTS: StatementKind[] = [
  'setPassword',
  'createUser',
  'dropUser',
  'lockUser',
  'renameUser',
  'grant',
  'revoke',
];
const FREE: StatementKind[] = [
  'notSupported',
  'set',
  'setTransaction',
  'use',
  'transaction',
  'kill',
  'show',
  'select',
  'empty',
];

describe('every kind of statement', () => {
  test('has a sample of its kind', () => {
    for (const [kind, sql] of Object.entries(SAMPLES)) expect(parseStatement(sql, 'mysql').kind, sql).toBe(kind);
    const kinds = [...MANAGING, ...ACCOUNTS, ...FREE, 'engine'];
    expect(new Set(kinds)).toEqual(new Set(Object.keys(SAMPLES)));
  });

  test.each([SYS_TENANT_ID, MYSQL_ID])('asks of each kind of user for what it should, in tenant %i', (tenantId) => {
    for (const user of [...Object.keys(USERS), 'root']) {
      const session = fixture.session(tenantId, { user });
      const isManager = ['manager', 'everything', 'root'].includes(user);
      for (const kind of MANAGING) {
        const isFree = FREE.includes(kind);
        expect(missing(session, SAMPLES[kind]), `${user}: ${kind}`).toBe(isManager || isFree ? null : 'ALTER SYSTEM');
      }
      for (const kind of ACCOUNTS)
        expect(missing(session, SAMPLES[kind]), `${user}: ${kind}`).toBe(user === 'root' ? null : 'CREATE USER');
      for (const kind of FREE) expect(missing(session, SAMPLES[kind]), `${user}: ${kind}`).toBe(null);
      const isReader = !['nobody', 'viewer', 'manager'].includes(user);
      expect(missing(session, SAMPLES.engine), user).toBe(isReader ? null : 'SELECT');
    }
  });

  test.each<[keyof typeof FORMS, string, string[]]>([
    ['SET GLOBAL', 'ALTER SYSTEM', ['manager', 'everything']],
    ['SET GLOBAL TRANSACTION', 'ALTER SYSTEM', ['manager', 'everything']],
    ['SET audit_retention', 'SUPER', []],
    ['own password', '', Object.keys(USERS)],
    ['SHOW GRANTS', '', Object.keys(USERS)],
    ['SHOW GRANTS FOR', 'SELECT', ['auditor', 'everything']],
    ['SHOW PARAMETERS', 'SELECT', ['viewer', 'auditor', 'everything']],
  ])('%s', (form, privilege, allowed) => {
    for (const user of Object.keys(USERS)) {
      const session = fixture.session(MYSQL_ID, { user });
      expect(missing(session, FORMS[form]), user).toBe(allowed.includes(user) ? null : privilege);
    }
  });

  test('SHOW GRANTS FOR and a password for oneself by name are one’s own', () => {
    const session = fixture.session(MYSQL_ID, { user: 'nobody' });
    expect(missing(session, "SET PASSWORD FOR Nobody = 'x'")).toBe(null);
    expect(missing(session, "SHOW GRANTS FOR 'nobody'@'%'")).toBe(null);
  });

  test('every SHOW that lists more than one’s own asks for SELECT', () => {
    const session = fixture.session(MYSQL_ID, { user: 'nobody' });
    const refused = SHOW_SUBJECTS.filter((subject) => {
      const texts: Partial<Record<typeof subject, string>> = {
        COLUMNS: 'COLUMNS FROM t',
        INDEX: 'INDEX FROM t',
        'CREATE TABLE': 'CREATE TABLE t',
        'CREATE VIEW': 'CREATE VIEW t',
        'CREATE DATABASE': 'CREATE DATABASE main',
        'CREATE TENANT': 'CREATE TENANT t',
        'COUNT WARNINGS': 'COUNT(*) WARNINGS',
        'COUNT ERRORS': 'COUNT(*) ERRORS',
        'ENGINE STATUS': 'ENGINE INNODB STATUS',
      };
      return missing(session, `SHOW ${texts[subject] ?? subject}`) === 'SELECT';
    });
    expect(refused).toEqual(
      [
        ...['CREATE TENANT', 'PARAMETERS', 'ENGINE STATUS', 'TENANTS'],
        ...['MASTER STATUS', 'SLAVE STATUS', 'BINARY LOGS'],
      ].sort((a, b) => SHOW_SUBJECTS.indexOf(a as never) - SHOW_SUBJECTS.indexOf(b as never)),
    );
  });

  test('is refused once the account is dropped', () => {
    const session = fixture.session(MYSQL_ID, { user: 'everything' });
    expect(missing(session, 'SELECT 1')).toBe(null);
    deps.store.accounts.remove({ tenantId: MYSQL_ID, user: 'everything' });
    expect(() => admit(deps, session, 'SELECT 1')).toThrow("Access denied for user 'everything'");
  });

  test('asks for nothing of the administrator of an oracle tenant', () => {
    const session = fixture.session(ORACLE_ID);
    for (const sql of Object.values(SAMPLES).filter((text) => !text.includes('=')))
      expect(missing(session, sql)).toBe(null);
  });
});

describe('the audit', () => {
  const run = async (session: Session, sql: string, error?: Error) => {
    try {
      const statement = admit(deps, session, sql);
      await runAudited(deps, session, { sql, statement }, () => {
        if (error) throw error;
        return okResult();
      });
    } catch (thrown) {
      if (thrown === error) return;
      expect((thrown as Error).name).toBe('HoldfastError');
    }
  };

  test('has what manages, whether it ran, failed or was refused, and nothing else', async () => {
    const root = fixture.session(MYSQL_ID);
    const nobody = fixture.session(MYSQL_ID, { user: 'nobody' });
    for (const [kind, sql] of Object.entries(SAMPLES)) {
      const isFree = FREE.includes(kind as StatementKind) || kind === 'engine';
      const expected = !isFree || kind === 'kill' || kind === 'notSupported' ? 1 : 0;
      for (const session of [root, nobody]) {
        recorded = [];
        await run(session, sql);
        expect(recorded.length, `${session.user}: ${sql}`).toBe(expected);
        if (expected === 0) continue;
        const isRefused = session === nobody && kind !== 'kill' && kind !== 'notSupported';
        expect(recorded[0], sql).toMatchObject({ user: session.user, tenantId: MYSQL_ID, errno: isRefused ? 1227 : 0 });
      }
    }
  });

  test('has the number of the error, of a bug too', async () => {
    await run(fixture.session(MYSQL_ID), 'ALTER SYSTEM ARCHIVELOG', new Error('a bug'));
    expect(recorded).toMatchObject([
      { errno: 4016, connectionId: 42, host: '127.0.0.1', text: 'ALTER SYSTEM ARCHIVELOG' },
    ]);
  });

  test('says whom CREATE USER makes, without passwords', async () => {
    await run(fixture.session(MYSQL_ID), "CREATE USER 'a' IDENTIFIED BY 'planted', b@'%' IDENTIFIED BY 'planted'");
    expect(recorded[0]!.text).toBe("CREATE USER 'a'@'%', 'b'@'%' IDENTIFIED BY '******'");
  });

  test.each([
    ["ALTER SYSTEM BAKUP KEY 'planted'", 'ALTER SYSTEM ******'],
    ['alter user root identifed planted', 'ALTER USER ******'],
    ['SET PASSWORD planted', 'SET PASSWORD ******'],
    ["SET ENCRYPTION ON IDENTIFIED BY 'planted'", 'SET ENCRYPTION ******'],
    ['GRANT planted', 'GRANT ******'],
    ["CREATE USER 'planted", 'CREATE USER ******'],
  ])('of a text that can not be read keeps what it was to be, and nothing more: %s', async (sql, text) => {
    await run(fixture.session(MYSQL_ID), sql);
    expect(recorded).toMatchObject([{ text, errno: expect.any(Number) }]);
  });

  test('does not have broken texts that manage nothing', async () => {
    for (const sql of ['SELEC 1', 'SHOW NOTHING', 'SET', "SELECT 'x", '', '%', "INSERT INTO t VALUES ('a"])
      await run(fixture.session(MYSQL_ID), sql);
    expect(recorded).toEqual([]);
  });

  test('never has a secret, wherever a text breaks off or is misspelt', async () => {
    const session = fixture.session(MYSQL_ID);
    const texts = [...Object.values(SAMPLES), ...Object.values(FORMS)].filter((sql) => sql.includes('planted'));
    expect(texts.length).toBeGreaterThan(6);
    for (const sql of texts) {
      for (let at = 0; at < sql.length; at++) {
        await run(session, sql.slice(0, at));
        await run(session, sql.slice(0, at) + sql.slice(at + 1));
        await run(session, `${sql.slice(0, at)}'${sql.slice(at)}`);
      }
      await run(session, sql);
    }
    const told = recorded.filter(({ text }) => /plant|lante|anted/.test(text));
    expect(told.map(({ text }) => text)).toEqual([]);
  });
});
