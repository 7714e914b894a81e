import { describe, expect, it } from 'vitest';
import * as layout from './layout.ts';

const FULL: layout.SetRef = { backupSetId: 1, type: 'FULL' };
const INC: layout.SetRef = { backupSetId: 12, type: 'INC' };
const PIECE: layout.PieceRef = { destId: 1001, roundId: 1, pieceId: 3 };
const NS = 1_740_794_460_123_456_789n;
const LATER_NS = NS + 60_000_000_000n;

const NAMES: Array<[string, string, layout.ParsedName]> = [
  [layout.FORMAT_FILE_NAME, 'format.obbak', { kind: 'format-file' }],
  [
    layout.checkFileName(1002, NS),
    'check_file/1002_connect_file_20250301T020100.obbak',
    { kind: 'check-file', tenantId: 1002, moment: '20250301T020100' },
  ],
  [layout.leaseName(7), 'lease/0000000007.obbak', { kind: 'lease', generation: 7 }],
  [layout.setStartName(FULL), 'backup_sets/backup_set_1_full_start.obbak', { kind: 'set-start', ...FULL }],
  [
    layout.setEndName(INC, NS),
    'backup_sets/backup_set_12_inc_end_success_20250301T020100.obbak',
    { kind: 'set-end', ...INC, moment: '20250301T020100' },
  ],
  [
    layout.setIntervalName(FULL, NS, LATER_NS),
    'backup_set_1_full/backup_set_1_full_20250301T020100_20250301T020200.obbak',
    { kind: 'set-interval', ...FULL, startMoment: '20250301T020100', endMoment: '20250301T020200' },
  ],
  [layout.manifestName(FULL), 'backup_set_1_full/single_backup_set_info.obbak', { kind: 'manifest', ...FULL }],
  [layout.indexName(INC), 'backup_set_12_inc/index.obbak', { kind: 'index', ...INC, attempt: 1 }],
  [layout.pageMapName(INC), 'backup_set_12_inc/page_map.obbak', { kind: 'page-map', ...INC, attempt: 1 }],
  [layout.indexName(INC, 2), 'backup_set_12_inc/index_2.obbak', { kind: 'index', ...INC, attempt: 2 }],
  [
    layout.pageMapName(INC, layout.ATTEMPTS_MAX),
    'backup_set_12_inc/page_map_3999.obbak',
    { kind: 'page-map', ...INC, attempt: 3999 },
  ],
  [layout.setDeletedName(INC), 'backup_sets/backup_set_12_inc_deleted.obbak', { kind: 'set-deleted', ...INC }],
  [
    `${layout.setDirectory(FULL)}/${layout.packName(4)}`,
    'backup_set_1_full/pack_4.obbak',
    { kind: 'pack', ...FULL, packNo: 4 },
  ],
  [
    layout.segmentName(layout.setDirectory(FULL), 1),
    'backup_set_1_full/logstream_1/log/1.obarc',
    { kind: 'set-segment', ...FULL, segmentNo: 1 },
  ],
  [layout.roundStartName(PIECE), 'rounds/round_d1001r1_start.obarc', { kind: 'round-start', destId: 1001, roundId: 1 }],
  [layout.roundEndName(PIECE), 'rounds/round_d1001r1_end.obarc', { kind: 'round-end', destId: 1001, roundId: 1 }],
  [
    layout.roundDeletedName(PIECE),
    'rounds/round_d1001r1_deleted.obarc',
    { kind: 'round-deleted', destId: 1001, roundId: 1 },
  ],
  [layout.pieceDeletedName(PIECE), 'pieces/piece_d1001r1p3_deleted.obarc', { kind: 'piece-deleted', ...PIECE }],
  [
    layout.pieceStartName(PIECE, NS),
    'pieces/piece_d1001r1p3_start_20250301T020100.obarc',
    { kind: 'piece-start', ...PIECE, moment: '20250301T020100' },
  ],
  [
    layout.pieceEndName(PIECE, NS),
    'pieces/piece_d1001r1p3_end_20250301T020100.obarc',
    { kind: 'piece-end', ...PIECE, moment: '20250301T020100' },
  ],
  [layout.pieceInfoName(PIECE), 'piece_d1001r1p3/single_piece_info.obarc', { kind: 'piece-info', ...PIECE }],
  [
    layout.segmentName(layout.pieceDirectory(PIECE), 7),
    'piece_d1001r1p3/logstream_1/log/7.obarc',
    { kind: 'segment', ...PIECE, segmentNo: 7 },
  ],
  [
    layout.compactedSegmentName(layout.pieceDirectory(PIECE), 2),
    'piece_d1001r1p3/logstream_1/log/c2.obarc',
    { kind: 'compacted-segment', ...PIECE, segmentNo: 2 },
  ],
];

describe('layout', () => {
  it.each(NAMES)('%s is the documented name and is read back', (name, documented, parsed) => {
    expect(name).toBe(documented);
    expect(layout.parseObjectName(name)).toEqual(parsed);
  });

  it.each(NAMES)('rejects %s with anything before, after or doubled in it', (name) => {
    const variants = [`/${name}`, `./${name}`, `x${name}`, `${name}x`, `${name}/`, `${name}\n`, name.toUpperCase()];
    const digit = name.search(/\d/);
    if (digit >= 0)
      variants.push(`${name.slice(0, digit)}0${name.slice(digit)}`, `${name.slice(0, digit)}-${name.slice(digit)}`);
    expect(variants.map(layout.parseObjectName)).toEqual(variants.map(() => undefined));
  });

  it('rejects an interval name inside the directory of another set', () => {
    const name = 'backup_set_2_full/backup_set_1_full_20250301T020100_20250301T020200.obbak';
    expect(layout.parseObjectName(name)).toBeUndefined();
  });

  it('reads directories back', () => {
    expect(layout.parseSetDirectory('backup_set_12_inc')).toEqual(INC);
    expect(layout.parsePieceDirectory('piece_d1001r1p3')).toEqual(PIECE);
    expect(layout.parseSetDirectory('backup_set_012_inc')).toBeUndefined();
    expect(layout.parsePieceDirectory('piece_d1001r1p3/')).toBeUndefined();
  });

  it('stops at once at an id that is none', () => {
    expect(() => layout.packName(-1)).toThrowError('is an id');
    expect(() => layout.packName(1.5)).toThrowError('is an id');
    for (const attempt of [0, layout.ATTEMPTS_MAX + 1])
      expect(() => layout.indexName(INC, attempt)).toThrowError('is an attempt');
  });

  it('gives every attempt pack numbers of its own, which fit 32 bits', () => {
    expect([1, 2, 3].map(layout.packNoBefore)).toEqual([0, 1_000_000, 2_000_000]);
    expect(layout.packNoBefore(layout.ATTEMPTS_MAX) + 1_000_000).toBeLessThan(2 ** 32);
    for (const name of ['index_1', 'index_02', 'index_4000', 'page_map_', 'index_2_3'])
      expect(layout.parseObjectName(`backup_set_12_inc/${name}.obbak`)).toBeUndefined();
  });
});
