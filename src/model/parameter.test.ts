import { describe, expect, test } from 'vitest';
import {
  isParameterName,
  isParameterValue,
  PARAMETERS,
  type ParameterDefinition,
  type ParameterName,
  parseCapacityBytes,
} from './parameter.ts';

const made = (type: ParameterDefinition['type']): ParameterDefinition => ({
  scope: 'tenant',
  type,
  default: '',
  section: '',
  info: '',
});

describe('a parameter', () => {
  test.each(Object.entries(PARAMETERS))('%s has a default that it takes', (_name, definition) => {
    expect(isParameterValue(definition, definition.default)).toBe(true);
  });

  test('is known by its own name only', () => {
    expect(isParameterName('archive_lag_target')).toBe(true);
    expect(isParameterName('ARCHIVE_LAG_TARGET')).toBe(false);
    expect(isParameterName('toString')).toBe(false);
  });

  test.each<[ParameterName, string, boolean]>([
    ['archive_lag_target', '0ms', true],
    ['archive_lag_target', '7200s', true],
    ['archive_lag_target', '2h', true],
    ['archive_lag_target', '7201s', false],
    ['archive_lag_target', 'soon', false],
    ['log_archive_concurrency', '100', true],
    ['log_archive_concurrency', ' 7 ', true],
    ['log_archive_concurrency', '101', false],
    ['log_archive_concurrency', '-1', false],
    ['log_archive_concurrency', '1.5', false],
    ['backup_data_file_size', '512M', true],
    ['backup_data_file_size', '4096MB', true],
    ['backup_data_file_size', '511M', false],
    ['backup_data_file_size', '5G', false],
    ['backup_compression_level', '-7', true],
    ['backup_compression_level', '0', true],
    ['backup_compression_level', '19', true],
    ['backup_compression_level', '-8', false],
    ['backup_compression_level', '20', false],
    ['backup_compression_level', 'fast', false],
    ['log_archive_wal_limit', '0M', true],
    ['log_archive_wal_limit', '20T', true],
    ['log_archive_wal_limit', '-1M', false],
  ])('%s = %s: %s', (name, text, isTaken) => {
    expect(isParameterValue(PARAMETERS[name], text)).toBe(isTaken);
  });

  test('of type bool takes the words of MySQL, one of type string takes anything', () => {
    for (const text of ['true', 'OFF', '1']) expect(isParameterValue(made('bool'), text)).toBe(true);
    expect(isParameterValue(made('bool'), 'yes')).toBe(false);
    expect(isParameterValue(made('string'), '')).toBe(true);
  });

  test('of type string with values takes only those, in any case', () => {
    for (const text of ['auto', 'manual', 'MANUAL']) expect(isParameterValue(PARAMETERS.gap_repair, text)).toBe(true);
    for (const text of ['', 'on', 'automatic']) expect(isParameterValue(PARAMETERS.gap_repair, text)).toBe(false);
  });

  test('without a range is not negative', () => {
    expect(isParameterValue(made('int'), '0')).toBe(true);
    expect(isParameterValue(made('int'), '-1')).toBe(false);
  });
});

test.each([
  ['100', 100n],
  ['100B', 100n],
  ['1k', 1024n],
  ['512M', 512n << 20n],
  ['512MB', 512n << 20n],
  ['4 G', 4n << 30n],
  ['2T', 2n << 40n],
  ['', undefined],
  ['G', undefined],
  ['1.5G', undefined],
  ['4P', undefined],
])('capacity "%s" is %s bytes', (text, bytes) => {
  expect(parseCapacityBytes(text)).toBe(bytes);
});
