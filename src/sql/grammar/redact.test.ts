import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../base/errors.ts';
import { parseStatement } from './parse.ts';
import { REDACTED_CHARS_MAX, redactSecrets } from './redact.ts';

const redact = (sql: string) => redactSecrets(sql, 'mysql');

test.each([
  ["SET ENCRYPTION ON IDENTIFIED BY 'pw' ONLY", "SET ENCRYPTION ON IDENTIFIED BY '******' ONLY"],
  ["set decryption identified by 'a', 'b'", "set decryption identified by '******', '******'"],
  ["ALTER USER root IDENTIFIED BY 'x' REPLACE 'y'", "ALTER USER root IDENTIFIED BY '******' REPLACE '******'"],
  ["SET PASSWORD FOR u = PASSWORD('x')", "SET PASSWORD FOR u = PASSWORD('******')"],
  ["ALTER SYSTEM BACKUP KEY TO 'd' ENCRYPTED BY 'x'", "ALTER SYSTEM BACKUP KEY TO 'd' ENCRYPTED BY '******'"],
  [
    "ALTER SYSTEM RESTORE t FROM 's3://b/p?host=h&access_id=A&access_key=K,s3://c?access_key=L&x=1' WITH 'pool_list=p' ENCRYPTED BY 'k'",
    "ALTER SYSTEM RESTORE t FROM 's3://b/p?host=h&access_id=******&access_key=******,s3://c?access_key=******&x=******' WITH 'pool_list=p' ENCRYPTED BY '******'",
  ],
  [
    "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'SERVICE=1:2 USER=u@t PASSWORD=p w' TENANT = t",
    "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'SERVICE=1:2 USER=u@t PASSWORD=******' TENANT = t",
  ],
  ["SELECT 'access_key=a''b' FROM t", "SELECT 'access_key=******' FROM t"],
  ["SELECT 'access_ke\\y=ab'", "SELECT 'access_key=******'"],
  ["SELECT * FROM t WHERE a = 'x' /* app */", "SELECT * FROM t WHERE a = 'x' /* app */"],
  ['ALTER SYSTEM BACKUP DATABASE', 'ALTER SYSTEM BACKUP DATABASE'],
  [
    "SET ENCRYPTION ON IDENTIFIED BY /* was 'old' */ 'pw' ONLY",
    "SET ENCRYPTION ON IDENTIFIED BY /* ****** */ '******' ONLY",
  ],
  ["SET ENCRYPTION ON IDENTIFIED BY 'pw", 'SET ******'],
  ["SELECT 'a', 'b", "SELECT '******"],
  ['ALTER USER u IDENTIFIED BY pa-ss', 'ALTER USER u IDENTIFIED BY ******'.concat('************')],
  ["ALTER USER u IDENTFED BY 'x'", "ALTER USER u IDENTFED BY '******'"],
  ["SELECT password FROM t WHERE n = 'x'; SELECT 'y'", "SELECT password FROM t WHERE n = '******'; SELECT '******'"],
])('redacts %s', (sql, shown) => {
  expect(redact(sql)).toBe(shown);
});

test('a long text is cut, and a literal that the cut opens is hidden', () => {
  const sql = `INSERT INTO t VALUES ('${'x'.repeat(REDACTED_CHARS_MAX)}')`;
  expect(redact(sql)).toBe("INSERT INTO t VALUES ('******…");
});

/** Statements with a place for a secret, in the words of the documentation and in broken ones. */
const TEMPLATES = [
  (s: string) => `SET ENCRYPTION ON IDENTIFIED BY ${s} ONLY`,
  (s: string) => `SET DECRYPTION IDENTIFIED BY ${s}, ${s}`,
  (s: string) => `ALTER USER 'root'@'%' IDENTIFIED BY ${s} REPLACE ${s}`,
  (s: string) => `ALTER USER root IDENTIFIED WITH mysql_native_password AS ${s}`,
  (s: string) => `CREATE USER u IDENTIFIED BY ${s}, v IDENTIFIED BY ${s}`,
  (s: string) => `SET PASSWORD FOR root = PASSWORD(${s})`,
  (s: string) => `SET PASSWORD = ${s}`,
  (s: string) => `ALTER SYSTEM BACKUP KEY TENANT = t TO 'p' ENCRYPTED BY ${s}`,
  (s: string) => `ALTER SYSTEM RESTORE t FROM 'u' WITH 'pool_list=p' WITH KEY FROM 'f' ENCRYPTED BY ${s}`,
];
const URI_TEMPLATES = [
  (s: string) => `ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://b/p?host=h&access_id=${s}&access_key=${s}' TENANT = t`,
  (s: string) => `ALTER SYSTEM SET LOG_ARCHIVE_DEST = "LOCATION=oss://b?access_key=${s} BINDING=Optional"`,
  (s: string) => `ALTER SYSTEM RESTORE t FROM 's3://b?access_id=${s}, s3://c?access_key=${s}' WITH 'x'`,
  (s: string) => `ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH='p' SET ACCESS_INFO='access_id=${s}&access_key=${s}'`,
];

describe('planted secrets', () => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;

  /** Breaks a text as a hurried typist would, but never inside of the secrets. */
  function damage(sql: string, secret: string): string {
    const parts = sql.split(secret);
    const at = random(parts.length);
    const part = parts[at]!;
    const place = random(part.length + 1);
    const junk = pick(['', ' ', '\n', ' /* c */ ', "'", '"', '`', '/*', '(', ';', '\\', ' -- x\n', '?']);
    parts[at] = part.slice(0, place) + junk + part.slice(place + random(2));
    return parts.join(secret);
  }

  function messageOf(sql: string, mode: 'mysql' | 'oracle'): string {
    try {
      parseStatement(sql, mode);
      return '';
    } catch (error) {
      expect(error).toBeInstanceOf(HoldfastError);
      return (error as HoldfastError).message;
    }
  }

  test(`never show, neither whole nor in an error (seed ${seed})`, () => {
    console.log(`seed ${seed}`);
    for (let round = 0; round < 4000; round++) {
      const secret = `Zq${random(1e9).toString(36)}qZ`;
      const isUri = random(3) === 0;
      const quoted = pick([`'${secret}'`, `"${secret}"`, `'a''${secret}'`, `'\\'${secret}'`, `N'${secret}'`]);
      let sql = isUri ? pick(URI_TEMPLATES)(secret) : pick(TEMPLATES)(quoted);
      if (random(4) === 0) sql = sql.toLowerCase().replaceAll(secret.toLowerCase(), secret);
      const isBroken = random(2) === 0;
      if (isBroken) sql = damage(sql, secret);
      for (const mode of ['mysql', 'oracle'] as const) {
        expect(redactSecrets(sql, mode), `${mode}: ${sql}`).not.toContain(secret);
        expect(messageOf(sql, mode), `${mode}: ${sql}`).not.toContain(secret);
      }
    }
  });
});
