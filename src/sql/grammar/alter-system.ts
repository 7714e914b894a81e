// ALTER SYSTEM: one row per verb. Whatever begins with these two words ends here; none of it can reach an engine.
import {
  parseAdd,
  parseArchiveMode,
  parseBackup,
  parseCancel,
  parseCatalog,
  parseChange,
  parseDelete,
  parseDrop,
  parseValidate,
  skipToEnd,
} from './alter-system-backup.ts';
import { parseActivate, parseRecover, parseRestore, parseRun, parseSwitchover } from './alter-system-restore.ts';
import { parseChangeSchedule } from './alter-system-schedule.ts';
import { parseAlterSystemSet } from './alter-system-set.ts';
import { readTenants } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AlterSystemStatement } from './statement.ts';

type Parse = (cursor: Cursor) => AlterSystemStatement;

function parseDead(...words: string[]): Parse {
  return (cursor) => {
    cursor.expect(...words.slice(1));
    skipToEnd(cursor);
    return { kind: 'dead', what: `${words.join(' ')} is` };
  };
}

const VERBS: Record<string, Parse> = {
  ACTIVATE: parseActivate,
  ADD: parseAdd,
  ALTER: parseChange,
  ARCHIVELOG: (cursor) => parseArchiveMode(cursor, true),
  BACKUP: parseBackup,
  CANCEL: parseCancel,
  CATALOG: parseCatalog,
  CHANGE: parseChange,
  CLEAR: (cursor) => {
    cursor.expect('RESTORE', 'SOURCE');
    return { kind: 'clearRestoreSource' };
  },
  DELETE: parseDelete,
  DROP: parseDrop,
  MODIFY: parseChange,
  NOARCHIVELOG: (cursor) => parseArchiveMode(cursor, false),
  PAUSE: (cursor) => {
    cursor.expect('BACKUP', 'SCHEDULE');
    return parseChangeSchedule(cursor, 'PAUSE');
  },
  RECOVER: parseRecover,
  RESTORE: parseRestore,
  RESUME: (cursor) =>
    cursor.accept('BACKUP', 'SCHEDULE') ? parseChangeSchedule(cursor, 'RESUME') : parseDead('RESUME', 'BACKUP')(cursor),
  ROTATE: (cursor) => {
    cursor.expect('KEY');
    return { kind: 'rotateKey', tenants: readTenants(cursor) };
  },
  RUN: parseRun,
  START: parseDead('START', 'BACKUP', 'ARCHIVELOG'),
  STOP: parseDead('STOP', 'BACKUP', 'ARCHIVELOG'),
  SUSPEND: parseDead('SUSPEND', 'BACKUP'),
  SWITCHOVER: parseSwitchover,
  TAKE: (cursor) => {
    cursor.expect('OVER', 'DESTINATION');
    return { kind: 'takeOver', tenants: readTenants(cursor) };
  },
  VALIDATE: parseValidate,
};

/** Reads what follows ALTER SYSTEM, to the end of the statement. */
export function parseAlterSystem(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('SET')) return parseAlterSystemSet(cursor);
  // The word SET may be left out.
  if (cursor.isAtName && cursor.isOperator('=', 1)) return parseAlterSystemSet(cursor);
  const verb = cursor.word();
  const parse = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (!parse) throw cursor.error();
  cursor.take();
  const statement = parse(cursor);
  cursor.end();
  return statement;
}
