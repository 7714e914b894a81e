import { expect, test } from 'vitest';
import { sysOutcome } from './sys-outcome.ts';

const child = (tenantId: number, status: 'DOING' | 'COMPLETED' | 'FAILED' | 'CANCELED', result = 0) => ({
  ...{ tenantId, status, result, comment: result === 0 ? '' : `-${result}` },
  ...{ successTaskCount: 2, endNs: status === 'DOING' ? null : 1n },
});

test('a statement is over when the jobs of all its tenants are', () => {
  const children = [child(1002, 'COMPLETED'), child(1004, 'DOING')];
  expect(sysOutcome({ status: 'DOING' }, children)).toBeNull();
  expect(sysOutcome({ status: 'CANCELING' }, children)).toBeNull();
});

test('it is COMPLETED when all are, and counts what they deleted', () => {
  const outcome = sysOutcome({ status: 'DOING' }, [child(1002, 'COMPLETED'), child(1004, 'COMPLETED')]);
  expect(outcome).toEqual({ status: 'COMPLETED', result: 0, comment: '', successTaskCount: 4 });
});

test('it is FAILED with the first error when one is not; an error comes before a cancellation', () => {
  const children = [child(1002, 'COMPLETED'), child(1004, 'CANCELED', 4072), child(1006, 'FAILED', 9070)];
  const comment = '2 of 3 tenants failed; tenant 1006: -9070';
  expect(sysOutcome({ status: 'DOING' }, children)).toMatchObject({ status: 'FAILED', result: 9070, comment });
  expect(sysOutcome({ status: 'DOING' }, children.slice(0, 2))).toMatchObject({ status: 'FAILED', result: 4072 });
});

test('it is CANCELED when it was cancelled, whatever its tenants still did', () => {
  expect(sysOutcome({ status: 'CANCELING' }, [child(1002, 'COMPLETED')])).toMatchObject({ status: 'CANCELED' });
  const canceled = sysOutcome({ status: 'CANCELING' }, [child(1002, 'CANCELED', 4072)]);
  expect(canceled).toMatchObject({ status: 'CANCELED', result: 4072 });
});
