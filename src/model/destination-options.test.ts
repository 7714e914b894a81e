import { expect, test } from 'vitest';
import { changeOptions } from './destination-options.ts';

test.each([
  [{}, 'max_iops=100&max_bandwidth=50m', { max_iops: '100', max_bandwidth: '50M' }],
  [{ max_iops: '100', max_bandwidth: '50M' }, 'MAX_IOPS=7', { max_iops: '7', max_bandwidth: '50M' }],
  [{ max_iops: '100', max_bandwidth: '50M' }, 'max_iops=0', { max_bandwidth: '50M' }],
  [{ max_iops: '100' }, 'max_iops=0&max_bandwidth=2G', { max_bandwidth: '2G' }],
  [{ max_iops: '100', max_bandwidth: '50M' }, 'max_iops=0&max_bandwidth=0', {}],
])('options %o after ATTRIBUTE = %s', (before, attribute, after) => {
  expect(changeOptions(before, attribute)).toEqual(after);
});

test.each([
  '',
  'max_iops',
  'max_iops=',
  'max_iops=-1',
  'max_iops=many',
  'max_bandwidth=1K',
  'max_iops=1&max_iops=2',
  'max_iops=0&max_iops=2',
  'max_iops=1&',
  '&max_iops=1',
  'zone=z1',
  'access_key=hush',
])('ATTRIBUTE = %o is refused, and what it holds is not repeated', (attribute) => {
  const refused = () => changeOptions({ max_iops: '5' }, attribute);
  expect(refused).toThrow('Incorrect arguments to ATTRIBUTE');
  expect(refused).not.toThrow('hush');
});
