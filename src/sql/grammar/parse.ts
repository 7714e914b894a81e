// Text -> typed statement. Pure; throws 1064 near the word that does not fit, and the few errors that the
// documentation gives to what is written (4002, 4007).
import { isFailure } from '../../base/errors.ts';
import { parseAlterSystem } from './alter-system.ts';
import { Cursor } from './cursor.ts';
import { parseGrant, parseRevoke } from './grant.ts';
import { parseResource } from './resource.ts';
import { parseBegin, parseFinish, parseKill, parseStart, parseUse } from './session.ts';
import { parseAlterSession, parseSet } from './set.ts';
import { parseDescribe, parseShow } from './show.ts';
import type { Statement } from './statement.ts';
import { parseAlterTenant, parseCreateTenant, parseDropTenant } from './tenant.ts';
import { scanText } from './text-facts.ts';
import type { Lexical } from './tokenizer.ts';
import { parseAlterUser, parseCreateUser, parseDropUser, parseRenameUser, refuse } from './user.ts';

type Parse = (cursor: Cursor) => Statement | null;

/** Our statements by their first words, the longer ones first. A null answer: it is for the engine after all. */
const FORMS: readonly [readonly string[], Parse][] = [
  [['ALTER', 'SYSTEM'], parseAlterSystem],
  [['ALTER', 'SESSION'], parseAlterSession],
  [['ALTER', 'TENANT'], parseAlterTenant],
  [['ALTER', 'RESOURCE'], (cursor) => parseResource(cursor, 'ALTER')],
  [['ALTER', 'INSTANCE', 'ROTATE', 'INNODB', 'MASTER', 'KEY'], parseRotateKey],
  [['ADMINISTER', 'KEY', 'MANAGEMENT', 'SET', 'ENCRYPTION', 'KEY'], parseRotateKey],
  [['ADMINISTER', 'KEY', 'MANAGEMENT', 'SET', 'KEY'], parseRotateKey],
  [['ALTER', 'USER'], parseAlterUser],
  [['CREATE', 'TENANT'], parseCreateTenant],
  [['CREATE', 'RESOURCE'], (cursor) => parseResource(cursor, 'CREATE')],
  [['CREATE', 'STANDBY', 'TENANT'], (cursor) => refuse(cursor, 'CREATE STANDBY TENANT')],
  [['CREATE', 'USER'], parseCreateUser],
  [['CREATE', 'ROLE'], (cursor) => refuse(cursor, 'CREATE ROLE')],
  [['DROP', 'TENANT'], parseDropTenant],
  [['DROP', 'RESOURCE'], (cursor) => parseResource(cursor, 'DROP')],
  [['DROP', 'USER'], parseDropUser],
  [['DROP', 'ROLE'], (cursor) => refuse(cursor, 'DROP ROLE')],
  [['RENAME', 'USER'], parseRenameUser],
  [['GRANT'], parseGrant],
  [['REVOKE'], parseRevoke],
  [['SET'], parseSet],
  [['SHOW'], parseShow],
  [['DESCRIBE'], parseDescribe],
  [['DESC'], parseDescribe],
  [['EXPLAIN'], parseDescribe],
  [['USE'], parseUse],
  [['KILL'], parseKill],
  [['BEGIN'], parseBegin],
  [['START'], parseStart],
  [['COMMIT'], (cursor) => parseFinish(cursor, 'COMMIT')],
  [['END'], (cursor) => parseFinish(cursor, 'COMMIT')],
  [['ROLLBACK'], parseRollback],
];

/** First words of statements that only read, or are about the session alone. */
const HARMLESS = 'ALTER SESSION,SET,SHOW,DESCRIBE,DESC,EXPLAIN,USE,BEGIN,START,COMMIT,END,ROLLBACK'.split(',');
/** Statements that begin as harmless ones do. */
const MANAGING_SETS = [['PASSWORD'], ['ENCRYPTION'], ['DECRYPTION'], ['GLOBAL']].map((words) => ['SET', ...words]);

/** The words of a statement that manages something with which a text begins, however it goes on; null for other texts. */
export function managingForm(sql: string, lexical: Lexical): string | null {
  const cursor = new Cursor(sql, lexical);
  try {
    while (cursor.acceptOperator(';'));
    const forms = [...MANAGING_SETS, ...FORMS.map(([words]) => words)];
    const form = forms.find((words) => cursor.at(...words))?.join(' ');
    return form === undefined || HARMLESS.includes(form) ? null : form;
  } catch (error) {
    if (isFailure(error, 'SYNTAX')) return null;
    throw error;
  }
}

/** As mysql and oracle tenants say it for themselves. There is no keystore with a password of its own: that is refused. */
function parseRotateKey(cursor: Cursor): Statement {
  if (cursor.at('IDENTIFIED', 'BY')) return refuse(cursor, 'a key management password (IDENTIFIED BY)');
  cursor.end();
  return { kind: 'rotateKey', tenants: null };
}

/** ROLLBACK TO a savepoint does not end the transaction: the engine keeps savepoints. */
function parseRollback(cursor: Cursor): Statement | null {
  const place = cursor.at('WORK') || cursor.at('TRANSACTION') ? 1 : 0;
  return cursor.word(place) === 'TO' ? null : parseFinish(cursor, 'ROLLBACK');
}

const SELECT_VERBS = new Set(['SELECT', 'VALUES', 'TABLE', 'WITH']);

/** A statement that reads or writes tables. */
function classify(sql: string, lexical: Lexical): Statement {
  const { verb, object, hasFrom, ...facts } = scanText(sql, lexical);
  if (SELECT_VERBS.has(verb)) return { kind: 'select', hasFrom, ...facts };
  return { kind: 'engine', verb, object, ...facts };
}

/**
 * Parses one statement; a semicolon may end it.
 * @param lexical the tenant's mode, or `lexicalRules(mode, sql_mode)` of a session that changed its sql_mode
 * @throws SYNTAX (1064); NOT_SUPPORTED (4007) and INVALID_ARGUMENT (4002) where the reference says so
 * @source OceanBase 4.3.3 docs, SQL statements; MySQL 5.7 for the session's own
 */
export function parseStatement(sql: string, lexical: Lexical): Statement {
  const cursor = new Cursor(sql, lexical);
  while (cursor.acceptOperator(';'));
  const first = cursor.peek();
  if (first.kind === 'end') return { kind: 'empty' };
  if (first.kind !== 'word' && !cursor.isOperator('(')) throw cursor.error();
  const form = FORMS.find(([words]) => cursor.at(...words));
  if (form) {
    for (const _ of form[0]) cursor.take();
    const statement = form[1](cursor);
    if (statement) return statement;
  }
  return classify(sql, lexical);
}
