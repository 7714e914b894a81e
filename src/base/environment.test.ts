import { afterEach, expect, test, vi } from 'vitest';
import { environment } from './environment.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('a variable that is empty counts as not set', () => {
  vi.stubEnv('HOLDFAST_TEST_VALUE', 'x');
  expect(environment('HOLDFAST_TEST_VALUE')).toBe('x');
  vi.stubEnv('HOLDFAST_TEST_VALUE', '');
  expect(environment('HOLDFAST_TEST_VALUE')).toBeUndefined();
  vi.stubEnv('HOLDFAST_TEST_VALUE', undefined);
  expect(environment('HOLDFAST_TEST_VALUE')).toBeUndefined();
});
