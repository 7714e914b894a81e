// The planner against a brute-force model: every point of small worlds is tried, before and after, also where a crash
// stops the deletion half way.
import { describe, expect, test } from 'vitest';
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { toScn } from '../model/scn.ts';
import { storedWindows } from '../restore/stored-windows.ts';
import type { CleanFacts, CleanPlan, PolicyAt } from './clean-facts.ts';
import { keptByLocks } from './locked.ts';
import { leftBy, planObsolete } from './plan-clean.ts';

const HERE = 'file:///data';
const LOG = 'file:///log';
const WORLDS = 1500;
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);

const scn = (n: number) => toScn(BigInt(n) * 1000n);
const at = (of: bigint) => Number(of) / 1000;

interface World {
  sets: BackupSet[];
  pieces: ArchivePiece[];
  rounds: ArchiveRound[];
  end: number;
}

function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function fullSet(backupSetId: number, roundId: number, when: number, patch: Partial<BackupSet> = {}): BackupSet {
  return {
    tenantId: 1002,
    backupSetId,
    backupType: 'FULL',
    prevFullBackupSetId: 0,
    prevIncBackupSetId: 0,
    roundId,
    consistentScn: scn(when),
    startReplayScn: scn(when),
    minRestoreScn: scn(when),
    startNs: BigInt(when) * 1000n,
    endNs: BigInt(when) * 1000n,
    status: 'SUCCESS',
    fileStatus: 'AVAILABLE',
    lockedUntilNs: 0n,
    uri: HERE,
    ...patch,
  } as BackupSet;
}

/** Rounds with holes or repairs between them, pieces that follow one another, sets of every kind. */
function randomWorld(random: (below: number) => number): World {
  const world: World = { sets: [], pieces: [], rounds: [], end: 0 };
  let now = 1 + random(5);
  let pieceId = 1;
  const roundCount = 1 + random(3);
  for (let roundId = 1; roundId <= roundCount; roundId++) {
    const start = now;
    const isLastRound = roundId === roundCount;
    const basePieceId = pieceId;
    const pieceCount = 1 + random(4);
    for (let i = 0; i < pieceCount; i++) {
      const length = 3 + random(8);
      const isActive = isLastRound && i === pieceCount - 1;
      const from = now;
      for (now++; now < from + length; now++) addSet(world, random, { roundId, now });
      now = from + length;
      world.pieces.push({
        tenantId: 1002,
        destId: 1001,
        roundId,
        pieceId: pieceId++,
        status: isActive ? 'ACTIVE' : 'FROZEN',
        fileStatus: 'AVAILABLE',
        startScn: scn(from),
        checkpointScn: toScn(scn(now) - 1n),
        maxScn: toScn(scn(now) - 1n),
        endScn: scn(now),
        lockedUntilNs: 0n,
        uri: LOG,
      } as ArchivePiece);
    }
    const before = world.rounds.at(-1);
    const isRepair = before !== undefined && random(2) === 0;
    world.rounds.push({
      tenantId: 1002,
      destId: 1001,
      roundId,
      status: isLastRound ? 'DOING' : 'STOP',
      basePieceId,
      startScn: toScn(scn(start) - 1n),
      checkpointScn: toScn(scn(now) - 1n),
      uri: LOG,
      ...(isRepair
        ? { baseRoundId: before.roundId, baseScn: before.checkpointScn, repairedScn: toScn(scn(start) + 1n) }
        : {}),
    } as ArchiveRound);
    now += random(4);
  }
  world.end = now;
  for (const of of [...world.sets, ...world.pieces])
    if (of.fileStatus === 'AVAILABLE' && random(12) === 0) of.fileStatus = 'BROKEN';
  return world;
}

function addSet(world: World, random: (below: number) => number, { roundId, now }: { roundId: number; now: number }) {
  if (random(3) !== 0) return;
  const id = world.sets.length + 1;
  const parent = world.sets.filter((set) => set.status === 'SUCCESS' && set.uri === HERE).at(-1);
  const kind = random(10);
  if (kind === 0) {
    world.sets.push(fullSet(id, roundId, now, { status: 'FAILED', fileStatus: 'INCOMPLETE' }));
  } else if (kind === 1) world.sets.push(fullSet(id, roundId, now, { uri: 'file:///elsewhere' }));
  else if (kind === 2) world.sets.push(fullSet(id, 0, now));
  else if (kind < 6 || !parent) world.sets.push(fullSet(id, roundId, now));
  else {
    const prevFullBackupSetId = parent.backupType === 'FULL' ? parent.backupSetId : parent.prevFullBackupSetId;
    const prev = { prevFullBackupSetId, prevIncBackupSetId: parent.backupSetId };
    world.sets.push(fullSet(id, roundId, now, { backupType: 'INC', ...prev }));
  }
}

