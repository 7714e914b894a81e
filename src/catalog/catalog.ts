// The catalog: which databases, system views and tables a viewer has, and the rows that he may see of them. Read-only.
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { EngineDriver, EngineTable, EngineTenant } from '../engine/engine-driver.ts';
import { isAdministrator, isAllowed, isSameUser, type Need } from '../model/privilege.ts';
import type { SqlValue } from '../model/result.ts';
import { administratorOf, DATA_DATABASE, type Tenant } from '../model/tenant.ts';
import type { Store } from '../store/store.ts';
import { MYSQL_SCHEMA } from './account-tables.ts';
import { ARCHIVE_VIEWS, V_OB_ARCHIVE_DEST_STATUS } from './archive-views.ts';
import { AUDIT_VIEWS } from './audit-views.ts';
import { BACKUP_VIEWS } from './backup-views.ts';
import { CLEAN_VIEWS } from './clean-views.ts';
import { COPY_VIEWS } from './copy-views.ts';
import { DBA_OB_ROOTSERVICE_EVENT_HISTORY } from './event-views.ts';
import { INFORMATION_SCHEMA } from './information-schema.ts';
import type { AccountFacts, ConnectionFacts, InfoFacts, InfoTable } from './information-schema-table.ts';
import { KEY_VIEWS } from './key-views.ts';
import { LEASE_VIEWS } from './lease-views.ts';
import { ORACLE_DICTIONARY } from './oracle-dictionary.ts';
import { PARAMETER_VIEWS } from './parameter-views.ts';
import { RECOVER_VIEWS } from './recover-views.ts';
import { RESTORE_VIEWS } from './restore-views.ts';
import { SCHEDULE_VIEWS } from './schedule-views.ts';
import { STANDBY_VIEWS } from './standby-views.ts';
import { STORAGE_VIEWS } from './storage-views.ts';
import { factsOfEngineTable, factsOfView, type TableFacts } from './table-facts.ts';
import { TENANT_VIEWS } from './tenant-views.ts';
import { CDB_HF_PROTECTION, VALIDATE_VIEWS } from './validate-views.ts';
import { type ShownColumn, shownColumns, toValues, type View } from './view.ts';
import { ViewReader, type ViewSources } from './view-reader.ts';
import type { Viewer } from './viewer.ts';

/** Every declared system view, CDB_ and DBA_. */
export const SYSTEM_VIEWS: readonly View[] = [
  ...ARCHIVE_VIEWS,
  ...STORAGE_VIEWS,
  ...BACKUP_VIEWS,
  ...COPY_VIEWS,
  ...CLEAN_VIEWS,
  ...SCHEDULE_VIEWS,
  ...KEY_VIEWS,
  ...LEASE_VIEWS,
  ...RESTORE_VIEWS,
  ...STANDBY_VIEWS,
  ...RECOVER_VIEWS,
  ...TENANT_VIEWS,
  ...AUDIT_VIEWS,
  ...VALIDATE_VIEWS,
  V_OB_ARCHIVE_DEST_STATUS,
  DBA_OB_ROOTSERVICE_EVENT_HISTORY,
  ...PARAMETER_VIEWS,
];

/** Views with a row or more for each tenant, where a reader for one tenant leaves out exactly the rows of the others. */
const BY_TENANT: ReadonlySet<View> = new Set([
  ...ARCHIVE_VIEWS,
  ...STORAGE_VIEWS,
  ...AUDIT_VIEWS,
  V_OB_ARCHIVE_DEST_STATUS,
  CDB_HF_PROTECTION,
]);

/** Rows that are made at a time before other work gets its turn. */
const ROWS_PER_TURN = 500;
const DEFAULT_ENGINE = 'sqlite';

export interface CatalogContext extends ViewSources {
  driver(engineName: string): Pick<EngineDriver, 'describe'>;
  engineTenant(tenant: Tenant): EngineTenant;
  /** Every open connection of the server; the catalog keeps to those the viewer may see. */
  connections(): readonly ConnectionFacts[];
  serverVersion: string;
}

/** A system view as one viewer has it. */
export interface SystemTable {
  /** Canonical spelling: `oceanbase`, `SYS`, `information_schema`, `mysql`. */
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ShownColumn[];
  readonly of: { view: View } | { info: InfoTable };
}

/** Which rows a statement can need at all; more of them do no harm. */
export interface WantedRows {
  tenantId?: number | undefined;
}

export interface FilledTable {
  schema: string;
  name: string;
  columns: readonly ShownColumn[];
  rows: SqlValue[][];
}

