// Restore windows of a tenant as its own rows in the store tell them: no destination is looked at.
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import { type BackupSet, backupSetDirectory } from '../model/backup-job.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { LogRun, PlanSet } from './plan-facts.ts';
import type { RestoreWindow } from './restore-service.ts';
import { restoreWindows } from './restore-windows.ts';

/** Pure: sets that can be used, over the log of each round that is still there. */
export function storedWindows(of: {
  sets: readonly BackupSet[];
  rounds: readonly ArchiveRound[];
  pieces: readonly ArchivePiece[];
  /** Fresher than the row of the newest round. */
  liveCheckpointScn: Scn | undefined;
}): RestoreWindow[] {
  const newestRoundId = Math.max(0, ...of.rounds.map(({ roundId }) => roundId));
  const runs = of.rounds.flatMap((round) => {
    const isNewest = round.roundId === newestRoundId;
    const live = isNewest && of.liveCheckpointScn !== undefined ? of.liveCheckpointScn : round.checkpointScn;
    const checkpointScn = live > round.checkpointScn ? live : round.checkpointScn;
    const pieces = of.pieces.filter(({ roundId }) => roundId === round.roundId);
    return runsOf({ ...round, checkpointScn }, pieces, of.rounds);
  });
  return restoreWindows({ sets: usableSets(of.sets), runs });
}

/** Sets that are there with every set before them up to their full one: blocks may lie in any of these. */
function usableSets(sets: readonly BackupSet[]): PlanSet[] {
  const usable = new Set<number>();
  for (const set of [...sets].sort((a, b) => a.backupSetId - b.backupSetId)) {
    const isThere = set.status === 'SUCCESS' && set.fileStatus === 'AVAILABLE';
    if (isThere && (set.backupType === 'FULL' || usable.has(set.prevIncBackupSetId))) usable.add(set.backupSetId);
  }
  return sets
    .filter(({ backupSetId }) => usable.has(backupSetId))
    .map(({ backupSetId, backupType, roundId, minRestoreScn }) => ({
      name: backupSetDirectory(backupSetId, backupType),
      ...{ backupSetId, roundId, uuid: '', manifestSha256: '', sources: [] },
      // The documented earliest point of a set; what lies between it and the consistent point is no commit.
      consistentScn: minRestoreScn,
      minRestoreScn,
    }));
}

/** What a round goes on from, if it repairs a gap. */
function baseOf(round: ArchiveRound, rounds: readonly ArchiveRound[]): Pick<LogRun, 'base' | 'firstScn'> {
  const before = rounds.find(({ roundId }) => roundId === round.baseRoundId);
  if (!before) return { base: null, firstScn: null };
  const base = { destId: before.destId, roundId: before.roundId, scn: round.baseScn ?? SCN_NONE };
  return { base, firstScn: round.repairedScn ?? null };
}

/** The stretches of a round whose pieces are all still there. */
function runsOf(round: ArchiveRound, pieces: readonly ArchivePiece[], rounds: readonly ArchiveRound[]): LogRun[] {
  const { destId, roundId } = round;
  const sound = { pieces: [], stoppedBy: null, interruptedBecause: '', baseDamage: null };
  const whole = { destId, roundId, ...sound, base: null, firstScn: null };
  const first = { ...whole, ...baseOf(round, rounds) };
  if (pieces.length === 0) return [{ ...first, fromScn: round.startScn, toScn: round.checkpointScn }];
  const runs: LogRun[] = [];
  const ordered = [...pieces].sort((a, b) => a.pieceId - b.pieceId);
  let lastPieceId = Number.NaN;
  for (const piece of ordered) {
    if (piece.fileStatus !== 'AVAILABLE' && piece.fileStatus !== 'INCOMPLETE') continue;
    const isFirst = piece.pieceId === round.basePieceId;
    const isLast = piece === ordered.at(-1);
    // A piece ends before its end scn: what was committed there is in the next one.
    const ended = piece.checkpointScn < piece.endScn ? piece.checkpointScn : toScn(piece.endScn - 1n);
    const reached = isLast ? round.checkpointScn : ended;
    const open = runs.at(-1);
    if (open && piece.pieceId === lastPieceId + 1) open.toScn = reached > open.toScn ? reached : open.toScn;
    else {
      const fromScn = isFirst || piece.startScn === 0n ? round.startScn : toScn(piece.startScn - 1n);
      runs.push({ ...(isFirst ? first : whole), fromScn, toScn: reached > fromScn ? reached : fromScn });
    }
    lastPieceId = piece.pieceId;
  }
  return runs;
}
