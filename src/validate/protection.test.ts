// What is said of a tenant's protection, from small stories; and which point is proved.
import { describe, expect, test } from 'vitest';
import type { ArchivePiece } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { SCN_NONE, toScn } from '../model/scn.ts';
import type { SetCopy } from '../model/set-copy.ts';
import type { Verification } from '../model/validate-job.ts';
import { type LogCopyFact, type ProtectionFacts, protectionOf } from './protection.ts';
import { provedPoint } from './proved-point.ts';

const MINUTE = 60_000_000_000n;
const HOUR = 60n * MINUTE;
const DAY = 24n * HOUR;
const NOW = 400n * DAY;
const scn = (n: bigint) => toScn(n);

function setOf(backupSetId: number, at: bigint, patch: Partial<BackupSet> = {}): BackupSet {
  return {
    ...{ tenantId: 1002, backupSetId, backupType: 'FULL', prevFullBackupSetId: 0, prevIncBackupSetId: 0, roundId: 1 },
    ...{ startNs: at, endNs: at + 1n, status: 'SUCCESS', fileStatus: 'AVAILABLE', minRestoreScn: scn(at), comment: '' },
    ...patch,
  } as BackupSet;
}

function pieceOf(pieceId: number, from: bigint, to: bigint, patch: Partial<ArchivePiece> = {}): ArchivePiece {
  return {
    ...{ tenantId: 1002, destId: 1001, roundId: 1, pieceId, status: 'FROZEN', fileStatus: 'AVAILABLE' },
    ...{ startScn: scn(from), checkpointScn: scn(to), maxScn: scn(to - 1n), endScn: scn(to) },
    ...patch,
  } as ArchivePiece;
}

function readOf(patch: Partial<Verification>): Verification {
  return {
    ...{
      tenantId: 1002,
      objectType: 'TENANT',
      objectId: 0,
      level: 'restore',
      uri: '',
      jobId: 1,
      lastNs: NOW - HOUR,
      result: 0,
    },
    ...{ comment: '', isProved: true, provedNs: NOW - HOUR, provedScn: scn(NOW - HOUR) },
    ...patch,
  };
}

function copyOf(backupSetId: number, patch: Partial<SetCopy>): SetCopy {
  return {
    ...{ tenantId: 1002, backupSetId, destId: 1005, uri: 'file:///copy', status: 'AVAILABLE' },
    ...{ totalBytes: 1n, copiedBytes: 0n, startNs: null, endNs: null, result: 0, comment: '' },
    ...patch,
  };
}

/** Everything as it should be; a drill an hour ago. */
function facts(patch: Partial<ProtectionFacts> = {}): ProtectionFacts {
  return {
    ...{ nowNs: NOW, hasArchiveDest: true, hasDataDest: true, archiveComment: '', lagTargetNs: () => 2n * MINUTE },
    round: { status: 'DOING', checkpointScn: scn(NOW - MINUTE) },
    sets: [setOf(1, NOW - DAY)],
    pieces: [pieceOf(1, NOW - 2n * DAY, NOW + DAY, { status: 'ACTIVE' })],
    ledger: [readOf({})],
    windows: [{ fromScn: scn(NOW - DAY), toScn: scn(NOW - MINUTE) }],
    showTime: (ns) => `T-${(NOW - ns) / HOUR}h`,
    ...patch,
  };
}

