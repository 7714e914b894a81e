import { describe, expect, test } from 'vitest';
import type { BackupJob } from '../model/backup-job.ts';
import { commentText, joinRemarks, sysOutcome } from './backup-records.ts';

const child = (patch: Partial<BackupJob>): BackupJob =>
  ({ tenantId: 1002, backupSetId: 1, status: 'COMPLETED', endNs: 5n, result: 0, comment: '', ...patch }) as BackupJob;
const sys = { status: 'DOING', comment: '' } as const;

describe('the row of a sys-wide backup', () => {
  test('waits for every tenant that works', () => {
    expect(sysOutcome(sys, [child({}), child({ status: 'DOING', endNs: null })])).toBeNull();
  });

  test('is COMPLETED when those that worked succeeded, whoever was left out', () => {
    const skipped = child({ backupSetId: 0, status: 'FAILED', result: 9040 });
    const told = { status: 'DOING', comment: '1 tenant was left out: t2 (backup dest is not set.)' } as const;
    expect(sysOutcome(told, [child({}), skipped])).toEqual({ status: 'COMPLETED', result: 0, comment: told.comment });
  });

  test('is FAILED with the first error, and with that of a cancelled tenant when there is no other', () => {
    const failed = child({ tenantId: 1004, status: 'FAILED', result: 9029, comment: 'result: -9029(x)' });
    const canceled = child({ status: 'CANCELED', result: 4072, comment: 'result: -4072(y)' });
    const outcome = sysOutcome(sys, [child({}), canceled, failed]);
    expect(outcome).toMatchObject({ status: 'FAILED', result: 9029 });
    expect(outcome?.comment).toBe('2 of 3 tenants failed; tenant 1004: result: -9029(x)');
    expect(sysOutcome(sys, [child({}), canceled])).toMatchObject({ status: 'FAILED', result: 4072 });
  });

  test('is CANCELED when the statement was', () => {
    const canceled = child({ status: 'CANCELED', result: 4072, comment: 'result: -4072(y)' });
    expect(sysOutcome({ status: 'CANCELING', comment: '' }, [canceled])).toEqual({
      status: 'CANCELED',
      result: 4072,
      comment: 'result: -4072(y)',
    });
  });

  test('says the same only once', () => {
    expect(joinRemarks([null, 'a', undefined, '', 'b', 'a'])).toBe('a; b');
    expect(joinRemarks(['a; b', 'b', 'c'])).toBe('a; b; c');
    expect(joinRemarks([])).toBe('');
  });

  test('shows at most what a COMMENT column holds', () => {
    expect(commentText('x'.repeat(5000))).toHaveLength(4096);
  });
});
