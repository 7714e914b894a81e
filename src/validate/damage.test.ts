import { expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { damagedPlace, isDamage } from './damage.ts';

const corrupt = (object: string) => fail('BACKUP_DATA_CORRUPT', { object, because: 'x' });

test('an error that names an object tells in which set or piece it lies', () => {
  expect(damagedPlace(corrupt('backup_set_4_inc/pack_1.obbak'))).toEqual({ set: { backupSetId: 4, type: 'INC' } });
  const file = '/mnt/a/piece_d1001r2p3/logstream_1/log/1.obarc';
  expect(damagedPlace(fail('BACKUP_FILE_NOT_EXIST', { file }))).toEqual({
    piece: { destId: 1001, roundId: 2, pieceId: 3 },
  });
  expect(damagedPlace(corrupt('/data/drills/1002-7.db'))).toBeUndefined();
});

test('a destination that is away is no damage, and neither is a bug', () => {
  expect(isDamage(corrupt('x'))).toBe(true);
  expect(isDamage(fail('BACKUP_DEST_NOT_CONNECT', { uri: 'file:///backup_set_1_full', because: 'EIO' }))).toBe(false);
  expect(damagedPlace(fail('BACKUP_DEST_NOT_CONNECT', { uri: 'backup_set_1_full', because: 'EIO' }))).toBeUndefined();
  expect(isDamage(new Error('backup_set_1_full'))).toBe(false);
});
