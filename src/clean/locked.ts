// What locks keep: a set or piece whose objects nobody may delete yet stays whole, and so does what it leans on. Pure.
import { lockEndText } from '../destination/locks.ts';
import type { CleanFacts } from './clean-facts.ts';
import { withAncestors } from './set-chains.ts';

/** As `CleanFacts`: by id, and why in words. */
export function keptByLocks(
  { sets, pieces }: Pick<CleanFacts, 'sets' | 'pieces'>,
  nowNs: bigint,
): Pick<CleanFacts, 'setsInUse' | 'piecesInUse'> {
  const setsInUse = new Map<number, string>();
  const piecesInUse = new Map<number, string>();
  const isLocked = (of: { lockedUntilNs: bigint; fileStatus: string }) =>
    of.lockedUntilNs > nowNs && of.fileStatus !== 'DELETED';
  for (const set of sets.filter(isLocked))
    for (const id of withAncestors([set], sets).keys()) {
      const what = id === set.backupSetId ? 'its objects are' : `set ${set.backupSetId}, which leans on it, is`;
      setsInUse.set(id, `${what} locked until ${lockEndText(set.lockedUntilNs)}`);
    }
  for (const piece of pieces.filter(isLocked))
    piecesInUse.set(piece.pieceId, `its objects are locked until ${lockEndText(piece.lockedUntilNs)}`);
  return { setsInUse, piecesInUse };
}
