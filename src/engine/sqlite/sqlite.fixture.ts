// For tests of the sqlite engine: a driver on a directory of its own, and short ways to run statements.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Column, OkResult, SqlValue } from '../../model/result.ts';
import type { EngineDriver, EngineSession, EngineTenant } from '../engine-driver.ts';
import type { SessionFacts } from '../session-facts.ts';
import { createSqliteDriver } from './sqlite-driver.ts';

export interface WholeRows {
  columns: Column[];
  rows: SqlValue[][];
}

export interface SqliteFixture extends AsyncDisposable {
  driver: EngineDriver;
  directory: string;
  tenant(over?: Partial<EngineTenant>): EngineTenant;
}

/** @param lockWaitMs short, so that a test of a lock that is never given back ends soon */
export function sqliteFixture({ lockWaitMs = 5000 }: { lockWaitMs?: number } = {}): SqliteFixture {
  const directory = mkdtempSync(join(tmpdir(), 'sqlite-engine-'));
  const driver = createSqliteDriver({ log: silentLog, clock: systemClock, dataDir: directory, lockWaitMs });
  return {
    driver,
    directory,
    tenant: (over = {}) => ({
      tenantId: 1002,
      name: 't1',
      mode: 'mysql',
      location: join(directory, 't1', 'data.db'),
      isReadOnly: false,
      maxCpu: 1,
      ...over,
    }),
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface RunOptions {
  parameters?: SqlValue[];
  signal?: AbortSignal;
  facts?: Partial<SessionFacts>;
}

/** Runs a statement that answers no rows. */
export async function run(session: EngineSession, sql: string, options: RunOptions = {}): Promise<OkResult> {
  const { parameters = [], signal = new AbortController().signal, facts } = options;
  const result = await session.execute(sql, parameters, signal, facts);
  if (result.kind !== 'ok') throw new Error(`rows came back from ${sql}`);
  return result;
}

/** Runs a query and reads all of it. */
export async function query(session: EngineSession, sql: string, options: RunOptions = {}): Promise<WholeRows> {
  const { parameters = [], signal = new AbortController().signal, facts } = options;
  const result = await session.execute(sql, parameters, signal, facts);
  if (result.kind !== 'rows') throw new Error(`no rows came back from ${sql}`);
  const rows: SqlValue[][] = [];
  for await (const batch of result.rows) rows.push(...batch);
  return { columns: result.columns, rows };
}

/** The rows alone. */
export async function rowsOf(session: EngineSession, sql: string, options: RunOptions = {}): Promise<SqlValue[][]> {
  return (await query(session, sql, options)).rows;
}
