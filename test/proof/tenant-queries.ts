// What the tests of the proof ask the views about one tenant.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { query, type Row } from '../e2e/holdfast-fixture.ts';

/**
 * A commit gets its scn when the capture sees it, so one that was done this long before a checkpoint must be below it:
 * the clock of the log is in whole milliseconds, and several processes share two cores.
 */
export const SEEN_MS_MAX = 250;
export const NS_PER_MS = 1_000_000n;

const POLL_MS = 50;
const WAIT_MS_MAX = 60_000;

/** A part of time that a tenant can be restored to. */
export interface Window {
  from: bigint;
  to: bigint;
  roundId: number;
}

/** The tail of a query about one tenant; its columns are those of `v`. */
export const ofTenant = (view: string, tenant: string): string =>
  `FROM oceanbase.${view} v JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID) WHERE t.TENANT_NAME = '${tenant}'`;

/** The query for a tenant's present round. */
export const roundOf = (tenant: string): string =>
  `SELECT v.ROUND_ID, v.STATUS, v.CHECKPOINT_SCN, v.COMMENT ${ofTenant('CDB_OB_ARCHIVELOG', tenant)}`;

/** Nothing stands in the way of archiving. */
export const isArchived = (row: Row | undefined): boolean =>
  row?.STATUS === 'DOING' && !row.COMMENT!.includes('being attached');

/** Waits until everything up to a moment is archived and can be restored. @returns how far the archive is then */
export async function archivedScn(
  sys: Connection,
  tenant: string,
  sinceMs: number,
): Promise<{ scn: bigint; roundId: number }> {
  const sinceScn = BigInt(sinceMs + SEEN_MS_MAX) * NS_PER_MS;
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += POLL_MS) {
    const [row] = await query(sys, roundOf(tenant));
    const scn = BigInt(row!.CHECKPOINT_SCN!);
    // A round that repairs begins inside the hole: nothing is promised before its first commit.
    if (scn > sinceScn && isWithin(await restoreWindows(sys, tenant), scn))
      return { scn, roundId: Number(row!.ROUND_ID) };
    await sleep(POLL_MS);
  }
  throw new Error(`${tenant} is not archived to the present`);
}

export const isWithin = (windows: readonly Window[], scn: bigint): boolean =>
  windows.some(({ from, to }) => from <= scn && scn <= to);

/** Where a tenant can be restored to, in order. */
export async function restoreWindows(sys: Connection, tenant: string): Promise<Window[]> {
  const rows = await query(
    sys,
    `SELECT FROM_SCN, TO_SCN, ROUND_ID FROM oceanbase.CDB_HF_RESTORE_WINDOW WHERE TENANT_NAME = '${tenant}'`,
  );
  const windows = rows.map((row) => ({
    from: BigInt(row.FROM_SCN!),
    to: BigInt(row.TO_SCN!),
    roundId: Number(row.ROUND_ID),
  }));
  return windows.sort((a, b) => (a.from < b.from ? -1 : 1));
}

export const windowsText = (windows: readonly Window[]): string =>
  windows.map(({ from, to, roundId }) => `${from} to ${to} (round ${roundId})`).join(', ');
