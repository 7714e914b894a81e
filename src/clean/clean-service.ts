// What the clean room offers to statements.
import type { JobLevel } from '../model/backup-job.ts';
import type { DeletePolicy } from '../model/delete-job.ts';

/** One set or piece in a preview. */
export interface PreviewedObject {
  tenantId: number;
  tenantName: string;
  objectType: 'BACKUP SET' | 'BACKUP PIECE';
  objectId: number;
  isDeleted: boolean;
  because: string;
  /** Its last point. */
  endScn: bigint;
  bytes: bigint;
  uri: string;
}

export interface DeleteStatement {
  /** Who ran the statement: 1 for sys. */
  initiatorTenantId: number;
  /** CLUSTER, SYS_TENANT: the sys tenant has a row of its own for the statement. */
  level: JobLevel;
  description: string;
}

export interface CleanService {
  /** Goes on with every job a previous server left unfinished, and looks from time to time what policies let go. */
  start(): void;
  /** Stops workers; unfinished jobs are taken up at the next start. */
  stop(): Promise<void>;
  /** @throws ENTRY_EXISTS (4017) when the tenant has a policy */
  addPolicy(policy: DeletePolicy): void;
  /** @throws ENTRY_NOT_EXIST (4018) when the tenant has no policy of that name */
  dropPolicy(tenantId: number, policyName: string): void;
  /**
   * Records a job that deletes the named sets, or pieces; it works in the background. All of them or none.
   * @throws BACKUP_DELETE_BACKUP_SET_NOT_ALLOWED (9045), BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED (9069) naming every id
   *         that may not go; BACKUP_DELETE_DATA_IN_PROGRESS (9044); NOT_SUPPORTED (4007) for several destinations
   */
  deleteSets(tenantId: number, ids: readonly number[], statement: DeleteStatement): void;
  deletePieces(tenantId: number, ids: readonly number[], statement: DeleteStatement): void;
  /**
   * Applies the policies of tenants now.
   * @throws ENTRY_NOT_EXIST (4018) when one has none; BACKUP_DELETE_DATA_IN_PROGRESS (9044) when one is being cleaned
   */
  deleteObsolete(tenantIds: readonly number[], statement: DeleteStatement): void;
  /** What the same would delete and keep now, and why. @throws ENTRY_NOT_EXIST (4018) */
  previewObsolete(tenantIds: readonly number[]): PreviewedObject[];
  /** CANCEL DELETE BACKUP: nothing running is fine. */
  cancel(tenants: readonly number[] | 'all'): void;
  /** Cancels and waits: the tenant is being dropped. */
  forget(tenantId: number): Promise<void>;
}
