// What the rebuild room offers: CATALOG BACKUP, which writes the rows of sets, rounds and pieces again from what lies at
// destinations. Nothing is changed there, and no row that is here is changed.

/** Under whose tenant id the rows are to be kept. */
export type RowReceiver =
  /** That of the tenant whose backups they are. */
  | { kind: 'source' }
  /** A tenant that sys named. */
  | { kind: 'named'; tenantId: number }
  /** The session's own tenant, who may record only what is his. */
  | { kind: 'own'; tenantId: number };

export interface RebuildRequest {
  uris: readonly string[];
  receiver: RowReceiver;
  signal: AbortSignal;
}

export interface RowCounts {
  /** Readable at the destinations. */
  found: number;
  /** Of these, those whose rows are new. */
  recorded: number;
}

/** Something that was not as it should be, or that was left out. */
export interface RebuildWarning {
  errno: number;
  message: string;
}

export interface RebuildReport {
  tenantId: number;
  sets: RowCounts;
  rounds: RowCounts;
  pieces: RowCounts;
  warnings: RebuildWarning[];
}

export interface RebuildService {
  /**
   * Records what destinations of one tenant hold. Safe to repeat: what is known is left as it is.
   * @throws INVALID_BACKUP_DEST (9026), BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081) for
   *         destinations of several tenants or of another one than asked for, NOT_ALLOWED (4179) when the tenant id
   *         stands for somebody else here; 9070, 9071
   */
  rebuild(request: RebuildRequest): Promise<RebuildReport>;
}
