// What the schedule room offers to statements, and what it asks of the rooms whose work it starts.
import type { JobRef } from '../model/backup-job.ts';
import type { ScheduleType } from '../model/schedule.ts';

/** A schedule as a statement describes it. */
export interface NewSchedule {
  /** Whose it is: 1 for sys. */
  tenantId: number;
  name: string;
  type: ScheduleType;
  cron: string;
  /** null: every user tenant. */
  targets: number[] | null;
  password: string | null;
  level: string | null;
  budgetBytes: bigint | null;
  description: string;
}

/** What a run asks for. */
export interface ScheduledRequest {
  ownerTenantId: number;
  type: ScheduleType;
  tenants: readonly number[] | 'all';
  password: string | null;
  level: string | null;
  budgetBytes: bigint | null;
  description: string;
}

/** How the jobs of a run ended. */
export interface RunOutcome {
  isSuccess: boolean;
  /** 0 or the positive number of the error. */
  result: number;
  comment: string;
}

/** Work that schedules start. */
export interface ScheduledWork {
  /**
   * Starts the work as the statement would. Calls `record` in the very transaction that records the jobs, so that a crash
   * leaves both or none. @throws as the statement
   */
  start(request: ScheduledRequest, record: (jobs: JobRef[]) => void): Promise<void>;
  /** null while one of them goes on. */
  outcome(jobs: readonly JobRef[]): RunOutcome | null;
}

export interface ScheduleService {
  /** Begins to look what is due. What was due while no server ran is done once. */
  start(): void;
  /** Runs that are being started are started again by the next server. */
  stop(): Promise<void>;
  /** @throws INVALID_ARGUMENT (4002), ENTRY_EXISTS (4017), NOT_SUPPORTED (4007) for work that nobody does */
  add(schedule: NewSchedule): void;
  /** @throws ENTRY_NOT_EXIST (4018); what a run has started goes on */
  drop(tenantId: number, name: string): void;
  /** A paused schedule misses nothing: it goes on with the first time behind its resumption. @throws ENTRY_NOT_EXIST (4018) */
  setPaused(tenantId: number, name: string, isPaused: boolean): void;
  /** The tenant is being dropped: his schedules go with him. */
  forget(tenantId: number): Promise<void>;
}
