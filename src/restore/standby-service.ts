// What the restore room offers for restored tenants that are not activated yet.
import type { Scn } from '../model/scn.ts';
import type { SyncStatus } from '../model/standby.ts';

/** How far a tenant is to be recovered, as the statement gave it. */
export type RecoveryLimit = { kind: 'unlimited' } | { kind: 'scn'; scn: Scn } | { kind: 'time'; text: string };

export interface StandbyStatus {
  syncStatus: SyncStatus;
  /** Number of the error that stands in the way; 0 for none. */
  errorCode: number;
  comment: string;
}

export interface StandbyService {
  /** Goes on with every tenant that is being recovered. */
  start(): void;
  stop(): Promise<void>;
  /**
   * SET LOG_RESTORE_SOURCE.
   * @param uri of an archive destination; null for none
   * @throws NOT_ALLOWED (4179) for a tenant that is no standby; 9026, 9080, 9081, 9070
   */
  setSource(tenantId: number, uri: string | null): Promise<void>;
  /**
   * RECOVER STANDBY: from now on log of the source is replayed up to the limit, across restarts.
   * @throws NOT_ALLOWED (4179) for a tenant that is no standby, that has no source, that is archived itself, and for a limit
   *         before what is replayed already; INVALID_ARGUMENT (4002) for a text that is no time
   */
  recover(tenantId: number, limit: RecoveryLimit): Promise<void>;
  /** RECOVER STANDBY CANCEL: the limit becomes what is replayed by then. @throws NOT_ALLOWED (4179) */
  cancel(tenantId: number): Promise<void>;
  /**
   * ACTIVATE STANDBY: ends the recovery, proves the database, opens it for writing.
   * @param options.isVerifyOnly changes nothing
   * @throws NOT_ALLOWED (4179) when the tenant is no standby; of a verification also when the limit is not reached;
   *         BACKUP_DATA_CORRUPT (9010) when the database is not what was replayed
   */
  activate(tenantId: number, options: { isVerifyOnly: boolean }): Promise<void>;
  /** Ends what goes on for a tenant that is about to be dropped. */
  forget(tenantId: number): Promise<void>;
  /** How the recovery of a standby stands; undefined for other tenants. */
  status(tenantId: number): StandbyStatus | undefined;
}
