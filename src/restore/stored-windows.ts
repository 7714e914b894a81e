// Restore windows of a tenant as its own rows in the store tell them: no destination is looked at.
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import { type BackupSet, backupSetDirectory } from '../model/backup-job.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { type LogRun, type PlanSet, restoreWindows } from './plan-restore.ts';
import type { RestoreWindow } from './restore-service.ts';

/** Pure: sets that can be used, over the log of each round that is still there. */
export function storedWindows(of: {
  sets: readonly BackupSet[];
  rounds: readonly ArchiveRound[];
  pieces: readonly ArchivePiece[];
  /** Fresher than the row of the newest round. */
  liveCheckpointScn: Scn | undefined;
}): RestoreWindow[] {
  const sets: PlanSet[] = of.sets
    .filter(({ status, fileStatus }) => status === 'SUCCESS' && fileStatus === 'AVAILABLE')
    .map(({ backupSetId, backupType, roundId, minRestoreScn }) => ({
      name: backupSetDirectory(backupSetId, backupType),
      backupSetId,
      roundId,
      // The documented earliest point of a set; what lies between it and the consistent point is no commit.
      consistentScn: minRestoreScn,
      minRestoreScn,
    }));
  const newestRoundId = Math.max(0, ...of.rounds.map(({ roundId }) => roundId));
  const runs = of.rounds.flatMap((round) => {
    const isNewest = round.roundId === newestRoundId;
    const live = isNewest && of.liveCheckpointScn !== undefined ? of.liveCheckpointScn : round.checkpointScn;
    const checkpointScn = live > round.checkpointScn ? live : round.checkpointScn;
    const pieces = of.pieces.filter(({ roundId }) => roundId === round.roundId);
    return runsOf({ ...round, checkpointScn }, pieces);
  });
  return restoreWindows({ sets, runs });
}

/** The stretches of a round whose pieces are all still there. */
function runsOf(round: ArchiveRound, pieces: readonly ArchivePiece[]): LogRun[] {
  const whole = { roundId: round.roundId, pieces: [], stoppedBy: null };
  if (pieces.length === 0) return [{ ...whole, fromScn: round.startScn, toScn: round.checkpointScn }];
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
      runs.push({ ...whole, fromScn, toScn: reached > fromScn ? reached : fromScn });
    }
    lastPieceId = piece.pieceId;
  }
  return runs;
}
