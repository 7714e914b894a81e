// Which copies of archived pieces a delete job takes. Pure.
import type { PieceCopy } from '../model/archive-copy.ts';

export interface CopyFacts {
  /** What copies of the archive hold, in any state. */
  copies: readonly PieceCopy[];
  /** Pieces that go now, and those that have gone where they lead. */
  doomed: ReadonlySet<number>;
  /** Destinations that are set and not suspended. What lies elsewhere is left alone. */
  presentDestIds: ReadonlySet<number>;
  /** Pieces that unfinished restores and validations read, wherever they do. */
  inUse: ReadonlySet<number>;
  nowNs: bigint;
}

/**
 * What copies hold of pieces that go, and of those that have gone where they were archived first: a copy that was away, or
 * locked longer, keeps them until a later job. At each copy they go from the oldest on, so that no hole is left before one
 * that stays.
 */
export function chooseCopies({ copies, doomed, presentDestIds, inUse, nowNs }: CopyFacts): PieceCopy[] {
  const mayGo = ({ pieceId, status, lockedUntilNs }: PieceCopy) =>
    doomed.has(pieceId) && status === 'FROZEN' && lockedUntilNs <= nowNs && !inUse.has(pieceId);
  return [...presentDestIds].flatMap((destId) => {
    const own = copies
      .filter((copy) => copy.destId === destId && copy.fileStatus !== 'DELETED')
      .toSorted((a, b) => a.pieceId - b.pieceId);
    const stays = own.findIndex((copy) => !mayGo(copy));
    return stays < 0 ? own : own.slice(0, stays);
  });
}
