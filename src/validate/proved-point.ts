// The newest point of a tenant that somebody has proved. Pure.
// A point is proved when it lies in a restore window and either
//   · a drill restored it, whatever it was made of; or
//   · every byte that a restore needs was read and found sound: a set, all sets before it up to its full one, and, without a
//     hole, the pieces of its own round from the set on up to the point (level physical, with the password of each set).
import type { ArchivePiece } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { later, SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { ValidateTaskType, Verification } from '../model/validate-job.ts';

export interface ProvedFacts {
  sets: readonly BackupSet[];
  pieces: readonly ArchivePiece[];
  ledger: readonly Verification[];
  /** What can be restored now. */
  windows: ReadonlyArray<{ fromScn: Scn; toScn: Scn }>;
}

/** How far the bytes of objects were proved, by kind and id. */
function provedByReading(ledger: readonly Verification[]): (type: ValidateTaskType, id: number) => Scn | undefined {
  const scns = new Map<string, Scn>();
  for (const { level, objectType, objectId, provedNs, provedScn } of ledger)
    if (level === 'physical' && provedNs !== null) scns.set(`${objectType} ${objectId}`, provedScn);
  return (type, id) => scns.get(`${type} ${id}`);
}

/** Whether a set and all sets before it up to its full one are there and proved. */
function isChainProved(
  set: BackupSet,
  byId: ReadonlyMap<number, BackupSet>,
  isProved: (id: number) => boolean,
): boolean {
  let at: BackupSet | undefined = set;
  for (;;) {
    if (at?.status !== 'SUCCESS' || at.fileStatus !== 'AVAILABLE' || !isProved(at.backupSetId)) return false;
    if (at.backupType === 'FULL') return true;
    const before: number = at.prevIncBackupSetId || at.prevFullBackupSetId;
    // Ids only fall along a chain: whatever the rows say, the walk ends.
    at = before < at.backupSetId ? byId.get(before) : undefined;
  }
}

/** The last point that a piece holds; what was committed at its end itself is in the next one. */
const endOf = ({ checkpointScn, endScn }: ArchivePiece): Scn =>
  checkpointScn < endScn ? checkpointScn : toScn(endScn - 1n);

/** How far proved log leads on from a set, through the pieces of its round. */
function reachedFrom(set: BackupSet, pieces: readonly ArchivePiece[], provedOf: (id: number) => Scn | undefined): Scn {
  const own = pieces.filter(({ roundId }) => roundId === set.roundId).sort((a, b) => a.pieceId - b.pieceId);
  const first = own.findLastIndex(({ startScn }) => startScn <= set.minRestoreScn);
  let reached = set.minRestoreScn;
  for (const [place, piece] of own.slice(Math.max(first, 0)).entries()) {
    const before = own[Math.max(first, 0) + place - 1];
    const follows = place === 0 ? first >= 0 : piece.pieceId === before!.pieceId + 1;
    const provedScn = provedOf(piece.pieceId);
    if (!follows || provedScn === undefined || piece.fileStatus !== 'AVAILABLE') return reached;
    reached = later(reached, provedScn);
    // It was read while it grew, and what came afterwards was not.
    if (piece.status !== 'FROZEN' || provedScn < endOf(piece)) return reached;
  }
  return reached;
}

/** SCN_NONE when nothing is proved. */
export function provedPoint({ sets, pieces, ledger, windows }: ProvedFacts): Scn {
  const proved = provedByReading(ledger);
  const byId = new Map(sets.map((set) => [set.backupSetId, set]));
  const isProved = (id: number) => proved('BACKUP SET', id) !== undefined;
  const drilled = ledger.filter(({ level, provedNs }) => level === 'restore' && provedNs !== null);
  const points = [
    ...drilled.map(({ provedScn }) => provedScn),
    ...sets
      .filter((set) => isChainProved(set, byId, isProved))
      .map((set) => reachedFrom(set, pieces, (id) => proved('BACKUP PIECE', id))),
  ];
  return points
    .filter((scn) => windows.some(({ fromScn, toScn }) => fromScn <= scn && scn <= toScn))
    .reduce(later, SCN_NONE);
}
