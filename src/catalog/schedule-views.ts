// Views of schedules: what runs when, and how the last run ended.
import { RUN_MOVES, type RunStatus, type Schedule } from '../model/schedule.ts';
import { bigint, deriveDba, NULLABLE, ORACLE_TIME, timestamp, type View, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

const TIME = { ...ORACLE_TIME, ...NULLABLE };
const RUN_STATUSES = Object.keys(RUN_MOVES) as RunStatus[];

/** Whom a schedule is for; a tenant that was dropped meanwhile is told by his number. */
function targetsText(reader: ViewReader, { targets }: Schedule): string {
  if (targets === null) return 'ALL';
  return targets.map((tenantId) => reader.store.tenants.get({ tenantId })?.name ?? String(tenantId)).join(',');
}

const CDB_HF_BACKUP_SCHEDULES = view({
  name: 'CDB_HF_BACKUP_SCHEDULES',
  source: 'Holdfast: OceanBase has no schedules',
  columns: {
    TENANT_ID: bigint('Whose it is: 1 for one of sys, which may cover several tenants.'),
    SCHEDULE_NAME: varchar(64, 'Its name.'),
    TYPE: varchar(16, 'FULL, INCREMENTAL, VALIDATE or DRILL.'),
    CRON: varchar(256, 'Minute, hour, day of month, month, day of week; or a nickname such as @daily.'),
    TIME_ZONE: varchar(64, 'In which CRON is read: that of its owner.'),
    TARGET_TENANTS: varchar(65536, 'ALL for every user tenant there is when it runs; or names.'),
    STATUS: varchar(16, 'ACTIVE or PAUSED.'),
    IS_ENCRYPTED: varchar(3, 'YES when its sets are encrypted with a password.'),
    LEVEL: varchar(16, 'VALIDATE: how deep.', NULLABLE),
    BUDGET_BYTES: bigint('VALIDATE: what a run may read.', NULLABLE),
    NEXT_RUN: timestamp(6, 'When it is due next; NULL while it is paused.', TIME),
    LAST_DUE: timestamp(6, 'When its last run was due; NULL before the first.', TIME),
    LAST_START: timestamp(6, 'When that began.', TIME),
    LAST_END: timestamp(6, 'When that ended; NULL while it runs.', TIME),
    LAST_STATUS: varchar(16, `${RUN_STATUSES.join(', ')}; NULL before the first run.`, NULLABLE),
    LAST_JOB_ID: varchar(4096, 'The jobs that it started: in the JOBS and JOB_HISTORY views of their kind.', NULLABLE),
    LAST_RESULT: bigint('0, or the number of the error.', NULLABLE),
    LAST_COMMENT: varchar(4096, 'What there is to say of it: the error, what was left out, why it is late.', NULLABLE),
    RUN_COUNT: bigint('Runs begun so far.'),
    FAILED_COUNT: bigint('Those that failed.'),
    SKIPPED_COUNT: bigint('Times left out because the run before had not ended.'),
    DESCRIPTION: varchar(4096, 'Text given in the statement.', NULLABLE),
  },
  *rows(reader) {
    for (const schedule of reader.store.schedules.find(reader.where)) {
      const { tenantId, runStatus } = schedule;
      const time = (ns: bigint | null) => reader.showTime(tenantId, ns);
      yield {
        TENANT_ID: tenantId,
        SCHEDULE_NAME: schedule.name,
        TYPE: schedule.type,
        CRON: schedule.cron,
        TIME_ZONE: reader.zoneOf(tenantId),
        TARGET_TENANTS: targetsText(reader, schedule),
        STATUS: schedule.isPaused ? 'PAUSED' : 'ACTIVE',
        IS_ENCRYPTED: schedule.sealedPassword ? 'YES' : 'NO',
        LEVEL: schedule.level,
        BUDGET_BYTES: schedule.budgetBytes,
        NEXT_RUN: schedule.isPaused ? null : time(schedule.nextNs),
        LAST_DUE: time(schedule.runDueNs),
        LAST_START: time(schedule.runStartNs),
        LAST_END: time(schedule.runEndNs),
        LAST_STATUS: runStatus,
        LAST_JOB_ID: runStatus && schedule.runJobs.map(({ jobId }) => jobId).join(','),
        LAST_RESULT: runStatus && BigInt(schedule.runResult),
        LAST_COMMENT: runStatus && schedule.runComment,
        RUN_COUNT: schedule.runCount,
        FAILED_COUNT: schedule.failedCount,
        SKIPPED_COUNT: schedule.skippedCount,
        DESCRIPTION: schedule.description,
      };
    }
  },
});

export const SCHEDULE_VIEWS: readonly View[] = [CDB_HF_BACKUP_SCHEDULES, deriveDba(CDB_HF_BACKUP_SCHEDULES)];
