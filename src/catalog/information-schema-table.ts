// One table of information_schema: its columns, and its rows made from gathered facts.
import type { Grant, GrantLevel } from '../model/privilege.ts';
import type { SqlValue } from '../model/result.ts';
import type { TableFacts } from './table-facts.ts';
import type { ViewColumns, ViewRow } from './view.ts';
import type { Viewer } from './viewer.ts';

/** One open connection, for PROCESSLIST. */
export interface ConnectionFacts {
  readonly id: number;
  /** Empty while the login is not complete. */
  readonly user: string;
  /** Address and port of the client. */
  readonly host: string;
  /** 0 while the login is not complete. */
  readonly tenantId: number;
  readonly tenantName: string;
  readonly database: string | null;
  /** What it does, in MySQL's words: `Connect` (logging in), `Sleep`, `Query`, `Execute`, `Prepare`, … */
  readonly command: string;
  /** How long it has been doing that. */
  readonly elapsedMs: number;
  /** The running statement with secrets redacted; null when idle. */
  readonly info: string | null;
}

/** An account, without what could be used to log in. */
export interface AccountFacts {
  readonly user: string;
  readonly isLocked: boolean;
  readonly isAdministrator: boolean;
  readonly grants: readonly Grant[];
}

/** What a viewer may know. */
export interface InfoFacts {
  databases: readonly string[];
  /** Of the tenant's engine and of the system; empty when no named table needs them. */
  tables: readonly TableFacts[];
  /** The default one first. */
  engines: readonly string[];
  accounts: readonly AccountFacts[];
  /** The database that a grant below GLOBAL is about. */
  databaseOfLevel(level: Exclude<GrantLevel, 'GLOBAL'>): string;
  administrator: string;
  connections: readonly (ConnectionFacts & { state: string })[];
  variables: Viewer['variables'];
}

export interface InfoTable {
  readonly name: string;
  readonly columns: ViewColumns;
  rows(facts: InfoFacts): Iterable<Readonly<Record<string, SqlValue>>>;
}

export function infoTable<C extends ViewColumns>(table: {
  name: string;
  columns: C;
  rows(facts: InfoFacts): Iterable<ViewRow<C>>;
}): InfoTable {
  return table;
}
