import { describe, expect, test } from 'vitest';
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { toScn } from '../model/scn.ts';
import { storedWindows } from './stored-windows.ts';

const scn = (n: number) => toScn(BigInt(n) * 1000n);

function set(backupSetId: number, roundId: number, at: number, patch: Partial<BackupSet> = {}): BackupSet {
  return {
    backupSetId,
    backupType: 'FULL',
    roundId,
    consistentScn: scn(at),
    minRestoreScn: scn(at),
    status: 'SUCCESS',
    fileStatus: 'AVAILABLE',
    ...patch,
  } as BackupSet;
}

const round = (roundId: number, from: number, to: number, basePieceId = 1): ArchiveRound =>
  ({ destId: 1001, roundId, basePieceId, startScn: scn(from), checkpointScn: scn(to) }) as ArchiveRound;

const piece = (pieceId: number, from: number, to: number, patch: Partial<ArchivePiece> = {}): ArchivePiece =>
  ({
    pieceId,
    roundId: 1,
    startScn: scn(from),
    endScn: scn(1000),
    checkpointScn: scn(to),
    fileStatus: 'AVAILABLE',
    ...patch,
  }) as ArchivePiece;

describe('restore windows from the store', () => {
  test('run from the first set of a round to its checkpoint, the live one for the newest round', () => {
    const sets = [set(1, 1, 10), set(2, 1, 20), set(3, 2, 60), set(4, 2, 65, { fileStatus: 'DELETED' })];
    const rounds = [round(1, 5, 40), round(2, 50, 90)];
    expect(storedWindows({ sets, rounds, pieces: [], liveCheckpointScn: scn(99) })).toEqual([
      { fromScn: scn(10), toScn: scn(40), roundId: 1, backupSetIds: [1, 2] },
      { fromScn: scn(60), toScn: scn(99), roundId: 2, backupSetIds: [3] },
    ]);
  });

  test('leave out what cleaned pieces held', () => {
    const pieces = [
      piece(1, 5, 20, { fileStatus: 'DELETED' }),
      piece(2, 20, 30),
      piece(3, 30, 40, { fileStatus: 'BROKEN' }),
      piece(4, 40, 50),
    ];
    const sets = [set(1, 1, 10), set(2, 1, 25), set(3, 1, 45)];
    expect(storedWindows({ sets, rounds: [round(1, 5, 50)], pieces, liveCheckpointScn: undefined })).toEqual([
      { fromScn: scn(10), toScn: scn(10), roundId: 1, backupSetIds: [1] },
      { fromScn: scn(25), toScn: scn(30), roundId: 1, backupSetIds: [2] },
      { fromScn: scn(45), toScn: scn(50), roundId: 1, backupSetIds: [3] },
    ]);
  });

  test('show the hole that a repair leaves, with the sets before it on both sides', () => {
    const repaired = { ...round(2, 48, 90), baseRoundId: 1, baseScn: scn(40), repairedScn: scn(50) };
    const sets = [set(1, 1, 10), set(2, 2, 60)];
    const rounds = [round(1, 5, 40), repaired];
    expect(storedWindows({ sets, rounds, pieces: [], liveCheckpointScn: scn(99) })).toEqual([
      { fromScn: scn(10), toScn: scn(40), roundId: 1, backupSetIds: [1] },
      { fromScn: scn(50), toScn: scn(99), roundId: 2, backupSetIds: [1, 2] },
    ]);
    const begun = [round(1, 5, 40), { ...repaired, repairedScn: null, checkpointScn: scn(48) }];
    expect(storedWindows({ sets: sets.slice(0, 1), rounds: begun, pieces: [], liveCheckpointScn: undefined })).toEqual([
      { fromScn: scn(10), toScn: scn(40), roundId: 1, backupSetIds: [1] },
    ]);
  });

  test('leave out increments whose chain is not there any more', () => {
    const inc = (id: number, at: number, parent: number) =>
      set(id, 1, at, { backupType: 'INC', prevFullBackupSetId: 1, prevIncBackupSetId: parent });
    const windows = (sets: BackupSet[]) =>
      storedWindows({ sets, rounds: [round(1, 5, 40)], pieces: [], liveCheckpointScn: undefined });
    expect(windows([set(1, 1, 10), inc(2, 20, 1), inc(3, 30, 2)])[0]?.backupSetIds).toEqual([1, 2, 3]);
    const withoutMiddle = [set(1, 1, 10), inc(2, 20, 1), inc(3, 30, 2)];
    withoutMiddle[1]!.fileStatus = 'DELETED';
    expect(windows(withoutMiddle)[0]?.backupSetIds).toEqual([1]);
    expect(windows([inc(2, 20, 1), inc(3, 30, 2)])).toEqual([]);
  });

  test('are none without a set', () => {
    expect(storedWindows({ sets: [], rounds: [round(1, 5, 50)], pieces: [], liveCheckpointScn: undefined })).toEqual(
      [],
    );
  });
});
