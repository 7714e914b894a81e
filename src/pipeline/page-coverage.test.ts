import { describe, expect, it } from 'vitest';
import { PageCoverage } from './page-coverage.ts';

const LOCK_PAGE = 2 ** 30 / 4096 + 1;

describe('page coverage', () => {
  it('is complete when every page was planned once', () => {
    const coverage = new PageCoverage(17, 4096);
    coverage.plan(9, 9);
    coverage.plan(1, 8);
    expect(() => coverage.checkComplete()).not.toThrow();
  });

  it('names the first page that nothing writes', () => {
    const coverage = new PageCoverage(17, 4096);
    coverage.plan(1, 8);
    coverage.plan(10, 8);
    expect(() => coverage.checkComplete()).toThrowError('page 9 of the target is planned');
  });

  it('refuses a page twice and a page outside', () => {
    const coverage = new PageCoverage(17, 4096);
    coverage.plan(4, 2);
    expect(() => coverage.plan(1, 4)).toThrowError('page 4 of the target is planned once');
    expect(() => coverage.plan(0, 1)).toThrowError('in the target');
    expect(() => coverage.plan(17, 2)).toThrowError('in the target');
    expect(() => coverage.plan(1.5, 1)).toThrowError('in the target');
  });

  it('lets only the lock-byte page of SQLite without a source', () => {
    const coverage = new PageCoverage(LOCK_PAGE + 1, 4096);
    coverage.plan(1, LOCK_PAGE - 1);
    expect(() => coverage.checkComplete()).toThrowError(`page ${LOCK_PAGE + 1} of the target is planned`);
    coverage.plan(LOCK_PAGE + 1, 1);
    expect(() => coverage.checkComplete()).not.toThrow();
  });
});