/** Locks that end at any time: whoever set them had another window in mind. */
function lockSome({ sets, pieces, end }: World, random: (below: number) => number): void {
  for (const set of sets) set.lockedUntilNs = set.startNs + scn(random(end));
  for (const piece of pieces) piece.lockedUntilNs = piece.endScn + scn(random(end));
}

// ## The model: one point after the other

type Left = Pick<World, 'sets' | 'pieces'>;

const isThere = ({ fileStatus }: { fileStatus: string }) => fileStatus === 'AVAILABLE';

function isWhole(set: BackupSet, sets: readonly BackupSet[]): boolean {
  if (set.status !== 'SUCCESS' || !isThere(set)) return false;
  if (set.backupType === 'FULL') return true;
  const parent = sets.find(({ backupSetId }) => backupSetId === set.prevIncBackupSetId);
  return parent !== undefined && isWhole(parent, sets);
}

const isGone = ({ fileStatus }: { fileStatus: string }) => fileStatus === 'DELETED';

/** Whether what a set takes blocks from is still there, whole or broken: a broken set may be mended. */
function hasParents(set: BackupSet, sets: readonly BackupSet[]): boolean {
  if (set.backupType === 'FULL') return true;
  const parent = sets.find(({ backupSetId }) => backupSetId === set.prevIncBackupSetId);
  return parent !== undefined && !isGone(parent) && hasParents(parent, sets);
}

/** Whether the log of a round leads from one moment of it to another. */
function leads(roundId: number, from: number, to: number, left: Left): boolean {
  for (let moment = from; moment <= to; moment++) {
    const holds = left.pieces.some(
      (piece) =>
        piece.roundId === roundId && isThere(piece) && at(piece.startScn) <= moment && moment < at(piece.endScn),
    );
    if (!holds) return false;
  }
  return true;
}

/** Whether log leads from the end of one round into a moment of a later one that repairs it. */
function isRestorable(moment: number, left: Left, { rounds }: World): boolean {
  const reach = (set: BackupSet, round: ArchiveRound, to: number): boolean => {
    const from = at(set.minRestoreScn);
    if (set.roundId === round.roundId) return from <= to && leads(round.roundId, from, to, left);
    if (!round.baseRoundId || to <= Math.ceil(at(round.repairedScn!))) return false;
    const before = rounds.find(({ roundId }) => roundId === round.baseRoundId)!;
    const isWholeHere = leads(round.roundId, Math.ceil(at(round.startScn)), to, left);
    return isWholeHere && reach(set, before, Math.floor(at(before.checkpointScn)));
  };
  const inRound = rounds.find(({ startScn, checkpointScn }) => at(startScn) < moment && moment <= at(checkpointScn));
  return left.sets.some(
    (set) =>
      isWhole(set, left.sets) &&
      (at(set.minRestoreScn) === moment || (inRound !== undefined && reach(set, inRound, moment))),
  );
}

const restorable = (left: Left, world: World): number[] =>
  Array.from({ length: world.end + 1 }, (_, moment) => moment).filter((moment) => isRestorable(moment, left, world));

/** The world behind every part of a deletion, in its order. */
function* stages(plan: CleanPlan, facts: CleanFacts): Generator<Left> {
  const sets = plan.sets.filter(({ isDeleted }) => isDeleted);
  const pieces = plan.pieces.filter(({ isDeleted }) => isDeleted);
  for (let count = 0; count <= sets.length; count++) yield leftBy({ sets: sets.slice(0, count), pieces: [] }, facts);
  for (let count = 1; count <= pieces.length; count++) yield leftBy({ sets, pieces: pieces.slice(0, count) }, facts);
}

function factsOf({ sets, pieces, rounds, end }: World): CleanFacts {
  return {
    sets,
    pieces,
    dataUris: new Set([HERE]),
    archiveUris: new Set([LOG]),
    ...keptByLocks({ sets, pieces }, scn(end)),
    ranges: (s, p) => storedWindows({ sets: s, pieces: p, rounds, liveCheckpointScn: undefined }),
  };
}

