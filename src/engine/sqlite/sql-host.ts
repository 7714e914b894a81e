// A child process that runs the SQL of one tenant's sessions. It never closes the last connection of the file: that
// would checkpoint and delete the log that the archive needs. It ends by SIGKILL only.

import { assert } from '../../base/assert.ts';
import { endByKillOnly, serveParent } from '../../base/child-process.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import type { EngineTable, ImportPlan } from '../engine-driver.ts';
import { ImportConnection, type OpenImport } from './import-connection.ts';
import { SqlConnection } from './sql-connection.ts';
import { describeDatabase } from './sql-describe.ts';
import { isBusy, translateError } from './sql-errors.ts';
import type { Answer, Batch, ExecuteStatement, OpenSession, Prepared, SessionState } from './sql-verbs.ts';

const connections = new Map<number, SqlConnection>();

/** Keeps the file open for as long as the process lives, so that a session's close is never the last one. */
let keeper: DatabaseSync | null = null;

function keep(location: string, tenantName: string): DatabaseSync {
  if (keeper) return keeper;
  try {
    const db = new DatabaseSync(location, { readOnly: true, readBigInts: true, timeout: 0 });
    // Only a connection that has read holds the lock that keeps the log.
    db.prepare('SELECT count(*) FROM sqlite_schema').all();
    keeper = db;
    return db;
  } catch (error) {
    if (isBusy(error)) throw error;
    throw translateError(error, { sql: '', tenantName, isReadOnly: true, refusal: null, compile: () => undefined });
  }
}

function open(request: OpenSession): { isBusy: boolean } {
  try {
    keep(request.location, request.tenantName);
    connections.set(request.session, new SqlConnection(request));
    return { isBusy: false };
  } catch (error) {
    if (isBusy(error)) return { isBusy: true };
    throw error;
  }
}

function of({ session }: { session: number }): SqlConnection {
  const connection = connections.get(session);
  assert(connection, 'the session is open');
  return connection;
}

/** The one import that this process is for, when it is. */
let tableImport: ImportConnection | null = null;

function importing(): ImportConnection {
  assert(tableImport, 'the import is open');
  return tableImport;
}

const verbs = {
  open,
  execute: (request: ExecuteStatement): Answer => of(request).execute(request),
  retry: (request: { session: number }): Answer => of(request).retry(),
  fetch: (request: { session: number }): { batch: Batch; state: SessionState } => of(request).fetch(),
  abandon: (request: { session: number }): void => of(request).abandon(),
  prepare: (request: { session: number; sql: string }): Prepared => of(request).prepare(request.sql),
  close(request: { session: number }): void {
    of(request).close();
    connections.delete(request.session);
  },
  describe({ location, tenantName }: { location: string; tenantName: string }): EngineTable[] {
    try {
      return describeDatabase(keep(location, tenantName));
    } catch (error) {
      throw translateError(error, { sql: '', tenantName, isReadOnly: true, refusal: null, compile: () => undefined });
    }
  },
  /** @returns undefined when another connection's lock is in the way */
  openImport(request: OpenImport): ImportPlan | undefined {
    try {
      tableImport ??= new ImportConnection(request);
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
    return tableImport.plan();
  },
  beginImport: () => importing().begin(),
  importTable: (index: number): void => importing().copyTable(index),
  importTriggers: (): void => importing().makeTriggers(),
  commitImport: (): void => importing().commit(),
  importNotes: (): string[] => importing().notes(),
};

endByKillOnly();
serveParent(verbs);
