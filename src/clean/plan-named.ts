// Which named sets and pieces may be deleted, and why others may not. Pure.
// @source OceanBase 4.4.2, refusals of DELETE BACKUPSET and DELETE ARCHIVELOG_PIECE: `id=N(reason)`
import { type ArchivePiece, lastScnOf } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import type { CleanFacts } from './clean-facts.ts';
import { isUsable, withAncestors } from './set-chains.ts';

/** Objects in the order of deletion, or why they are refused: all of them, or none. */
export type Named<T> = { chosen: T[] } | { refused: string };

const refusal = (id: number, reason: string) => `id=${id}(${reason})`;

function answer<T>(found: ReadonlyArray<T | string>, order: (a: T, b: T) => number): Named<T> {
  const refused = found.filter((one): one is T & string => typeof one === 'string');
  if (refused.length > 0) return { refused: refused.join(', ') };
  return { chosen: (found as readonly T[]).toSorted(order) };
}

/** @param hasPolicy whether a delete policy cleans the tenant's present destination */
export function namedSets(ids: readonly number[], facts: CleanFacts, hasPolicy: boolean): Named<BackupSet> {
  const wanted = new Set(ids);
  const staying = facts.sets.filter((set) => isUsable(set) && !wanted.has(set.backupSetId));
  const neededBy = withAncestors(staying, facts.sets);
  const newestFull = facts.sets
    .filter((set) => facts.dataUris.has(set.uri) && set.backupType === 'FULL' && isUsable(set))
    .reduce((newest, { backupSetId }) => Math.max(newest, backupSetId), 0);
  const look = (id: number): BackupSet | string => {
    const set = facts.sets.find(({ backupSetId }) => backupSetId === id);
    if (!set) return refusal(id, 'get set failed');
    const { status, fileStatus } = set;
    if (status === 'DOING') return refusal(id, 'status=DOING');
    if (fileStatus === 'DELETED') return refusal(id, 'already deleted');
    const inUse = facts.setsInUse.get(id);
    if (inUse !== undefined) return refusal(id, inUse);
    const needer = neededBy.get(id);
    if (needer !== undefined && needer !== id) return refusal(id, `dependent by backup set id=${needer}`);
    if (!isUsable(set) || !facts.dataUris.has(set.uri)) return set;
    if (hasPolicy) return refusal(id, 'cannot delete backup set in current path when delete policy is set');
    if (newestFull === 0) return refusal(id, 'no full backup exists');
    if (id >= newestFull) return refusal(id, `newer than latest full backupset id=${newestFull}`);
    return set;
  };
  return answer([...wanted].map(look), (a, b) => b.backupSetId - a.backupSetId);
}

/** The first piece whose log a set still needs to lead anywhere, and that set; undefined when no set has log. */
function firstNeeded(facts: CleanFacts): { scn: bigint; backupSetId: number } | undefined {
  const oldest = facts.sets.filter(isUsable).toSorted((a, b) => (a.startReplayScn < b.startReplayScn ? -1 : 1))[0];
  return oldest && { scn: oldest.startReplayScn, backupSetId: oldest.backupSetId };
}

/** @param hasPolicy as of `namedSets` */
export function namedPieces(ids: readonly number[], facts: CleanFacts, hasPolicy: boolean): Named<ArchivePiece> {
  const wanted = new Set(ids);
  const needed = firstNeeded(facts);
  const there = facts.pieces.filter(({ fileStatus }) => fileStatus !== 'DELETED');
  const look = (id: number): ArchivePiece | string => {
    const piece = facts.pieces.find(({ pieceId }) => pieceId === id);
    if (!piece) return refusal(id, 'not exist');
    if (piece.fileStatus === 'DELETED') return refusal(id, 'already deleted');
    if (piece.status !== 'FROZEN') return refusal(id, 'is active piece');
    const inUse = facts.piecesInUse.get(id);
    if (inUse !== undefined) return refusal(id, inUse);
    const isOwn = facts.archiveUris.has(piece.uri);
    if (isOwn && hasPolicy)
      return refusal(id, 'cannot delete current writing backup/archive dest when delete policy is set');
    const smaller = there.find(({ pieceId, uri }) => uri === piece.uri && pieceId < id && !wanted.has(pieceId));
    if (smaller) return refusal(id, `smaller piece exists id=${smaller.pieceId}`);
    if (needed && lastScnOf(piece) >= needed.scn)
      return refusal(id, `dependent by backup set id=${needed.backupSetId}`);
    return piece;
  };
  return answer([...wanted].map(look), (a, b) => a.pieceId - b.pieceId);
}
