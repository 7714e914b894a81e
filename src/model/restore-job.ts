// Restore: one job is two rows in the views, the sys tenant's and the new tenant's.
import type { Moves } from './moves.ts';
import type { Scn } from './scn.ts';

/**
 * - CREATE_TENANT: the tenant's row is being made (shown RESTORE_PRE on the tenant's row).
 * - WAIT_TENANT_RESTORE_FINISH: pages are being written (RESTORE_WAIT_LS, shown RESTORING).
 * - POST_CHECK: the file is complete and is being checked. A restarted server writes it again from the start.
 * - CANCELING: leaves nothing behind, then fails with 4072.
 * @source OceanBase 4.3.3 docs, CDB_OB_RESTORE_PROGRESS
 */
export type RestoreStatus =
  | 'CREATE_TENANT'
  | 'WAIT_TENANT_RESTORE_FINISH'
  | 'POST_CHECK'
  | 'CANCELING'
  | 'RESTORE_SUCCESS'
  | 'RESTORE_FAIL';

export const RESTORE_MOVES = {
  CREATE_TENANT: ['WAIT_TENANT_RESTORE_FINISH', 'CANCELING', 'RESTORE_FAIL'],
  WAIT_TENANT_RESTORE_FINISH: ['POST_CHECK', 'CANCELING', 'RESTORE_FAIL'],
  POST_CHECK: ['RESTORE_SUCCESS', 'WAIT_TENANT_RESTORE_FINISH', 'CANCELING', 'RESTORE_FAIL'],
  CANCELING: ['RESTORE_FAIL'],
  RESTORE_SUCCESS: [],
  RESTORE_FAIL: [],
} as const satisfies Moves<RestoreStatus>;

export interface RestoreJob {
  jobId: number;
  restoreTenantName: string;
  restoreTenantId: number;
  backupTenantName: string;
  backupTenantId: number;
  backupClusterName: string;
  /** The uris as given, without credentials. */
  uris: string[];
  restoreOption: string;
  restoreScn: Scn;
  timeZone: string;
  status: RestoreStatus;
  startNs: bigint;
  endNs: bigint | null;
  backupSetList: string[];
  backupPieceList: string[];
  /** The plan's inputs that a restarted server needs: JSON, made and read by the restore room. */
  planSeed: string;
  /** Data keys of the chosen sets sealed under the cluster's key file, by set id. */
  sealedDataKeys: Record<string, Uint8Array>;
  totalBytes: bigint | null;
  finishBytes: bigint | null;
  tabletCount: number;
  description: string;
  comment: string;
}