export interface Catalog {
  readonly context: CatalogContext;
  /** The database that holds a tenant's own tables. */
  readonly dataDatabase: string;
  /** The databases of a tenant, in the order of SHOW DATABASES. */
  databases(of: TenantFacts): readonly string[];
  /** The database of a session that named none. */
  defaultDatabase(of: TenantFacts): string;
  /**
   * The canonical spelling of a database: also finds the data database by the tenant's name.
   * @returns undefined for an unknown one
   */
  resolveDatabase(of: TenantFacts & { tenantName: string }, name: string): string | undefined;
  /** What it takes to read a database: its name in canonical spelling. */
  needOf(database: string): Need;
  /** `oceanbase` or `SYS`. */
  systemSchema(of: TenantFacts): string;
  /** The system view of this name in this database, whoever may read it; both case-insensitive. */
  find(viewer: Viewer, schema: string, name: string): SystemTable | undefined;
  /** The rows of system views that the viewer may see. */
  fill(viewer: Viewer, tables: readonly SystemTable[], wanted?: WantedRows): Promise<FilledTable[]>;
  /** The tables of the tenant's engine; none for sys, and for who may not read them. */
  engineTables(viewer: Viewer): Promise<EngineTable[]>;
  /** Every table and view that the viewer may read. */
  tables(viewer: Viewer): Promise<TableFacts[]>;
  /** The connections that the viewer may see. */
  connections(viewer: Viewer): readonly ConnectionFacts[];
}

/** What the databases and views of a tenant depend on. */
export type TenantFacts = Pick<Viewer, 'tenantId' | 'mode'>;

const isSys = (of: TenantFacts) => of.tenantId === SYS_TENANT_ID;
const isSame = (a: string, b: string) => a.toUpperCase() === b.toUpperCase();

function systemSchema(of: TenantFacts): string {
  return of.mode === 'oracle' ? 'SYS' : 'oceanbase';
}

function databases(of: TenantFacts): readonly string[] {
  if (of.mode === 'oracle') return [DATA_DATABASE, 'SYS'];
  const system = ['information_schema', 'mysql', 'oceanbase'];
  return isSys(of) ? system : ['information_schema', DATA_DATABASE, 'mysql', 'oceanbase'];
}

/** information_schema shows each only what he may see. */
function needOf(database: string): Need {
  if (database === 'information_schema') return 'NOTHING';
  if (database === 'mysql') return 'READ ACCOUNTS';
  return database === DATA_DATABASE ? 'READ DATA' : 'READ SYSTEM';
}

const mayRead = (viewer: Viewer, database: string) => isAllowed(viewer.rights, needOf(database));

/** sys has no data; the administrator of an oracle tenant owns the schema of his name. */
function defaultDatabase(of: TenantFacts): string {
  return isSys(of) || of.mode === 'oracle' ? systemSchema(of) : DATA_DATABASE;
}

function systemTables(viewer: Viewer): SystemTable[] {
  const views = SYSTEM_VIEWS.filter((view) => isSys(viewer) || view.audience === 'everyone').map((view) => ({
    schema: systemSchema(viewer),
    name: view.name,
    columns: shownColumns(view.columns, viewer.mode),
    of: { view },
  }));
  const infoTables = (schema: string, tables: readonly InfoTable[]) =>
    tables.map((info) => ({ schema, name: info.name, columns: shownColumns(info.columns, viewer.mode), of: { info } }));
  if (viewer.mode === 'oracle') return [...infoTables('SYS', ORACLE_DICTIONARY), ...views];
  return [...infoTables('information_schema', INFORMATION_SCHEMA), ...infoTables('mysql', MYSQL_SCHEMA), ...views];
}

/** The shapes of the system views are the same for every session of a kind. */
const tablesByKind = new Map<string, SystemTable[]>();

function knownTables(viewer: Viewer): readonly SystemTable[] {
  const kind = isSys(viewer) ? 'sys' : viewer.mode;
  const known = tablesByKind.get(kind) ?? systemTables(viewer);
  tablesByKind.set(kind, known);
  return known;
}

/** Rows in the order of the columns, made in turns with other work. */
async function toRows(
  source: Iterable<Readonly<Record<string, SqlValue>>>,
  columns: readonly ShownColumn[],
): Promise<SqlValue[][]> {
  const rows: SqlValue[][] = [];
  for (const row of source) {
    rows.push(toValues(row, columns));
    if (rows.length % ROWS_PER_TURN === 0) await yieldToOthers();
  }
  return rows;
}

