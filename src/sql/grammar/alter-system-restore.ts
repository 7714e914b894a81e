// ALTER SYSTEM statements about restoring, recovering tables and standby tenants.
import { readDescription, readStringOption, readTenants, readUntil, splitUris } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AlterSystemStatement, RecoverTable, Remap, RestoreSource } from './statement.ts';

function readFrom(cursor: Cursor): string[] | null {
  const text = readStringOption(cursor, 'FROM');
  return text === null ? null : splitUris(text);
}

function readWithKey(cursor: Cursor): RestoreSource['withKey'] {
  if (!cursor.accept('WITH')) return null;
  cursor.expect('KEY', 'FROM');
  return { from: cursor.string(), encryptedBy: readStringOption(cursor, 'ENCRYPTED', 'BY') };
}

/** `[FROM …] [UNTIL …] [WITH '…'] [ENCRYPTED BY '…'] [WITH KEY FROM '…' …]`; what follows differs by statement. */
function readSource(cursor: Cursor): RestoreSource {
  return {
    uris: readFrom(cursor),
    until: cursor.accept('UNTIL') ? readUntil(cursor) : null,
    options: cursor.at('WITH', 'KEY') ? null : readStringOption(cursor, 'WITH'),
    encryptedBy: readStringOption(cursor, 'ENCRYPTED', 'BY'),
    withKey: readWithKey(cursor),
    description: null,
  };
}

/** RESTORE …, the word already read; with PREVIEW at its end it changes nothing. */
export function parseRestore(cursor: Cursor): AlterSystemStatement {
  const tenant = cursor.at('FROM') || cursor.at('UNTIL') || cursor.at('PREVIEW') ? null : cursor.name();
  const source = readSource(cursor);
  source.description = readDescription(cursor);
  if (cursor.accept('PREVIEW')) return { kind: 'previewRestore', tenant, ...source };
  // Only a preview can do without the name of the new tenant.
  if (tenant === null) throw cursor.error();
  return { kind: 'restore', tenant, ...source };
}

/** RECOVER …, the word already read. */
export function parseRecover(cursor: Cursor): AlterSystemStatement {
  if (cursor.accept('TABLE')) return parseRecoverTable(cursor);
  cursor.expect('STANDBY');
  const tenants = readTenants(cursor);
  if (cursor.accept('CANCEL')) return { kind: 'recoverStandby', tenants, until: 'CANCEL' };
  if (!cursor.accept('UNTIL')) return { kind: 'recoverStandby', tenants, until: null };
  if (cursor.accept('UNLIMITED')) return { kind: 'recoverStandby', tenants, until: 'UNLIMITED' };
  return { kind: 'recoverStandby', tenants, until: readUntil(cursor) };
}

/** An identifier or the star that stands for all; a quoted star means the same. */
function readNameOrStar(cursor: Cursor): string {
  return cursor.acceptOperator('*') ? '*' : cursor.identifier();
}

function readQualified(cursor: Cursor): { database: string; table: string } {
  const database = readNameOrStar(cursor);
  cursor.expectOperator('.');
  return { database, table: readNameOrStar(cursor) };
}

function parseRecoverTable(cursor: Cursor): RecoverTable {
  const tables = cursor.list(() => readQualified(cursor));
  let tenant: string | null = null;
  if (cursor.accept('TO')) {
    if (cursor.accept('TENANT')) cursor.acceptOperator('=');
    tenant = cursor.name();
  }
  const source = readSource(cursor);
  const statement: RecoverTable = {
    kind: 'recoverTable',
    tables,
    tenant,
    ...source,
    remapTables: [],
    remapTablegroups: [],
    remapTablespaces: [],
  };
  while (cursor.accept('REMAP')) readRemap(cursor, statement);
  statement.description = readDescription(cursor);
  return statement;
}

function readRemap(cursor: Cursor, statement: RecoverTable): void {
  const object = cursor.expectOneOf(['TABLE', 'TABLEGROUP', 'TABLESPACE']);
  if (object === 'TABLE') statement.remapTables.push(...cursor.list(() => readTableRemap(cursor)));
  else if (object === 'TABLEGROUP') statement.remapTablegroups.push(...cursor.list(() => readPlainRemap(cursor)));
  else statement.remapTablespaces.push(...cursor.list(() => readPlainRemap(cursor)));
}

function readPlainRemap(cursor: Cursor): Remap {
  const from = cursor.identifier();
  cursor.expectOperator(':');
  return { from, to: cursor.identifier() };
}

/** `db.t:t2`, `db.t:db2.t2`, `db.*:db2.*`: a star on the right keeps the names. */
function readTableRemap(cursor: Cursor): RecoverTable['remapTables'][number] {
  const from = readQualified(cursor);
  cursor.expectOperator(':');
  const first = readNameOrStar(cursor);
  if (!cursor.acceptOperator('.')) return { from, to: { database: null, table: first } };
  const table = readNameOrStar(cursor);
  return { from, to: { database: first, table: table === '*' ? null : table } };
}

/** ACTIVATE …, the word already read. */
export function parseActivate(cursor: Cursor): AlterSystemStatement {
  cursor.expect('STANDBY');
  return { kind: 'activateStandby', tenants: readTenants(cursor), isVerify: cursor.accept('VERIFY') };
}

/** SWITCHOVER …, the word already read. */
export function parseSwitchover(cursor: Cursor): AlterSystemStatement {
  cursor.expect('TO');
  const to = cursor.expectOneOf(['PRIMARY', 'STANDBY']);
  return { kind: 'switchover', to, tenants: readTenants(cursor), isVerify: cursor.accept('VERIFY') };
}

/** RUN …, the word already read. */
export function parseRun(cursor: Cursor): AlterSystemStatement {
  cursor.expect('UPGRADE', 'JOB');
  return { kind: 'runUpgradeJob', job: cursor.name(), tenants: readTenants(cursor) };
}
