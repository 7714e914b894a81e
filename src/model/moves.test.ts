// Goal: every table of moves is a machine that ends. Method: walk each from its first state.
import { describe, expect, test } from 'vitest';
import { isRoundRunning, moveRound, PIECE_MOVES, pieceEndScn, ROUND_MOVES } from './archive-round.ts';
import { backupSetDirectory, JOB_MOVES, TASK_MOVES } from './backup-job.ts';
import { checkMove, isFinal, type Moves } from './moves.ts';
import { IMPORT_MOVES, IMPORT_TASK_MOVES, RECOVER_MOVES } from './recover-job.ts';
import { RESTORE_MOVES } from './restore-job.ts';
import { toScn } from './scn.ts';
import { TENANT_MOVES } from './tenant.ts';
import { VALIDATE_TASK_MOVES } from './validate-job.ts';

const TABLES: Array<[name: string, table: Moves<string>, first: string[]]> = [
  ['rounds', ROUND_MOVES, ['PREPARE']],
  ['pieces', PIECE_MOVES, ['ACTIVE']],
  ['jobs', JOB_MOVES, ['INIT']],
  ['tasks', TASK_MOVES, ['INIT']],
  ['tasks of validation', VALIDATE_TASK_MOVES, ['INIT']],
  ['restores', RESTORE_MOVES, ['CREATE_TENANT']],
  ['table recoveries', RECOVER_MOVES, ['PREPARE']],
  ['imports', IMPORT_MOVES, ['INIT']],
  ['import tasks', IMPORT_TASK_MOVES, ['INIT']],
  ['tenants', TENANT_MOVES, ['CREATING', 'RESTORE']],
];

/** Every state that can follow one of `from`, these included. */
function reachable(table: Moves<string>, from: readonly string[]): Set<string> {
  const seen = new Set(from);
  for (const state of seen) for (const next of table[state]!) seen.add(next);
  return seen;
}

describe.each(TABLES)('the moves of %s', (_name, table, first) => {
  test('reach every state from the first ones', () => {
    expect([...reachable(table, first)].sort()).toEqual(Object.keys(table).sort());
  });

  test('lead from every state to an end', () => {
    for (const state of Object.keys(table)) {
      expect([...reachable(table, [state])].some((end) => isFinal(table, end))).toBe(true);
    }
  });
});

test('a move that is not in the table is a bug and names both states', () => {
  expect(checkMove('backup job', JOB_MOVES, 'INIT', 'DOING')).toBe('DOING');
  expect(() => checkMove('backup job', JOB_MOVES, 'COMPLETED', 'DOING')).toThrow(
    'backup job may move from COMPLETED to DOING',
  );
});

test('a round moves by its table, and is running until STOP', () => {
  const round = {
    tenantId: 1002,
    destId: 1001,
    roundId: 1,
    status: 'DOING',
    startScn: toScn(1000n),
    checkpointScn: toScn(1000n),
    basePieceId: 1,
    usedPieceId: 1,
    pieceSwitchIntervalUs: 60_000_000n,
    inputBytes: 0n,
    outputBytes: 0n,
    comment: '',
    uri: 'file:///a',
  } as const;
  expect(moveRound(round, 'STOPPING')).toEqual({ ...round, status: 'STOPPING' });
  expect(() => moveRound(round, 'STOP')).toThrow('archive round may move from DOING to STOP');
  expect(isRoundRunning('INTERRUPTED')).toBe(true);
  expect(isRoundRunning('STOP')).toBe(false);
});

test('a piece ends its interval after its start', () => {
  expect(pieceEndScn(toScn(5_000n), 60_000_000n)).toBe(60_000_005_000n);
  expect(() => pieceEndScn(toScn(5_000n), 0n)).toThrow('a piece has a length');
});

test('the directory of a set says its kind', () => {
  expect(backupSetDirectory(3, 'FULL')).toBe('backup_set_3_full');
  expect(backupSetDirectory(4, 'INC')).toBe('backup_set_4_inc');
});