/** Who manages the tenant sees all of its connections; anybody else those of his own account. */
function connectionsSeenBy(viewer: Viewer, all: readonly ConnectionFacts[]): ConnectionFacts[] {
  const { tenantId, user } = viewer;
  if (!isAllowed(viewer.rights, 'ALTER SYSTEM'))
    return all.filter((one) => one.tenantId === tenantId && isSameUser(one.user, user));
  return all.filter((one) => isSys(viewer) || one.tenantId === tenantId);
}

/** Who may read the accounts sees them all; anybody else his own. */
function accountsSeenBy(viewer: Viewer, store: Store): AccountFacts[] {
  const all = store.accounts.find({ tenantId: viewer.tenantId });
  const seen = mayRead(viewer, 'mysql') ? all : all.filter(({ user }) => isSameUser(user, viewer.user));
  return seen.map(({ user, isLocked, grants }) => {
    return { user, isLocked, isAdministrator: isAdministrator(viewer.mode, user), grants };
  });
}

export function createCatalog(context: CatalogContext): Catalog {
  const engineTables = async (viewer: Viewer): Promise<EngineTable[]> => {
    const isHidden = isSys(viewer) || !mayRead(viewer, DATA_DATABASE);
    const tenant = isHidden ? undefined : context.store.tenants.get({ tenantId: viewer.tenantId });
    return tenant ? context.driver(tenant.engine).describe(context.engineTenant(tenant)) : [];
  };

  const tables = async (viewer: Viewer): Promise<TableFacts[]> => {
    const engine = context.store.tenants.get({ tenantId: viewer.tenantId })?.engine ?? DEFAULT_ENGINE;
    const own = (await engineTables(viewer)).map((table) => factsOfEngineTable(DATA_DATABASE, engine, table));
    const system = knownTables(viewer)
      .filter(({ schema }) => mayRead(viewer, schema))
      .map(({ schema, name, columns }) => factsOfView(schema, name, columns));
    return [...own, ...system].sort((a, b) => (a.schema < b.schema ? -1 : a.schema > b.schema ? 1 : 0));
  };

  const connections = (viewer: Viewer) => connectionsSeenBy(viewer, context.connections());

  const infoFacts = async (viewer: Viewer): Promise<InfoFacts> => {
    const { store } = context;
    const engines = isSys(viewer)
      ? new Set([DEFAULT_ENGINE, ...store.userTenants().map((tenant) => tenant.engine)])
      : new Set([store.tenants.get({ tenantId: viewer.tenantId })?.engine ?? DEFAULT_ENGINE]);
    return {
      databases: databases(viewer).filter((database) => mayRead(viewer, database)),
      tables: await tables(viewer),
      engines: [...engines],
      accounts: accountsSeenBy(viewer, store),
      databaseOfLevel: (level) => (level === 'DATA' ? DATA_DATABASE : systemSchema(viewer)),
      administrator: administratorOf(viewer.mode),
      connections: connections(viewer).map((of) => ({ ...of, state: of.info === null ? '' : 'executing' })),
      variables: viewer.variables,
    };
  };

  return {
    context,
    dataDatabase: DATA_DATABASE,
    databases,
    defaultDatabase,
    needOf,
    systemSchema,
    engineTables,
    tables,
    connections,
    resolveDatabase(viewer, name) {
      const known = databases(viewer).find((database) => isSame(database, name));
      if (known) return known;
      return !isSys(viewer) && isSame(name, viewer.tenantName) ? DATA_DATABASE : undefined;
    },
    find: (viewer, schema, name) =>
      knownTables(viewer).find((table) => isSame(table.schema, schema) && isSame(table.name, name)),
    async fill(viewer, named, wanted = {}) {
      // One reader for each reach, so that a statement sees one moment even where it joins views.
      const readers = {
        fleet: new ViewReader(context, isSys(viewer) ? null : viewer.tenantId),
        own: new ViewReader(context, viewer.tenantId),
      };
      const wantedReader = isSys(viewer) && wanted.tenantId && new ViewReader(context, wanted.tenantId);
      const readerOf = (view: View) =>
        wantedReader && view.reach === 'fleet' && BY_TENANT.has(view) ? wantedReader : readers[view.reach];
      let facts: Promise<InfoFacts> | undefined;
      const filled: FilledTable[] = [];
      for (const { schema, name, columns, of } of named) {
        facts = 'info' in of ? (facts ?? infoFacts(viewer)) : facts;
        const source = 'info' in of ? of.info.rows(await facts!) : of.view.rows(readerOf(of.view));
        filled.push({ schema, name, columns, rows: await toRows(source, columns) });
      }
      return filled;
    },
  };
}
