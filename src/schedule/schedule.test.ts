// Goal: what is due is started exactly once, also when the server was down or died in between, and its end is told.
// Method: the real store, a clock by hand, and work that does as it is told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fail } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { JobRef } from '../model/backup-job.ts';
import { openStore, type Store } from '../store/store.ts';
import { createSchedule } from './schedule.ts';
import type { NewSchedule, RunOutcome, ScheduledRequest, ScheduleService } from './schedule-service.ts';

const START_NS = BigInt(Date.parse('2026-11-23T00:00:30Z')) * 1_000_000n;
const MINUTE_NS = 60_000_000_000n;

let dataDir: string;
let store: Store;
let nowNs: bigint;
let service: ScheduleService;
let requests: ScheduledRequest[];
let outcome: RunOutcome | null;
/** What starting the work does, before and behind the record. */
let before: () => Promise<void>;
let behind: () => void;

const clock = { nowNs: () => nowNs, monotonicMs: () => Number(nowNs / 1_000_000n) };
const work = {
  async start(request: ScheduledRequest, record: (jobs: JobRef[]) => void) {
    requests.push(request);
    await before();
    store.transaction(() => {
      record([{ tenantId: 1, jobId: requests.length }]);
      behind();
    });
  },
  outcome: () => outcome,
};

function open(): void {
  store = openStore(dataDir, { clusterName: 'c', clusterId: 1, timeZone: '+00:00' });
  service = createSchedule({ store, clock, log: silentLog, works: { FULL: work, INCREMENTAL: work } });
}

async function reopen(): Promise<void> {
  await service.stop();
  store[Symbol.dispose]();
  open();
  service.start();
  await vi.advanceTimersByTimeAsync(0);
}

async function pass(byNs: bigint): Promise<void> {
  for (let leftNs = byNs; leftNs > 0n; leftNs -= 1_000_000_000n) {
    nowNs += 1_000_000_000n;
    await vi.advanceTimersByTimeAsync(1000);
  }
}

const NIGHTLY: NewSchedule = {
  ...{ tenantId: 1, name: 'nightly', type: 'FULL', cron: '* * * * *', targets: null, password: null },
  ...{ level: null, budgetBytes: null, description: '' },
};
const row = () => store.schedules.find()[0];
const errorOf = (run: () => void) => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
};

beforeEach(() => {
  vi.useFakeTimers();
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-schedule-'));
  nowNs = START_NS;
  requests = [];
  outcome = null;
  before = async () => {};
  behind = () => {};
  open();
  service.start();
});
afterEach(async () => {
  await service.stop();
  store[Symbol.dispose]();
  vi.useRealTimers();
  rmSync(dataDir, { recursive: true });
});

