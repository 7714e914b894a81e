// ALTER SYSTEM statements about archiving, backing up, cleaning and validating.
import { fail } from '../../base/errors.ts';
import { VALIDATE_LEVELS, type ValidateLevel } from '../../model/validate-job.ts';
import { parseAddSchedule, parseChangeSchedule } from './alter-system-schedule.ts';
import {
  readDescription,
  readNumberOption,
  readStringOption,
  readTenantList,
  readTenants,
  splitUris,
} from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AlterSystemStatement, Backup, ChangeStorageDest } from './statement.ts';

const dead = (what: string): AlterSystemStatement => ({ kind: 'dead', what: `${what} is` });

/** Reads to the end of a statement that is refused whatever follows. */
export function skipToEnd(cursor: Cursor): void {
  while (!cursor.isAtEnd) cursor.take();
  cursor.end();
}

export function parseArchiveMode(cursor: Cursor, isOn: boolean): AlterSystemStatement {
  return { kind: 'setArchiveMode', isOn, tenants: readTenants(cursor), description: readDescription(cursor) };
}

/** BACKUP …, the word already read. */
export function parseBackup(cursor: Cursor): AlterSystemStatement {
  for (const object of ['BACKUPSET', 'BACKUPPIECE']) {
    if (!cursor.accept(object)) continue;
    skipToEnd(cursor);
    return dead(`BACKUP ${object}`);
  }
  if (cursor.accept('KEY')) {
    return {
      kind: 'backupKey',
      tenants: readTenants(cursor),
      to: readStringOption(cursor, 'TO'),
      encryptedBy: readStringOption(cursor, 'ENCRYPTED', 'BY'),
    };
  }
  const backup: Backup = {
    kind: 'backup',
    isIncremental: cursor.accept('INCREMENTAL'),
    scope: cursor.acceptOneOf(['DATABASE', 'TENANT']),
    tenants: null,
    to: null,
    isPlusArchivelog: false,
    description: null,
  };
  if (backup.scope === 'TENANT') backup.tenants = readTenantList(cursor);
  backup.to = readStringOption(cursor, 'TO');
  if (cursor.accept('PLUS')) {
    cursor.expect('ARCHIVELOG');
    backup.isPlusArchivelog = true;
  }
  backup.description = readDescription(cursor);
  return backup;
}

/** CANCEL …, the word already read. */
export function parseCancel(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('RESTORE')) return { kind: 'cancelRestore', tenant: cursor.name() };
  if (cursor.accept('RECOVER')) {
    cursor.expect('TABLE');
    return { kind: 'cancelRecoverTable', tenant: cursor.name() };
  }
  if (cursor.accept('DELETE')) {
    cursor.expect('BACKUP');
    return { kind: 'cancelDelete', tenants: readTenants(cursor), description: readDescription(cursor) };
  }
  if (cursor.accept('ALL')) {
    cursor.expect('BACKUP', 'FORCE');
    return dead('CANCEL ALL BACKUP FORCE');
  }
  if (cursor.accept('VALIDATE')) {
    // With a number it is the statement of older versions.
    if (cursor.peek().kind !== 'number') return { kind: 'cancelValidate', tenants: readTenants(cursor) };
    skipToEnd(cursor);
    return dead('CANCEL VALIDATE');
  }
  cursor.expect('BACKUP');
  const object = cursor.acceptOneOf(['BACKUPSET', 'BACKUPPIECE']);
  if (object === null) return { kind: 'cancelBackup', tenants: readTenants(cursor) };
  skipToEnd(cursor);
  return dead(`CANCEL BACKUP ${object}`);
}

/** ADD …, the word already read. */
export function parseAdd(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('RESTORE')) {
    cursor.expect('SOURCE');
    return { kind: 'addRestoreSource', uri: cursor.string() };
  }
  if (cursor.accept('BACKUP', 'SCHEDULE')) return parseAddSchedule(cursor);
  return {
    kind: 'addDeletePolicy',
    policy: readPolicyName(cursor),
    recoveryWindow: readStringOption(cursor, 'RECOVERY_WINDOW'),
    redundancy: readNumberOption(cursor, 'REDUNDANCY'),
    backupCopies: readNumberOption(cursor, 'BACKUP_COPIES'),
    tenants: readTenants(cursor),
  };
}

/** DROP …, the word already read. */
export function parseDrop(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('BACKUP', 'SCHEDULE')) return parseChangeSchedule(cursor, 'DROP');
  return { kind: 'dropDeletePolicy', policy: readPolicyName(cursor), tenants: readTenants(cursor) };
}