describe('protection', () => {
  test('that is as it should be has no problems', () => {
    expect(protectionOf(facts())).toEqual({
      newestScn: NOW - MINUTE,
      provedScn: NOW - HOUR,
      windowStartScn: NOW - DAY,
      lastFullNs: NOW - DAY + 1n,
      lastBackupNs: NOW - DAY + 1n,
      lastDrill: { ns: NOW - HOUR, result: 0 },
      problems: [],
      status: 'OK',
    });
  });

  const drilled = (patch: Partial<Verification>) => ({ ledger: [readOf(patch)] });
  const stories: Array<[name: string, Partial<ProtectionFacts>, problems: string[], status: string]> = [
    [
      'a copy that lacks sets, and one that is broken',
      {
        copies: [
          copyOf(1, { status: 'WAITING', result: 9070, comment: 'it is away' }),
          copyOf(2, { status: 'WAITING', result: 9070, comment: 'it is away' }),
          copyOf(3, { status: 'BROKEN' }),
          copyOf(4, { status: 'COPYING' }),
        ],
      },
      [
        'the copy at file:///copy lacks backup set 1, 2: it is away',
        'the copy of backup set 3 at file:///copy is broken',
      ],
      'WARNING',
    ],
    ['no archive destination', { hasArchiveDest: false }, ['no archive destination'], 'CRITICAL'],
    ['a tenant that never archived', { round: undefined }, ['the log is not archived'], 'CRITICAL'],
    [
      'an interruption',
      { round: { status: 'INTERRUPTED', checkpointScn: scn(NOW - 3n * HOUR) }, archiveComment: 'the log was recycled' },
      ['archive is interrupted since T-3h: the log was recycled'],
      'CRITICAL',
    ],
    [
      'a stop',
      { round: { status: 'STOP', checkpointScn: scn(NOW - HOUR) } },
      ['archive is stopped since T-1h'],
      'CRITICAL',
    ],
    [
      'an archive that is late',
      { round: { status: 'DOING', checkpointScn: scn(NOW - 11n * MINUTE) } },
      ['archive is 11 min behind'],
      'WARNING',
    ],
    [
      'one that is very late',
      { round: { status: 'DOING', checkpointScn: scn(NOW - 3n * HOUR) }, archiveComment: 'away' },
      ['archive is 3 h behind: away'],
      'CRITICAL',
    ],
    [
      'one that is as late as it may be',
      { round: { status: 'DOING', checkpointScn: scn(NOW - 3n * HOUR) }, lagTargetNs: () => 2n * HOUR },
      [],
      'OK',
    ],
    [
      'no backup',
      { sets: [], windows: [], hasDataDest: false, ledger: [] },
      ['no full backup', 'no data backup destination'],
      'CRITICAL',
    ],
    [
      'a failed backup after a good one',
      { sets: [setOf(1, NOW - DAY), setOf(2, NOW - HOUR, { status: 'FAILED', comment: 'disk full' })] },
      ['last full backup failed: disk full'],
      'WARNING',
    ],
    [
      'a broken set that others stand in for',
      { sets: [setOf(1, NOW - DAY), setOf(2, NOW - HOUR, { fileStatus: 'BROKEN' })] },
      ['backup set 2 is broken'],
      'WARNING',
    ],
    [
      'nothing but broken sets',
      { sets: [setOf(1, NOW - DAY, { fileStatus: 'BROKEN' })], windows: [], ledger: [readOf({})] },
      ['no backup set can be restored', 'backup set 1 is broken'],
      'CRITICAL',
    ],
    ['no drill', { ledger: [] }, ['no drill yet'], 'WARNING'],
    ['an old drill', drilled({ lastNs: NOW - 31n * DAY }), ['no drill in 30 days'], 'WARNING'],
    ['a drill that failed', drilled({ result: 9010, comment: 'damaged' }), ['last drill failed: damaged'], 'CRITICAL'],
    ['a drill without room', drilled({ result: 4184, comment: 'full' }), ['last drill failed: full'], 'WARNING'],
    [
      'a destination that was not there',
      {
        ledger: [
          readOf({}),
          readOf({ objectType: 'BACKUP SET', level: 'basic', lastNs: NOW, result: 9070, comment: 'ENOENT' }),
        ],
      },
      ['destination can not be reached: ENOENT'],
      'WARNING',
    ],
  ];
  test.each(stories)('of %s is told in words', (_name, patch, problems, status) => {
    expect(protectionOf(facts(patch))).toMatchObject({ problems, status });
  });

  test('names three broken objects and counts the rest', () => {
    const pieces = [1, 2, 3, 4, 5].map((id) => pieceOf(id, NOW - DAY, NOW, { fileStatus: 'BROKEN' }));
    expect(protectionOf(facts({ pieces })).problems.at(-1)).toBe('2 more objects are broken');
  });
});