describe('a schedule', () => {
  test('starts its work when it is due, with what the statement said, and tells how it ended', async () => {
    service.add({ ...NIGHTLY, password: 'secret', description: 'for the audit' });
    expect(row()).toMatchObject({ nextNs: START_NS + 30_000_000_000n, runStatus: null });
    expect(Buffer.from(row()!.sealedPassword!).includes('secret')).toBe(false);
    await pass(31_000_000_000n);
    expect(requests).toEqual([
      {
        ...{ ownerTenantId: 1, type: 'FULL', tenants: 'all', password: 'secret', description: 'for the audit' },
        ...{ level: null, budgetBytes: null },
      },
    ]);
    expect(row()).toMatchObject({ runStatus: 'RUNNING', runJobs: [{ tenantId: 1, jobId: 1 }], runCount: 1 });
    outcome = { isSuccess: true, result: 0, comment: '1 tenant was left out' };
    await pass(2_000_000_000n);
    expect(row()).toMatchObject({ runStatus: 'COMPLETED', runResult: 0, runComment: '1 tenant was left out' });
    outcome = null;
    await pass(MINUTE_NS);
    expect(requests).toHaveLength(2);
    outcome = { isSuccess: false, result: 9070, comment: 'it is away' };
    await pass(2_000_000_000n);
    expect(row()).toMatchObject({ runStatus: 'FAILED', runResult: 9070, failedCount: 1, runCount: 2 });
  });

  test('that was due while no server ran is done once, and says so', async () => {
    service.add(NIGHTLY);
    await service.stop();
    nowNs += 5n * 60n * MINUTE_NS;
    outcome = { isSuccess: true, result: 0, comment: '' };
    await reopen();
    expect(requests).toHaveLength(1);
    await pass(2_000_000_000n);
    expect(requests).toHaveLength(1);
    expect(row()).toMatchObject({ runStatus: 'COMPLETED', runComment: 'late: no server ran at 2026-11-23 00:01:00' });
    expect(row()!.nextNs).toBe(START_NS + 5n * 60n * MINUTE_NS + 30_000_000_000n);
  });

  test('whose server dies between the due time and the record is started again, one whose jobs are recorded is not', async () => {
    service.add(NIGHTLY);
    behind = () => {
      throw new Error('the server dies before the transaction ends');
    };
    await pass(31_000_000_000n);
    expect(row()).toMatchObject({ runStatus: 'STARTING', runJobs: [] });
    behind = () => {};
    await reopen();
    expect(requests).toHaveLength(2);
    expect(row()).toMatchObject({ runStatus: 'RUNNING', runJobs: [{ tenantId: 1, jobId: 2 }], runCount: 1 });
    await reopen();
    expect(requests).toHaveLength(2);
    outcome = { isSuccess: true, result: 0, comment: '' };
    await pass(1_000_000_000n);
    expect(row()).toMatchObject({ runStatus: 'COMPLETED', runCount: 1 });
  });

  test('tries again for an hour what may pass, and gives up at once what can not', async () => {
    service.add({ ...NIGHTLY, cron: '1 0 * * *' });
    before = () => Promise.reject(fail('BACKUP_CAN_NOT_START', { because: 'log archive status is not doing.' }));
    await pass(31_000_000_000n);
    expect(row()).toMatchObject({ runStatus: 'STARTING', runResult: 9040 });
    await pass(MINUTE_NS);
    expect(requests.length).toBeGreaterThan(1);
    before = async () => {};
    await pass(MINUTE_NS);
    expect(row()).toMatchObject({ runStatus: 'RUNNING', runResult: 0, runComment: '' });
    service.drop(1, 'NIGHTLY');

    requests = [];
    service.add({ ...NIGHTLY, cron: '*/30 * * * *' });
    before = () => Promise.reject(fail('BACKUP_CAN_NOT_START', { because: 'log archive status is not doing.' }));
    await pass(95n * MINUTE_NS);
    expect(row()).toMatchObject({ runStatus: 'FAILED', failedCount: 1, runCount: 1, skippedCount: 2 });
    expect(requests.length).toBeGreaterThan(100);
    service.drop(1, 'nightly');

    requests = [];
    service.add({ ...NIGHTLY, targets: [1004] });
    await pass(61_000_000_000n);
    expect(requests).toEqual([]);
    expect(row()).toMatchObject({ runStatus: 'FAILED', runResult: 5160 });
  });

  test('leaves out the times at which its last run has not ended', async () => {
    service.add(NIGHTLY);
    await pass(3n * MINUTE_NS);
    expect(requests).toHaveLength(1);
    expect(row()).toMatchObject({ runStatus: 'RUNNING', skippedCount: 2, runCount: 1 });
    expect(row()!.runComment).toContain('was left out: this one had not ended');
  });

  test('that is paused misses nothing, and one that is dropped is gone', async () => {
    service.add(NIGHTLY);
    service.setPaused(1, 'Nightly', true);
    await pass(5n * MINUTE_NS);
    await reopen();
    expect(requests).toEqual([]);
    service.setPaused(1, 'nightly', false);
    await pass(20_000_000_000n);
    expect(requests).toEqual([]);
    await pass(11_000_000_000n);
    expect(requests).toHaveLength(1);
    service.drop(1, 'nightly');
    expect(row()).toBeUndefined();
    await pass(3n * MINUTE_NS);
    expect(requests).toHaveLength(1);
  });

  test('tells the event history what became of it', async () => {
    service.add(NIGHTLY);
    outcome = { isSuccess: false, result: 9040, comment: 'nobody could be backed up' };
    await pass(35_000_000_000n);
    service.setPaused(1, 'nightly', true);
    service.setPaused(1, 'nightly', true);
    service.drop(1, 'nightly');
    const told = [...store.events.since(nowNs)].map(({ event, facts, extraInfo }) => [
      event,
      Object.fromEntries(facts).result,
      extraInfo,
    ]);
    expect(told).toEqual([
      ['add_backup_schedule', undefined, ''],
      ['end_backup_schedule', '9040', 'nobody could be backed up'],
      ['pause_backup_schedule', undefined, ''],
      ['drop_backup_schedule', undefined, ''],
    ]);
  });

  test('is refused when it can not be', () => {
    service.add(NIGHTLY);
    const refused = (more: Partial<NewSchedule>) => errorOf(() => service.add({ ...NIGHTLY, name: 'other', ...more }));
    expect(refused({ name: 'NIGHTLY' })).toContain("Entry already exist: the schedule 'NIGHTLY'");
    expect(refused({ name: '../x' })).toContain("the schedule's name '../x'");
    expect(refused({ cron: 'soon' })).toContain("CRON 'soon'");
    expect(refused({ type: 'DRILL' })).toContain('TYPE = DRILL');
    expect(refused({ password: '' })).toContain('PASSWORD');
    expect(errorOf(() => service.drop(1002, 'nightly'))).toContain("Entry not exist: the schedule 'nightly'");
    expect(errorOf(() => service.setPaused(1, 'weekly', true))).toContain('Entry not exist');
    expect(store.schedules.find()).toHaveLength(1);
  });

  test('goes with its tenant', async () => {
    service.add({ ...NIGHTLY, tenantId: 1002, targets: [1002] });
    await service.forget(1002);
    await pass(3n * MINUTE_NS);
    expect(requests).toEqual([]);
    expect(row()).toBeUndefined();
  });
});
