import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../base/errors.ts';
import { parseStatement } from './parse.ts';
import { redactSecrets } from './redact.ts';
import { splitStatements, statementRanges } from './split.ts';
import type { Statement } from './statement.ts';
import { substituteReferences } from './substitute.ts';
import type { Lexical } from './tokenizer.ts';

const EXPECTED = new Set(['SYNTAX', 'NOT_SUPPORTED', 'INVALID_ARGUMENT']);

/** Parses and does with the statement what a session does; any error but the documented ones fails the test. */
function handle(sql: string, lexical: Lexical): Statement | undefined {
  redactSecrets(sql, lexical);
  expect(splitStatements(sql, lexical).every((each) => each.length <= sql.length)).toBe(true);
  try {
    const statement = parseStatement(sql, lexical);
    if (statement.kind === 'select' || statement.kind === 'engine') {
      substituteReferences(sql, statement, lexical, () => 1n);
    }
    return statement;
  } catch (error) {
    if (!(error instanceof HoldfastError) || !EXPECTED.has(error.errorName)) {
      throw new Error(`${JSON.stringify(sql)} threw something else`, { cause: error });
    }
    return undefined;
  }
}

const SEEDS = [
  "ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file:///a' TENANT = t, x = 4G COMMENT 'c' SCOPE = BOTH ZONE z1",
  "ALTER SYSTEM BACKUP INCREMENTAL TENANT = a, b TO 'x' PLUS ARCHIVELOG DESCRIPTION = 'd'",
  "ALTER SYSTEM RESTORE t FROM 'a,b' UNTIL SCN = 12 WITH 'p' ENCRYPTED BY 'k' WITH KEY FROM 'f' DESCRIPTION 'd' PREVIEW",
  "ALTER SYSTEM RECOVER TABLE db.t, *.* TO TENANT t FROM 'x' REMAP TABLE a.b:c.d REMAP TABLESPACE a:b",
  "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d' REDUNDANCY 1 TENANT t",
  "ADMINISTER KEY MANAGEMENT SET ENCRYPTION KEY IDENTIFIED BY 'x'",
  "ALTER SYSTEM VALIDATE BACKUPSET = '1,2' LEVEL 'basic' TENANT t",
  "CREATE TENANT IF NOT EXISTS t ENGINE 'sqlite' RESOURCE_POOL_LIST=('p') SET a = 'b', c = 1",
  "CREATE RESOURCE UNIT u MAX_CPU 1, MEMORY_SIZE '1G'",
  "SET NAMES utf8 COLLATE x, @@session.a = CONCAT(@@b, 'x'), @c := -1, GLOBAL d = DEFAULT",
  "SET ENCRYPTION ON IDENTIFIED BY 'x' ONLY",
  "ALTER USER 'a'@'%' IDENTIFIED BY 'b' REPLACE 'c'",
  "SHOW FULL TABLES FROM d WHERE a = 'b' LIMIT 1, 2",
  'WITH a(b) AS (SELECT @@x, @y) SELECT DISTINCT database(), t.* FROM a, (b JOIN c ON 1) AS `z` FROM DUAL; ',
  'CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END',
  "/*!40101 INSERT INTO t VALUES ('\\'', 0x1F, .5, ?) */ # c",
];
const GRIT = [
  "'",
  '"',
  '`',
  '(',
  ')',
  ',',
  ';',
  '.',
  '=',
  '@',
  '@@',
  '--',
  '/*',
  '*/',
  '/*!',
  '#',
  '\\',
  '\0',
  '?',
  '$',
  '%',
  ':=',
  'é',
  '𝄞',
  '\ud800',
  '0x',
  '1e',
  'AS',
  'FROM',
  'SELECT',
  'TENANT',
  'DUAL',
  'END',
  'NULL',
  ' ',
  '\n',
];

