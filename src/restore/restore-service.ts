// What the restore room offers to statements and views.
import type { DerivedKeys } from '../format/derived-keys.ts';
import type { ExportedKey } from '../format/key-file.ts';
import type { SetOpeners } from '../model/backup-job.ts';
import type { Rehearsal, RehearsalRequest } from '../model/rehearsal.ts';
import type { RestoreJob } from '../model/restore-job.ts';
import type { Scn } from '../model/scn.ts';

/** The target of a restore as the statement gave it. */
export type RestoreTarget = { kind: 'newest' } | { kind: 'scn'; scn: Scn } | { kind: 'time'; text: string };

export interface RestoreRequest {
  /** Name of the new tenant; null for a PREVIEW that names none. */
  tenantName: string | null;
  uris: readonly string[];
  target: RestoreTarget;
  /** The WITH string: `pool_list=…&location=…&concurrency=…&check=…&locality=…&primary_zone=…&kms_encrypt=…`. */
  option: string;
  passwords: readonly string[];
  /** What the session has derived from them already; left out: nothing is kept for the next statement. */
  derivedKeys?: DerivedKeys;
  /** From the file of WITH KEY FROM; the caller clears them. Those that the store has need not be given. */
  tenantKeys?: readonly ExportedKey[];
  description: string;
  /** The new tenant serves a table recovery: it has a name that is reserved for that, and nobody can log in to it. */
  auxiliary?: {
    /** In the transaction that records the job; throwing undoes it. */
    onRecord(job: RestoreJob): void;
  };
}

/** What PREVIEW shows and a restore does. */
export interface RestorePreview {
  sourceTenantName: string;
  sourceTenantId: number;
  sourceClusterName: string;
  timeZone: string;
  restoreScn: Scn;
  sets: Array<{ name: string; bytes: bigint; minRestoreScn: Scn; openedBy: SetOpeners }>;
  /** With the archive that holds each. */
  pieces: Array<{ name: string; uri: string; bytes: bigint; fromScn: Scn; toScn: Scn }>;
  totalBytes: bigint;
  windows: RestoreWindow[];
  /** Sources that are not used, and why. */
  remarks: string[];
}

/** One unbroken range of points a tenant can be restored to, both ends inclusive. */
export interface RestoreWindow {
  fromScn: Scn;
  toScn: Scn;
  roundId: number;
  backupSetIds: number[];
}

/** What a restore on the source's own server asks of the archive first, so that the destination proves the present. */
export interface RestoreArchive {
  flush(tenantId: number, of: { at: readonly string[] }): Promise<Scn>;
}

export interface RestoreService {
  start(): void;
  stop(): Promise<void>;
  /** @throws 9080, 9081, 9026, 9119, 9077, 9064, 4007 as documented */
  preview(request: RestoreRequest): Promise<RestorePreview>;
  /**
   * Plans, checks passwords and keys, records job and tenant, returns; the work goes on in the background.
   * @returns sources that are not used, and why
   * @throws what preview throws; 9047, 9014, 5156, 4650, 4626
   */
  restore(request: RestoreRequest): Promise<string[]>;
  /** CANCEL RESTORE: the half-restored tenant goes away. @throws ENTRY_NOT_EXIST when none runs for that name */
  cancel(tenantName: string): void;
  /**
   * Restores to a scratch file and checks it as any restored file; no tenant and no job comes of it.
   * @throws what restore throws of sources, plan, keys and content; OUT_OF_DISK and others of the caller's own
   */
  rehearse(request: RehearsalRequest): Promise<Rehearsal>;
  /** From the store alone: what the tenant's own sets and rounds allow. */
  windows(tenantId: number): RestoreWindow[];
}
