import { describe, expect, test } from 'vitest';
import { groupSourceUris } from './source-uris.ts';

describe('the uris of a RESTORE', () => {
  test('are grouped by destination, single sets and pieces under their parent', () => {
    const groups = groupSourceUris([
      'file:///b/data/backup_set_1_full',
      'file:///b/arch/piece_d1001r1p1',
      'file:///b/data/backup_set_3_full/',
      'file:///b/arch/piece_d1001r1p2',
    ]);
    expect(groups.map(({ shown }) => shown)).toEqual(['file:///b/data', 'file:///b/arch']);
    expect(groups[0]?.sets?.map(({ backupSetId }) => backupSetId)).toEqual([1, 3]);
    expect(groups[1]?.pieces?.map(({ pieceId }) => pieceId)).toEqual([1, 2]);
  });

  test('mean everything when the destination itself is among them', () => {
    const [group] = groupSourceUris(['file:///b/data/backup_set_1_full', 'file:///b/data']);
    expect(group).toMatchObject({ shown: 'file:///b/data', sets: null, pieces: null });
  });

  test('are refused when there is none or one is malformed', () => {
    expect(() => groupSourceUris([])).toThrow(/0 uris/);
    expect(() => groupSourceUris(['/b/data'])).toThrow(/not a valid uri/);
  });
});
