// What was found at the sources of a restore, as the planner sees it: sets, runs of log, damage.
import type { Scn } from '../model/scn.ts';

/** An earlier set that an increment takes blocks from, as the increment's manifest names it. */
export interface PlanSource {
  backupSetId: number;
  /** `backup_set_<n>_{full|inc}` */
  name: string;
  /** Its manifest. */
  object: string;
  uuid: string;
  /** Hex. */
  manifestSha256: string;
}

/** A complete set whose manifest can be read. */
export interface PlanSet {
  /** `backup_set_<n>_{full|inc}` */
  name: string;
  backupSetId: number;
  roundId: number;
  uuid: string;
  /** Hex. */
  manifestSha256: string;
  /** Sets that hold blocks of this one, oldest first; none for a full set. */
  sources: readonly PlanSource[];
  /** Every commit up to and including this one is in the set. */
  consistentScn: Scn;
  minRestoreScn: Scn;
}

/** Something at a source that could not be read. */
export interface Damage {
  object: string;
  because: string;
}

/** A set that can not be used: its manifest can not be read, or a set that it takes blocks from is not that set. */
export interface DamagedSet extends Damage {
  name: string;
  backupSetId: number;
}

export interface PlanPiece {
  /** `piece_d<dest>r<round>p<piece>` */
  name: string;
  /** The piece holds the commits after `fromScn` up to and including `toScn`. */
  fromScn: Scn;
  toScn: Scn;
  bytes: bigint;
}

/** A stretch of one round's log without a hole. */
export interface LogRun {
  destId: number;
  roundId: number;
  /** Every commit after `fromScn` up to and including `toScn` is in it. */
  fromScn: Scn;
  toScn: Scn;
  /**
   * Where it goes on from, when it begins a round that repairs a gap: with everything of that earlier round up to
   * `scn`, its first commit makes the state at `firstScn`.
   */
  base: { destId: number; roundId: number; scn: Scn } | null;
  /** Scn of the repairing commit; null without a base, and while that commit is not complete: then it has no points. */
  firstScn: Scn | null;
  /** Why it is not known what it goes on from, or from which point on. */
  baseDamage: Damage | null;
  /** In order. */
  pieces: PlanPiece[];
  /** What ends it before the end of its round; null when it simply ends. */
  stoppedBy: Damage | null;
  /** Why its round was interrupted, where the round's end says so; '' otherwise. */
  interruptedBecause: string;
}

export interface PlanFacts<S extends PlanSet = PlanSet, R extends LogRun = LogRun> {
  /** Sets that a restore may start from. */
  sets: readonly S[];
  /** Every readable set that an increment may take blocks from, `sets` among them. */
  sourceSets: readonly S[];
  damagedSets: readonly DamagedSet[];
  runs: readonly R[];
  /** Zone recorded in the backup: UNTIL TIME is read in it and points are shown in it. */
  timeZone: string;
}

/** Why a set can not be used although its own manifest is sound; null when every set that it needs is the very one. */
export function missingSource(set: PlanSet, facts: Pick<PlanFacts, 'sourceSets' | 'damagedSets'>): Damage | null {
  for (const { backupSetId, object, uuid, manifestSha256 } of set.sources) {
    const isIt = (candidate: PlanSet) => candidate.uuid === uuid && candidate.manifestSha256 === manifestSha256;
    if (facts.sourceSets.some((candidate) => candidate.backupSetId === backupSetId && isIt(candidate))) continue;
    const found = facts.sourceSets.find((candidate) => candidate.backupSetId === backupSetId);
    const needed = `${set.name} takes blocks from that set`;
    if (found) return { object, because: `it is another one than ${set.name} was made on` };
    const damaged = facts.damagedSets.find((candidate) => candidate.backupSetId === backupSetId);
    if (damaged) return { object: damaged.object, because: `${damaged.because}; ${needed}` };
    return { object, because: `it is missing; ${needed}` };
  }
  return null;
}

/** The same facts with every set that lacks a source among the damaged ones. */
export function soundFacts<S extends PlanSet, R extends LogRun>(facts: PlanFacts<S, R>): PlanFacts<S, R> {
  const sets: S[] = [];
  const damagedSets = [...facts.damagedSets];
  for (const set of facts.sets) {
    const damage = missingSource(set, facts);
    if (damage) damagedSets.push({ name: set.name, backupSetId: set.backupSetId, ...damage });
    else sets.push(set);
  }
  damagedSets.sort((a, b) => a.backupSetId - b.backupSetId);
  return { ...facts, sets, damagedSets };
}