describe('the newest proved point', () => {
  const sets = [
    setOf(1, 100n),
    setOf(2, 200n, { backupType: 'INC', prevFullBackupSetId: 1, prevIncBackupSetId: 1 }),
    setOf(3, 300n, { backupType: 'INC', prevFullBackupSetId: 1, prevIncBackupSetId: 2 }),
  ];
  const pieces = [pieceOf(1, 50n, 250n), pieceOf(2, 250n, 450n), pieceOf(3, 450n, 900n, { status: 'ACTIVE' })];
  const windows = [{ fromScn: scn(100n), toScn: scn(800n) }];
  const bytesOf = (objectType: 'BACKUP SET' | 'BACKUP PIECE', objectId: number, at: bigint): Verification =>
    readOf({ objectType, objectId, level: 'physical', provedScn: scn(at) });
  const ofSets = (...ids: number[]) => ids.map((id) => bytesOf('BACKUP SET', id, BigInt(id) * 100n));
  const proved = (ledger: Verification[], patch: object = {}) =>
    provedPoint({ sets, pieces, windows, ledger, ...patch });

  test('is none while nothing was proved', () => {
    expect(proved([])).toBe(SCN_NONE);
    expect(proved([readOf({ isProved: false, provedNs: null, provedScn: SCN_NONE })])).toBe(SCN_NONE);
  });

  test('needs every set of a chain', () => {
    expect(proved(ofSets(3))).toBe(SCN_NONE);
    expect(proved(ofSets(1, 3))).toBe(100n);
    expect(proved(ofSets(1, 2))).toBe(200n);
    expect(proved(ofSets(1, 2, 3))).toBe(300n);
    const broken = sets.map((set) => (set.backupSetId === 2 ? { ...set, fileStatus: 'BROKEN' as const } : set));
    expect(proved(ofSets(1, 2, 3), { sets: broken })).toBe(100n);
  });

  test('goes on through log that was read to its end, without a hole', () => {
    const log = (...ends: Array<[id: number, at: bigint]>) => ends.map(([id, at]) => bytesOf('BACKUP PIECE', id, at));
    expect(proved([...ofSets(1), ...log([1, 249n])])).toBe(249n);
    expect(proved([...ofSets(1), ...log([1, 249n], [2, 449n])])).toBe(449n);
    expect(proved([...ofSets(1), ...log([1, 249n], [2, 449n], [3, 700n])])).toBe(700n);
    expect(proved([...ofSets(1), ...log([1, 249n], [3, 700n])])).toBe(249n);
    // Read while it grew: what came afterwards was not.
    expect(proved([...ofSets(1), ...log([1, 180n], [2, 449n])])).toBe(180n);
    expect(proved([...ofSets(1), ...log([2, 449n])])).toBe(100n);
    const holed = [pieces[0]!, pieces[2]!];
    expect(proved([...ofSets(1), ...log([1, 249n], [3, 700n])], { pieces: holed })).toBe(249n);
    const elsewhere = pieces.map((piece) => ({ ...piece, roundId: 2 }));
    expect(proved([...ofSets(1), ...log([1, 249n])], { pieces: elsewhere })).toBe(100n);
  });

  test('of a drill counts while it can still be restored', () => {
    expect(proved([readOf({ provedScn: scn(650n) })])).toBe(650n);
    expect(proved([readOf({ provedScn: scn(650n) })], { windows: [{ fromScn: scn(700n), toScn: scn(800n) }] })).toBe(
      SCN_NONE,
    );
    // The last one failed, and proved nothing new.
    expect(proved([readOf({ provedScn: scn(650n), isProved: false, result: 9010 })])).toBe(650n);
  });
});

describe('copies of the archive', () => {
  const copy = (patch: Partial<LogCopyFact> = {}): LogCopyFact => ({
    ...{ destNo: 1, uri: 'file:///copy', status: 'DOING', checkpointScn: scn(NOW - MINUTE), comment: '' },
    ...patch,
  });
  const problems = (patch: Partial<LogCopyFact>) => protectionOf(facts({ logCopies: [copy(patch)] })).problems;

  test('that are in step are no problem, and those that are not are named', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ status: 'STOP', comment: 'the copy was taken away' })).toEqual([]);
    expect(problems({ status: 'BEGINNING', comment: 'no answer' })).toEqual([
      'archive copy 1 (file:///copy) is behind: no answer',
    ]);
    expect(problems({ checkpointScn: scn(NOW - 2n * HOUR) })).toEqual(['archive copy 1 (file:///copy) is 2 h behind']);
    expect(problems({ status: 'INTERRUPTED', comment: 'another log' })).toEqual([
      'archive copy 1 (file:///copy) is broken: another log',
    ]);
    expect(problems({ status: 'PREPARE', checkpointScn: SCN_NONE, comment: 'no answer' })).toEqual([
      'archive copy 1 (file:///copy) holds nothing of the running round: no answer',
    ]);
    expect(problems({ status: 'SUSPEND' })).toEqual(['archive copy 1 (file:///copy) is suspended']);
  });

  test('whose pieces are broken are named', () => {
    const pieceCopies = [
      pieceOf(1, 0n, 9n, { uri: 'file:///copy' }),
      pieceOf(2, 9n, 19n, { uri: 'file:///copy', fileStatus: 'BROKEN' }),
    ];
    expect(protectionOf(facts({ pieceCopies })).problems).toEqual([
      'the copy of archive piece 2 at file:///copy is broken',
    ]);
  });
});
