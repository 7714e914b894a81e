// What the validate room offers to statements, and to whoever starts readings and drills by the clock.
import type { DeriveKey } from '../destination/backup-set-reader.ts';
import type { JobRef, JobStatus } from '../model/backup-job.ts';
import type { CheckLevel } from '../model/check-level.ts';
import type { Scn } from '../model/scn.ts';
import type { ValidateLevel, ValidateType } from '../model/validate-job.ts';

/** Passwords that encrypted sets are tried with; only data keys, sealed, outlive the call. */
export interface ValidatePasswords {
  passwords: readonly string[];
  /** Remembers what was derived from them; left out: each is derived anew. */
  derive?: DeriveKey;
}

export interface ValidateRequest extends ValidatePasswords {
  /** Who asked: 1 for sys. */
  initiatorTenantId: number;
  tenants: readonly number[];
  /** The tenants were not named: those with nothing to read, or with a job that runs, are left out. */
  isAll: boolean;
  type: ValidateType;
  /** null for everything. */
  ids: readonly number[] | null;
  /** Another destination than the present one, or one set or piece below it; for one tenant only. */
  path: string | null;
  level: ValidateLevel;
  checkLevel: CheckLevel;
  /** Reads objects of so many stored bytes at most, one at least: those that were read longest ago. null for all. */
  budgetBytes: bigint | null;
  description: string;
  /** Called in the transaction that records the jobs. */
  onRecord?(jobs: readonly JobRef[]): void;
}

export interface StartedValidation {
  jobs: JobRef[];
  /** Names of tenants that were left out because a job of theirs runs. */
  busy: string[];
}

export interface ValidateOutcome {
  status: JobStatus;
  isOver: boolean;
  /** 0, or the number of the error, and the text that goes with it. */
  result: number;
  comment: string;
}

export interface ValidateService {
  /** Removes what drills of a previous server left, and goes on with its unfinished jobs. */
  start(): Promise<void>;
  /** Stops workers; unfinished jobs are taken up at the next start. */
  stop(): Promise<void>;
  /**
   * Records a job for each tenant and returns; the work goes on in the background.
   * @throws ENTRY_NOT_EXIST (4018) when there is nothing to read, INVALID_BACKUP_SET_ID (9046) for an unknown set;
   *         NOT_ALLOWED (4179) while a job of a named tenant runs; INVALID_ARGUMENT (4002) for a path of the wrong kind;
   *         BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081) for one that is not the tenant's;
   *         BACKUP_INVALID_PASSWORD (9047) for a drill of encrypted sets that no password opens
   */
  validate(request: ValidateRequest): Promise<StartedValidation>;
  /** How a job stands; undefined for one that there never was. */
  outcome(job: JobRef): ValidateOutcome | undefined;
  /** CANCEL VALIDATE: nothing running is fine. */
  cancel(tenants: readonly number[] | 'all'): void;
  /** True while the tenant has an unfinished job. */
  isBusy(tenantId: number): boolean;
  /** Cancels and waits: the tenant is being dropped. */
  forget(tenantId: number): Promise<void>;
}

/** What reading one object or one drill proved. */
export interface Proof {
  /** The point that is proved by it; of a piece, the end of its log. */
  provedScn: Scn;
  /** Everything that the level promises. */
  isProved: boolean;
  /** What was not proved, and other things to know; '' for nothing. */
  comment: string;
}