function readPolicyName(cursor: Cursor): string {
  cursor.expect('DELETE', 'BACKUP', 'POLICY');
  cursor.acceptOperator('=');
  return cursor.string();
}

/** DELETE …, the word already read. */
export function parseDelete(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('OBSOLETE')) {
    cursor.expect('BACKUP');
    const [tenants, description] = [readTenants(cursor), readDescription(cursor)];
    return { kind: 'deleteObsolete', tenants, description, isPreview: cursor.accept('PREVIEW') };
  }
  const old = cursor.acceptOneOf(['BACKUPPIECE', 'BACKUPROUND']);
  if (old !== null) {
    skipToEnd(cursor);
    return dead(`DELETE ${old}`);
  }
  const object = cursor.expectOneOf(['BACKUPSET', 'ARCHIVELOG_PIECE']);
  return {
    kind: 'deleteBackup',
    object,
    ids: cursor.list(() => cursor.integer(`${object} id`)),
    copy: readNumberOption(cursor, 'COPY'),
    tenants: readTenants(cursor),
    description: readDescription(cursor),
  };
}

/** VALIDATE …, the word already read. @throws INVALID_ARGUMENT (4002) for a list of ids or a level that is none */
export function parseValidate(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('DATABASE')) {
    skipToEnd(cursor);
    return dead('VALIDATE DATABASE');
  }
  const object = cursor.expectOneOf(['BACKUP', 'BACKUPSET', 'ARCHIVELOG_PIECE']);
  const ids = object === 'BACKUP' ? null : readIds(cursor, object);
  if (object === 'BACKUPSET' && cursor.accept('COPY')) {
    skipToEnd(cursor);
    return dead('VALIDATE BACKUPSET … COPY');
  }
  return {
    kind: 'validate',
    object,
    ids,
    dataBackupDest: readStringOption(cursor, 'DATA_BACKUP_DEST'),
    logArchiveDest: readStringOption(cursor, 'LOG_ARCHIVE_DEST'),
    level: readLevel(cursor),
    check: readStringOption(cursor, 'CHECK')?.toLowerCase() ?? null,
    budget: readStringOption(cursor, 'BUDGET'),
    tenants: readTenants(cursor),
    description: readDescription(cursor),
  };
}

function readIds(cursor: Cursor, object: string): number[] | null {
  const hasEquals = cursor.acceptOperator('=');
  const { kind } = cursor.peek();
  if (kind === 'number') return cursor.list(() => cursor.integer(`${object} id`));
  if (!hasEquals && kind !== 'string') return null;
  return cursor
    .string()
    .split(',')
    .map((text) => {
      const id = Number(text.trim());
      if (!/^\s*\d+\s*$/.test(text) || !Number.isSafeInteger(id)) {
        throw fail('INVALID_ARGUMENT', { what: `${object} ids` });
      }
      return id;
    });
}

function readLevel(cursor: Cursor): ValidateLevel | null {
  const text = readStringOption(cursor, 'LEVEL')?.toLowerCase();
  if (text === undefined) return null;
  const level = VALIDATE_LEVELS.find((known) => known === text);
  if (!level) throw fail('INVALID_ARGUMENT', { what: 'LEVEL' });
  return level;
}

/** CATALOG …, the word already read. */
export function parseCatalog(cursor: Cursor): AlterSystemStatement {
  cursor.expect('BACKUP', 'FROM');
  return { kind: 'catalogBackup', uris: splitUris(cursor.string()), tenants: readTenants(cursor) };
}

/** {ALTER|CHANGE|MODIFY} …, the word already read. */
export function parseChange(cursor: Cursor): AlterSystemStatement {
  cursor.expect('EXTERNAL_STORAGE_DEST', 'PATH');
  cursor.acceptOperator('=');
  const path = cursor.string();
  cursor.expect('SET');
  const change: ChangeStorageDest = {
    kind: 'changeStorageDest',
    path,
    attribute: readStringOption(cursor, 'ATTRIBUTE'),
    accessInfo: null,
    tenants: null,
  };
  if (change.attribute !== null) cursor.acceptOperator(',');
  change.accessInfo = readStringOption(cursor, 'ACCESS_INFO');
  change.attribute ??= readStringOption(cursor, 'ATTRIBUTE');
  if (change.attribute === null && change.accessInfo === null) throw cursor.error();
  change.tenants = readTenants(cursor);
  return change;
}
