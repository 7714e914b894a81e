// A budget against a brute-force model, and what there is to read at a destination.
import { describe, expect, test } from 'vitest';
import type { ArchivePiece, FileStatus } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { SCN_NONE } from '../model/scn.ts';
import type { ValidateLevel, Verification } from '../model/validate-job.ts';
import { lastReadNs, pieceTargets, setTargets, type Target, withinBudget } from './choose-targets.ts';

const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);
const LEVELS: ValidateLevel[] = ['basic', 'physical', 'restore'];

function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const target = (objectId: number, bytes: number): Target => ({
  ...{ taskType: 'BACKUP SET', objectId, directory: `backup_set_${objectId}_full`, uri: 'file:///d', roundId: 0 },
  ...{ pathType: 'BACKUP_DEST', archiveUri: '', destId: 1001, bytes: BigInt(bytes) },
});

const read = (objectId: number, level: ValidateLevel, lastNs: number): Verification => ({
  ...{ tenantId: 1002, objectType: 'BACKUP SET', objectId, level, jobId: 1, lastNs: BigInt(lastNs), result: 0 },
  ...{ comment: '', isProved: true, provedNs: 1n, provedScn: SCN_NONE },
});

describe('a budget', () => {
  test(`goes to those that were read longest ago, as far as it reaches (seed ${SEED})`, () => {
    const random = randomOf(SEED);
    for (let n = 0; n < 2000; n++) {
      const targets = Array.from({ length: 1 + random(7) }, (_, i) => target(i + 1, random(20)));
      const ledger = targets.flatMap(({ objectId }) =>
        LEVELS.filter(() => random(2) === 0).map((level) => read(objectId, level, random(6))),
      );
      const level = LEVELS[random(2)]!;
      const budget = random(60);
      const chosen = withinBudget(targets, { ledger, level, budgetBytes: BigInt(budget) });
      const age = (of: Target) => {
        const counted = ledger.filter(
          (row) => row.objectId === of.objectId && LEVELS.indexOf(row.level) >= LEVELS.indexOf(level),
        );
        return counted.length === 0 ? -1 : Math.max(...counted.map(({ lastNs }) => Number(lastNs)));
      };
      const sum = chosen.reduce((bytes, of) => bytes + Number(of.bytes), 0);
      const what = JSON.stringify({ n, level, budget, chosen: chosen.map(({ objectId }) => objectId) });
      expect(chosen.length, what).toBeGreaterThan(0);
      if (chosen.length > 1) expect(sum, what).toBeLessThanOrEqual(budget);
      const others = targets.filter((of) => !chosen.includes(of));
      for (const other of others) for (const of of chosen) expect(age(of), what).toBeLessThanOrEqual(age(other));
      // The next in turn did not fit: a budget is not left unused.
      const next = others.sort((a, b) => age(a) - age(b) || a.objectId - b.objectId)[0];
      if (next) expect(sum + Number(next.bytes), what).toBeGreaterThan(budget);
    }
  });

  test('counts a more thorough reading, not a lesser one', () => {
    const ledger = [read(1, 'basic', 9), read(2, 'restore', 3), read(2, 'basic', 1)];
    expect(lastReadNs(ledger, { taskType: 'BACKUP SET', objectId: 1, level: 'physical' })).toBeUndefined();
    expect(lastReadNs(ledger, { taskType: 'BACKUP SET', objectId: 2, level: 'physical' })).toBe(3n);
    expect(lastReadNs(ledger, { taskType: 'BACKUP PIECE', objectId: 1, level: 'basic' })).toBeUndefined();
  });
});

describe('what there is to read', () => {
  const statuses: FileStatus[] = ['AVAILABLE', 'BROKEN', 'INCOMPLETE', 'COPYING', 'EXPIRED', 'DELETING', 'DELETED'];

  test('is every whole set at the destination, broken ones too', () => {
    const sets = statuses.map(
      (fileStatus, i) =>
        ({ backupSetId: i + 1, backupType: 'FULL', status: 'SUCCESS', fileStatus, uri: 'file:///d' }) as BackupSet,
    );
    sets.push(
      { ...sets[0]!, backupSetId: 8, uri: 'file:///elsewhere' },
      { ...sets[0]!, backupSetId: 9, status: 'FAILED' },
    );
    expect(setTargets(sets, 'file:///d').map(({ directory }) => directory)).toEqual([
      'backup_set_1_full',
      'backup_set_2_full',
      'backup_set_3_full',
    ]);
    expect(setTargets(sets, null)).toEqual([]);
  });

  test('is every piece there, also the one that grows', () => {
    const pieces = statuses.map(
      (fileStatus, i) => ({ destId: 1001, roundId: 2, pieceId: i + 1, fileStatus, uri: 'file:///a' }) as ArchivePiece,
    );
    expect(pieceTargets(pieces, new Set(['file:///a'])).map(({ directory }) => directory)).toEqual([
      'piece_d1001r2p1',
      'piece_d1001r2p2',
      'piece_d1001r2p3',
    ]);
    expect(pieceTargets(pieces, new Set())).toEqual([]);
  });
});
