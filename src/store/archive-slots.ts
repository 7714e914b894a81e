// The destinations of a tenant's log archive: LOG_ARCHIVE_DEST and its copies, and which of them leads.
// A batch counts as archived when the leading destination has it; the others follow it.
import { type ArchiveCopyDest, FIRST_DEST_NO } from '../model/archive-copy.ts';
import { type ArchivePiece, isRoundRunning } from '../model/archive-round.ts';
import type { Store } from './store.ts';

/** One destination as it is set; `destNo` 0 is LOG_ARCHIVE_DEST. */
export type ArchiveSlot = ArchiveCopyDest;

/** Every destination that is set, by number. */
export function archiveSlots(store: Store, tenantId: number): ArchiveSlot[] {
  const first = store.archiveDests.get({ tenantId });
  const copies = store.archiveCopyDests.find({ tenantId });
  if (!first) return copies;
  const { destId, uri, binding, state } = first;
  return [{ tenantId, destNo: FIRST_DEST_NO, destId, uri, binding, state }, ...copies];
}

/**
 * The destination that leads: that of the tenant's newest round until it has stopped, then LOG_ARCHIVE_DEST. So a round
 * that repairs a gap goes on where the one before it lies.
 * @returns undefined when there is none
 */
export function leadingSlot(store: Store, tenantId: number): ArchiveSlot | undefined {
  const slots = archiveSlots(store, tenantId);
  const first = slots.find(({ destNo }) => destNo === FIRST_DEST_NO);
  const round = store.currentRound(tenantId);
  if (!round || !isRoundRunning(round.status)) return first;
  return slots.find(({ destId }) => destId === round.destId) ?? first;
}

/** The tenant's pieces as they lie at a path, where what leads or what follows keeps them. */
export function piecesAt({ pieces, pieceCopies }: Store, tenantId: number, uri: string): ArchivePiece[] {
  return [...pieces.find({ tenantId, uri }), ...pieceCopies.find({ tenantId, uri })].sort(
    (a, b) => a.pieceId - b.pieceId,
  );
}

/** The destinations that follow; while no round runs all of them may have one to finish. */
export function followingSlots(store: Store, tenantId: number): ArchiveSlot[] {
  const round = store.currentRound(tenantId);
  const slots = archiveSlots(store, tenantId);
  return round && isRoundRunning(round.status) ? slots.filter(({ destId }) => destId !== round.destId) : slots;
}
