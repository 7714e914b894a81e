// What each statement asks of the account that runs it, and which ones go into the audit. The one place that decides:
// a new kind of statement does not compile before it stands here. Pure.
import { isSameUser, type Need } from '../model/privilege.ts';
import type { SetStatement, ShowSubject, Statement, StatementKind, StatementOf } from './grammar/statement.ts';

type Rule<K extends StatementKind> = Need | ((statement: StatementOf<K>, user: string) => Need);

const ofVariables = ({ items }: SetStatement): Need =>
  items.some((item) => item.set === 'systemVariable' && item.scope === 'GLOBAL') ? 'ALTER SYSTEM' : 'NOTHING';

/**
 * SHOW of the session's own things, and of what is listed only as far as the account may read it (databases, tables,
 * columns, connections), asks for nothing.
 */
const SHOW_NEEDS: Record<Exclude<ShowSubject, 'GRANTS'>, Need> = {
  VARIABLES: 'NOTHING',
  STATUS: 'NOTHING',
  DATABASES: 'NOTHING',
  TABLES: 'NOTHING',
  'TABLE STATUS': 'NOTHING',
  'OPEN TABLES': 'NOTHING',
  COLUMNS: 'NOTHING',
  INDEX: 'NOTHING',
  'CREATE TABLE': 'NOTHING',
  'CREATE VIEW': 'NOTHING',
  'CREATE DATABASE': 'NOTHING',
  'CREATE TENANT': 'READ SYSTEM',
  WARNINGS: 'NOTHING',
  ERRORS: 'NOTHING',
  'COUNT WARNINGS': 'NOTHING',
  'COUNT ERRORS': 'NOTHING',
  PROCESSLIST: 'NOTHING',
  PARAMETERS: 'READ SYSTEM',
  ENGINES: 'NOTHING',
  'ENGINE STATUS': 'READ SYSTEM',
  CHARSET: 'NOTHING',
  COLLATION: 'NOTHING',
  PRIVILEGES: 'NOTHING',
  PLUGINS: 'NOTHING',
  TENANT: 'NOTHING',
  TENANTS: 'READ SYSTEM',
  'MASTER STATUS': 'READ SYSTEM',
  'SLAVE STATUS': 'READ SYSTEM',
  'BINARY LOGS': 'READ SYSTEM',
  TRIGGERS: 'NOTHING',
  'PROCEDURE STATUS': 'NOTHING',
  'FUNCTION STATUS': 'NOTHING',
  EVENTS: 'NOTHING',
  PROFILES: 'NOTHING',
};

const RULES: { readonly [K in StatementKind]: Rule<K> } = {
  setArchiveDest: 'ALTER SYSTEM',
  setArchiveDestState: 'ALTER SYSTEM',
  setDataBackupDest: 'ALTER SYSTEM',
  setLogRestoreSource: 'ALTER SYSTEM',
  // Who is watched must not shorten the memory of it.
  setParameters: ({ assignments }) =>
    assignments.some(({ name }) => name === 'audit_retention') ? 'MANAGE AUDIT' : 'ALTER SYSTEM',
  setArchiveMode: 'ALTER SYSTEM',
  changeStorageDest: 'ALTER SYSTEM',
  takeOver: 'ALTER SYSTEM',
  backup: 'ALTER SYSTEM',
  backupKey: 'ALTER SYSTEM',
  rotateKey: 'ALTER SYSTEM',
  cancelBackup: 'ALTER SYSTEM',
  addDeletePolicy: 'ALTER SYSTEM',
  dropDeletePolicy: 'ALTER SYSTEM',
  cancelDelete: 'ALTER SYSTEM',
  deleteBackup: 'ALTER SYSTEM',
  deleteObsolete: 'ALTER SYSTEM',
  validate: 'ALTER SYSTEM',
  cancelValidate: 'ALTER SYSTEM',
  catalogBackup: 'ALTER SYSTEM',
  addSchedule: 'ALTER SYSTEM',
  changeSchedule: 'ALTER SYSTEM',
  restore: 'ALTER SYSTEM',
  previewRestore: 'ALTER SYSTEM',
  cancelRestore: 'ALTER SYSTEM',
  addRestoreSource: 'ALTER SYSTEM',
  clearRestoreSource: 'ALTER SYSTEM',
  recoverTable: 'ALTER SYSTEM',
  cancelRecoverTable: 'ALTER SYSTEM',
  recoverStandby: 'ALTER SYSTEM',
  activateStandby: 'ALTER SYSTEM',
  switchover: 'ALTER SYSTEM',
  runUpgradeJob: 'ALTER SYSTEM',
  dead: 'ALTER SYSTEM',
  setEncryption: 'ALTER SYSTEM',
  setDecryption: 'ALTER SYSTEM',
  createTenant: 'ALTER SYSTEM',
  alterTenant: 'ALTER SYSTEM',
  dropTenant: 'ALTER SYSTEM',
  createUnit: 'ALTER SYSTEM',
  alterUnit: 'ALTER SYSTEM',
  dropUnit: 'ALTER SYSTEM',
  createPool: 'ALTER SYSTEM',
  alterPool: 'ALTER SYSTEM',
  dropPool: 'ALTER SYSTEM',
  setPassword: ({ account }, user) =>
    account === null || isSameUser(account.user, user) ? 'NOTHING' : 'MANAGE ACCOUNTS',
  createUser: 'MANAGE ACCOUNTS',
  dropUser: 'MANAGE ACCOUNTS',
  lockUser: 'MANAGE ACCOUNTS',
  renameUser: 'MANAGE ACCOUNTS',
  grant: 'MANAGE ACCOUNTS',
  revoke: 'MANAGE ACCOUNTS',
  // Its answer is the same for everybody.
  notSupported: 'NOTHING',
  set: ofVariables,
  setTransaction: ({ scope }) => (scope === 'GLOBAL' ? 'ALTER SYSTEM' : 'NOTHING'),
  use: 'NOTHING',
  // What it opens on the tenant's engine can do no more than the statements inside.
  transaction: 'NOTHING',
  // It finds only the connections that the account may see.
  kill: 'NOTHING',
  show: (statement, user) => {
    const { subject, account } = statement;
    if (subject !== 'GRANTS') return SHOW_NEEDS[subject];
    return account === null || isSameUser(account.user, user) ? 'NOTHING' : 'READ ACCOUNTS';
  },
  // Decided by the tables that it names, where these are found: without any it asks for nothing.
  select: 'NOTHING',
  // Whether it may also write is the engine's to enforce: its session is opened for what the account may do.
  engine: 'READ DATA',
  empty: 'NOTHING',
};

/** @param user the account of the session: his own password and grants ask for nothing */
export function needOf<K extends StatementKind>(statement: StatementOf<K>, user: string): Need {
  const rule = RULES[statement.kind as K] as Rule<K>;
  return typeof rule === 'function' ? rule(statement, user) : rule;
}

/** Statements that go into the audit although they ask for nothing, or not always. */
const AUDITED_ALWAYS: readonly StatementKind[] = ['setPassword', 'kill', 'notSupported'];

/** True for a statement that manages something; what reads, and what works on a tenant's own tables, is not recorded. */
export function isAudited(statement: Statement, user: string): boolean {
  const manages: readonly Need[] = ['ALTER SYSTEM', 'MANAGE ACCOUNTS', 'MANAGE AUDIT'];
  return manages.includes(needOf(statement, user)) || AUDITED_ALWAYS.includes(statement.kind);
}