describe('the grammar on any text', () => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;

  test(`throws nothing but documented errors on mutated statements (seed ${seed})`, () => {
    console.log(`seed ${seed}`);
    for (let round = 0; round < 20_000; round++) {
      let sql = pick(SEEDS);
      for (let cut = random(4); cut >= 0; cut--) {
        const at = random(sql.length + 1);
        sql = sql.slice(0, at) + (random(3) === 0 ? '' : pick(GRIT)) + sql.slice(at + random(6));
        if (random(10) === 0) sql += pick(SEEDS).slice(random(20));
      }
      handle(sql, random(2) === 0 ? 'mysql' : 'oracle');
    }
  });

  test(`throws nothing but documented errors on soup of words (seed ${seed})`, () => {
    const words = SEEDS.join(' ').split(/(\s+|\b)/);
    for (let round = 0; round < 10_000; round++) {
      const length = 1 + random(25);
      const parts = Array.from({ length }, () => (random(3) === 0 ? pick(GRIT) : pick(words)));
      handle(pick(['', 'ALTER SYSTEM ', 'SET ', 'SHOW ', 'SELECT ']) + parts.join(pick(['', ' '])), 'mysql');
    }
  });

  test(`whatever begins with ALTER SYSTEM never reaches an engine (seed ${seed})`, () => {
    for (let round = 0; round < 5_000; round++) {
      const gap = () => pick([' ', '\n', '/**/', ' -- c\n', '\t#c\n', '/*!40101 */']);
      const tail = Array.from({ length: random(8) }, () => pick([...GRIT, 'BACKUP', 'DATABASE', 'SET', 'x']));
      const statement = handle(`${gap()}aLtEr${gap()}SyStEm${gap()}${tail.join(' ')}`, 'mysql');
      expect(['select', 'engine', 'empty']).not.toContain(statement?.kind);
    }
  });

  test(`the ranges of statements ascend and leave out nothing but blanks, comments and semicolons (seed ${seed})`, () => {
    for (let round = 0; round < 3_000; round++) {
      const sql = Array.from({ length: 4 }, () => pick([...SEEDS, ...GRIT])).join(pick([';', '; ', ' ']));
      let at = 0;
      for (const { start, end } of statementRanges(sql, 'mysql')) {
        expect(splitStatements(sql.slice(at, start), 'mysql')).toEqual([]);
        expect(end).toBeGreaterThan(start);
        at = end;
      }
      expect(splitStatements(sql.slice(at), 'mysql')).toEqual([]);
    }
  });
});

describe('the grammar on large texts', () => {
  const million = 1_000_000;
  test.each<[string, string]>([
    ['parentheses', '('.repeat(million)],
    ['closed parentheses', `SELECT ${'('.repeat(million / 2)}1${')'.repeat(million / 2)}`],
    ['subqueries', `SELECT ${'(SELECT '.repeat(million / 8)}`],
    ['quotes', "'".repeat(million)],
    ['back quotes after at signs', '@@`'.repeat(million / 3)],
    ['at signs', `SELECT ${'@'.repeat(million)}`],
    ['comment openings', 'SELECT /*'.repeat(million / 9)],
    ['executable comments', `SELECT ${'/*!1*/'.repeat(million / 6)}`],
    ['dashes', `SELECT 1${'-'.repeat(million)}1`],
    ['backslashes', `SELECT '${'\\'.repeat(million)}'`],
    ['semicolons', ';'.repeat(million)],
    ['statements', 'a;'.repeat(million / 2)],
    ['digits', `SELECT ${'9'.repeat(million)}`],
    ['digits in a clause', `KILL ${'9'.repeat(million)}`],
    ['a list', `ALTER SYSTEM BACKUP TENANT = ${'a,'.repeat(million / 2)}a`],
    ['variables', `SELECT ${'@@a,'.repeat(million / 4)}1`],
    ['assignments', `SET ${'@a=1,'.repeat(million / 5)}@a=1`],
    ['an expression', `SET @a = ${'1+'.repeat(million / 2)}1`],
    ['newlines', `${'\n'.repeat(million)}SELECT )`],
    ['rows', `INSERT INTO t VALUES ${"(1, 'text', NULL),".repeat(million / 18)}(1)`],
    ['secrets', `SET PASSWORD ${"'x' ".repeat(million / 4)}`],
    ['tables', `SELECT * FROM ${'a,'.repeat(million / 2)}a`],
    ['dots', `SELECT * FROM a${'.a'.repeat(million / 2)}`],
  ])('ends on a million characters of %s', (_, sql) => {
    handle(sql, 'mysql');
    handle(sql, 'oracle');
  });
});
