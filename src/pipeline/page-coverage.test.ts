import { describe, expect, it } from 'vitest';
import { PageCoverage } from './page-coverage.ts';

describe('page coverage', () => {
  it('is complete when every page was planned once', () => {
    const coverage = new PageCoverage({ pageCount: 17, skipPage: 0 });
    coverage.plan(9, 9);
    coverage.plan(1, 8);
    expect(() => coverage.checkComplete()).not.toThrow();
  });

  it('names the first page that nothing writes', () => {
    const coverage = new PageCoverage({ pageCount: 17, skipPage: 0 });
    coverage.plan(1, 8);
    coverage.plan(10, 8);
    expect(() => coverage.checkComplete()).toThrowError('page 9 of the target is planned');
  });

  it('refuses a page twice, a page outside and no page', () => {
    const coverage = new PageCoverage({ pageCount: 17, skipPage: 0 });
    coverage.plan(4, 2);
    expect(() => coverage.plan(1, 4)).toThrowError('page 4 of the target is planned once');
    expect(() => coverage.plan(0, 1)).toThrowError('in the target');
    expect(() => coverage.plan(17, 2)).toThrowError('in the target');
    expect(() => coverage.plan(1.5, 1)).toThrowError('in the target');
    expect(() => coverage.plan(1, 0)).toThrowError('in the target');
    expect(() => coverage.plan(1, 1.5)).toThrowError('in the target');
  });

  it('wants every page but the one to skip, which it refuses', () => {
    const coverage = new PageCoverage({ pageCount: 18, skipPage: 17 });
    coverage.plan(1, 16);
    expect(() => coverage.checkComplete()).toThrowError('page 18 of the target is planned');
    expect(() => coverage.plan(17, 2)).toThrowError('page 17 of the target is never written');
    coverage.plan(18, 1);
    expect(() => coverage.checkComplete()).not.toThrow();
  });

  it('takes no notice of a page to skip past the end', () => {
    const coverage = new PageCoverage({ pageCount: 3, skipPage: 4 });
    coverage.plan(1, 3);
    expect(() => coverage.checkComplete()).not.toThrow();
    expect(() => new PageCoverage({ pageCount: 3, skipPage: 4 }).checkComplete()).toThrowError('page 1');
  });
});
