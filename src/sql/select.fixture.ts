// Sessions over the catalog's fixture, for tests of SELECT, SHOW and variables.
import { silentLog } from '../base/log.ts';
import { at, type CatalogFixture, openCatalogFixture } from '../catalog/catalog.fixture.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import type { SqlValue, StatementResult } from '../model/result.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseStatement } from './grammar/parse.ts';
import { runSelect } from './select.ts';
import type { Session } from './session.ts';
import { runShow } from './show.ts';

export interface SqlFixture extends Disposable {
  catalog: CatalogFixture;
  deps: SqlDependencies;
  session(tenantId: number, more?: Partial<Session>): Session;
  /** Runs a SELECT or SHOW. */
  run(session: Session, sql: string, parameters?: readonly SqlValue[]): Promise<StatementResult | 'engine'>;
}

export function openSqlFixture(): SqlFixture {
  const catalog = openCatalogFixture();
  // Only what SELECT, SHOW and variables use.
  const deps = {
    store: catalog.store,
    clock: { nowNs: () => at(1000), monotonicMs: () => 0 },
    log: silentLog,
    catalog: catalog.catalog,
    dataDir: '/holdfast/data',
    serverVersion: catalog.catalog.context.serverVersion,
  } as unknown as SqlDependencies;
  const { signal } = new AbortController();
  return {
    catalog,
    deps,
    session: (tenantId, more = {}) => makeSession(catalog, tenantId, more),
    async run(session, sql, parameters = []) {
      const statement = parseStatement(sql, session.mode);
      if (statement.kind === 'show') return runShow(deps, session, statement, signal);
      if (statement.kind !== 'select') throw new Error(`${sql} is a ${statement.kind} statement`);
      return runSelect(deps, session, { sql, statement, parameters, signal });
    },
    [Symbol.dispose]: () => catalog[Symbol.dispose](),
  };
}

function makeSession(fixture: CatalogFixture, tenantId: number, more: Partial<Session>): Session {
  const tenant = fixture.store.tenants.get({ tenantId })!;
  return {
    id: 42,
    user: tenant.mode === 'oracle' ? 'SYS' : 'root',
    tenantId,
    tenantName: tenant.name,
    mode: tenant.mode,
    host: '127.0.0.1',
    isTls: false,
    database: fixture.catalog.defaultDatabase(tenant),
    variables: new Map(),
    userVariables: new Map(),
    encryptionPassword: null,
    encryptionKeys: new DerivedKeys(),
    decryptionPasswords: [],
    decryptionKeys: new DerivedKeys(),
    restoreSources: [],
    warnings: [],
    lastInsertId: 0n,
    rowCount: -1n,
    engine: null,
    mayEngineWrite: false,
    running: null,
    sinceMs: 0,
    ...more,
  };
}

/** All rows of a result, by column name. */
export async function rowsByName(result: StatementResult | 'engine'): Promise<Record<string, SqlValue>[]> {
  const { names, rows } = await table(result);
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])));
}

export async function table(result: StatementResult | 'engine'): Promise<{ names: string[]; rows: SqlValue[][] }> {
  if (result === 'engine' || result.kind !== 'rows') throw new Error('the statement returned no rows');
  const rows: SqlValue[][] = [];
  for await (const batch of result.rows) rows.push(...batch);
  return { names: result.columns.map((column) => column.name), rows };
}