function policyOf(patch: Partial<PolicyAt>): PolicyAt {
  return {
    tenantId: 1002,
    policyName: 'default',
    recoveryWindow: null,
    redundancy: null,
    windowStartScn: null,
    ...patch,
  };
}

const deletedIds = (plan: CleanPlan) => ({
  sets: plan.sets.filter(({ isDeleted }) => isDeleted).map(({ of }) => of.backupSetId),
  pieces: plan.pieces.filter(({ isDeleted }) => isDeleted).map(({ of }) => of.pieceId),
});

describe('what a policy deletes', () => {
  test(`keeps every promised point, at every moment of the deletion, and what is locked (seed ${SEED})`, () => {
    const random = randomOf(SEED);
    let [deleted, obsolete, locked] = [0, 0, 0];
    for (let n = 0; n < WORLDS; n++) {
      const world = randomWorld(random);
      if (n % 3 === 0) lockSome(world, random);
      const facts = factsOf(world);
      const windowStart = random(world.end + 2);
      const hasWindow = random(4) !== 0;
      const policy = policyOf({
        windowStartScn: hasWindow ? scn(windowStart) : null,
        redundancy: !hasWindow || random(3) === 0 ? 1 + random(3) : null,
      });
      const plan = planObsolete(facts, policy);
      const what = JSON.stringify({ n, world, policy, ids: deletedIds(plan) }, (_k, v) =>
        typeof v === 'bigint' ? at(v) : v,
      );
      const fulls = world.sets.filter(
        (set) => set.backupType === 'FULL' && set.uri === HERE && isWhole(set, world.sets),
      );
      const promisedFrom = hasWindow ? windowStart : at(fulls.at(-(policy.redundancy ?? 1))?.minRestoreScn ?? 0n);
      const promised = restorable(world, world).filter((moment) => moment >= promisedFrom);
      for (const left of stages(plan, facts)) {
        const still = new Set(restorable(left, world));
        expect(
          promised.filter((moment) => !still.has(moment)),
          what,
        ).toEqual([]);
        for (const set of left.sets)
          if (set.uri === HERE && !isGone(set)) expect(hasParents(set, left.sets), what).toBe(true);
      }
      const left = leftBy(plan, facts);
      const fullsLeft = fulls.filter((set) => isThere(left.sets.find((s) => s.backupSetId === set.backupSetId)!));
      expect(fullsLeft.length, what).toBeGreaterThanOrEqual(Math.min(fulls.length, policy.redundancy ?? 1));
      for (const piece of left.pieces) if (piece.status === 'ACTIVE') expect(isGone(piece), what).toBe(false);
      for (const { of, isDeleted } of [...plan.sets, ...plan.pieces]) {
        if (isDeleted) expect(of.lockedUntilNs, what).toBeLessThanOrEqual(scn(world.end));
        else locked += Number(of.lockedUntilNs > scn(world.end));
      }
      const ids = deletedIds(plan);
      expect(ids.sets, what).toEqual(ids.sets.toSorted((a, b) => b - a));
      expect(ids.pieces, what).toEqual(world.pieces.slice(0, ids.pieces.length).map(({ pieceId }) => pieceId));
      deleted += ids.sets.length + ids.pieces.length;
      obsolete += Number(ids.sets.length > 0);
    }
    // A planner that keeps everything keeps every promise, too.
    expect(obsolete).toBeGreaterThan(WORLDS / 5);
    expect(deleted).toBeGreaterThan(WORLDS);
    expect(locked).toBeGreaterThan(WORLDS);
  });

  const daily = (n: number) => n * 24;
  /** The manual's example: window 7 days, today the 15th. */
  const january = (): World => ({
    sets: [
      fullSet(1, 1, daily(1)),
      fullSet(2, 1, daily(4), { backupType: 'INC', prevFullBackupSetId: 1, prevIncBackupSetId: 1 }),
      fullSet(3, 1, daily(7)),
      fullSet(4, 1, daily(11), { backupType: 'INC', prevFullBackupSetId: 3, prevIncBackupSetId: 3 }),
      fullSet(5, 1, daily(14)),
    ],
    pieces: Array.from(
      { length: 15 },
      (_, i) =>
        ({
          destId: 1001,
          roundId: 1,
          pieceId: i + 1,
          status: i === 14 ? 'ACTIVE' : 'FROZEN',
          fileStatus: 'AVAILABLE',
          startScn: scn(daily(i) + 12),
          checkpointScn: toScn(scn(daily(i + 1) + 12) - 1n),
          maxScn: toScn(scn(daily(i + 1) + 12) - 1n),
          endScn: scn(daily(i + 1) + 12),
          uri: LOG,
        }) as ArchivePiece,
    ),
    rounds: [
      {
        destId: 1001,
        roundId: 1,
        basePieceId: 1,
        startScn: scn(12),
        checkpointScn: scn(daily(15)),
        uri: LOG,
      } as ArchiveRound,
    ],
    end: daily(15),
  });

  test('is what the manual says of a window of seven days', () => {
    const plan = planObsolete(factsOf(january()), policyOf({ windowStartScn: scn(daily(8)) }));
    expect(deletedIds(plan)).toEqual({ sets: [2, 1], pieces: [1, 2, 3, 4, 5, 6] });
    const reasons = Object.fromEntries(plan.sets.map(({ of, because }) => [of.backupSetId, because]));
    expect(reasons[3]).toBe('everything that is promised goes on from it');
    expect(reasons[1]).toBe('set 3 makes it obsolete');
  });

  test('keeps as many full sets as are asked for, and the window besides', () => {
    const facts = factsOf(january());
    expect(deletedIds(planObsolete(facts, policyOf({ redundancy: 1 }))).sets).toEqual([4, 3, 2, 1]);
    expect(deletedIds(planObsolete(facts, policyOf({ redundancy: 2 }))).sets).toEqual([2, 1]);
    expect(deletedIds(planObsolete(facts, policyOf({ redundancy: 3 }))).sets).toEqual([]);
    const both = policyOf({ redundancy: 1, windowStartScn: scn(daily(8)) });
    expect(deletedIds(planObsolete(facts, both)).sets).toEqual([2, 1]);
  });

  test('is nothing without a full set that is old enough', () => {
    const facts = factsOf(january());
    expect(deletedIds(planObsolete(facts, policyOf({ windowStartScn: scn(5) })))).toEqual({ sets: [], pieces: [] });
  });

  test('spares what is being read, and the log behind it', () => {
    const facts = { ...factsOf(january()), setsInUse: new Map([[1, 'tenant t9 is being restored from it']]) };
    const plan = planObsolete(facts, policyOf({ windowStartScn: scn(daily(8)) }));
    expect(deletedIds(plan)).toEqual({ sets: [2], pieces: [] });
    expect(plan.sets.find(({ of }) => of.backupSetId === 1)?.because).toBe('tenant t9 is being restored from it');
  });

  test('takes no broken set for one to go on from, and lets it go when a sound one would', () => {
    const broken = (id: number): World => {
      const world = january();
      world.sets.find(({ backupSetId }) => backupSetId === id)!.fileStatus = 'BROKEN';
      return world;
    };
    const policy = policyOf({ windowStartScn: scn(daily(8)) });
    // The full set of the 7th is broken: everything goes on from that of the 1st.
    const plan = planObsolete(factsOf(broken(3)), policy);
    expect(deletedIds(plan)).toEqual({ sets: [], pieces: [] });
    const reasons = Object.fromEntries(plan.sets.map(({ of, because }) => [of.backupSetId, because]));
    expect(reasons[1]).toBe('everything that is promised goes on from it');
    expect(reasons[3]).toBe('damage was found in it, and it may be mended');
    expect(deletedIds(planObsolete(factsOf(broken(1)), policy)).sets).toEqual([2, 1]);
    const newest = planObsolete(factsOf(broken(5)), policy);
    expect(newest.sets.find(({ of }) => of.backupSetId === 5)).toMatchObject({
      isDeleted: false,
      because: 'damage was found in it, and it may be mended',
    });
  });

  test('is the log alone under log_only', () => {
    const world = { ...january(), sets: [] };
    const policy = policyOf({ policyName: 'log_only', recoveryWindow: '7d', windowStartScn: scn(daily(8)) });
    expect(deletedIds(planObsolete(factsOf(world), policy))).toEqual({ sets: [], pieces: [1, 2, 3, 4, 5, 6, 7] });
  });
});
