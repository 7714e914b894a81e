// The server's end of an import of tables: asks the host process step by step, and waits for locks.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import type { ImportPlan, ImportRun } from '../engine-driver.ts';
import type { HostLink } from '../host-link.ts';
import type { OpenImport } from './import-connection.ts';

/** Between two tries for a lock: most are held for a commit only. */
const LOCK_RETRY_MS = 5;

export interface ImportConduct {
  link: HostLink;
  request: OpenImport;
  clock: Clock;
  lockWaitMs: number;
}

/** Opens an import in its host and reads what is to be done. @throws LOCK_WAIT_TIMEOUT (1205) */
export async function planTables(conduct: ImportConduct, signal: AbortSignal): Promise<ImportPlan> {
  const { link, request } = conduct;
  return await untilFree(conduct, signal, () => link.run<ImportPlan | undefined>('openImport', request, signal));
}

/** See EngineDriver.importTables. */
export async function importPlanned(conduct: ImportConduct, run: ImportRun): Promise<string[]> {
  const { link } = conduct;
  const { signal } = run;
  const { tables } = await planTables(conduct, signal);
  await untilFree(conduct, signal, () => link.run<true | undefined>('beginImport', undefined, signal));
  run.onBegin();
  for (const index of tables.keys()) {
    await link.run('importTable', index, signal);
    run.onTable(index + 1);
  }
  await link.run('importTriggers', undefined, signal);
  signal.throwIfAborted();
  run.onReady();
  await link.run('commitImport', undefined, signal);
  return await link.run<string[]>('importNotes', undefined, signal);
}

async function untilFree<T>(
  { clock, lockWaitMs }: ImportConduct,
  signal: AbortSignal,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  for (const endMs = clock.monotonicMs() + lockWaitMs; clock.monotonicMs() < endMs; await sleep(LOCK_RETRY_MS)) {
    signal.throwIfAborted();
    const answer = await attempt();
    if (answer !== undefined) return answer;
  }
  throw fail('LOCK_WAIT_TIMEOUT', {});
}
