// Deletes the objects of one set or one piece, in an order in which a reader who comes at any moment, also behind a crash,
// finds either a whole object, or one that says itself that it is not.
import {
  BACKUP_SETS_DIRECTORY,
  manifestName,
  PIECES_DIRECTORY,
  type PieceRef,
  parseObjectName,
  pieceDeletedName,
  pieceDirectory,
  pieceInfoName,
  type RoundRef,
  roundDeletedName,
  roundEndName,
  roundStartName,
  type SetRef,
  setDeletedName,
  setDirectory,
  setStartName,
} from '../format/layout.ts';
import type { Destination } from './destination.ts';

/**
 * Where removing only labels objects, an object of its own says that what they are of is deleted: before the first of them
 * is labelled, and it is labelled last. May be repeated.
 */
async function deleteAs(destination: Destination, deletedName: string, remove: () => Promise<void>): Promise<void> {
  if (!destination.can.tagsRemoved) return await remove();
  if ((await destination.size(deletedName)) === undefined) await destination.put(deletedName, new Uint8Array(0));
  await remove();
  await destination.remove(deletedName);
}

/** Names below a directory of placeholders that mean the same object. */
async function placeholders(
  destination: Destination,
  directory: string,
  isMeant: (name: string) => boolean,
): Promise<string[]> {
  return (await destination.list(directory)).map(({ name }) => name).filter(isMeant);
}

/** What one object occupies. */
export interface Occupied {
  bytes: bigint;
  files: number;
}

export async function occupied(destination: Destination, directory: string): Promise<Occupied> {
  const objects = await destination.list(directory);
  return { bytes: objects.reduce((sum, { sizeBytes }) => sum + BigInt(sizeBytes), 0n), files: objects.length };
}

/**
 * A set is complete exactly when its manifest is there, so that goes first, behind the placeholder that shows the set as
 * complete. May be repeated.
 * @throws the destination's errors
 */
export async function deleteSet(destination: Destination, ref: SetRef): Promise<void> {
  const isEnd = (name: string) => {
    const parsed = parseObjectName(name);
    return parsed?.kind === 'set-end' && parsed.backupSetId === ref.backupSetId && parsed.type === ref.type;
  };
  await deleteAs(destination, setDeletedName(ref), async () => {
    for (const name of await placeholders(destination, BACKUP_SETS_DIRECTORY, isEnd)) await destination.remove(name);
    await destination.remove(manifestName(ref));
    await destination.removeAll(setDirectory(ref));
    await destination.remove(setStartName(ref));
  });
}

/**
 * As long as the list of a frozen piece is there, it says which segments are missing: it goes last. Without its start file
 * a piece of which nothing is left adds nothing to the log behind it. May be repeated.
 * @throws the destination's errors
 */
export async function deletePiece(destination: Destination, ref: PieceRef): Promise<void> {
  const isOf = (kind: 'piece-start' | 'piece-end') => (name: string) => {
    const parsed = parseObjectName(name);
    return (
      parsed?.kind === kind &&
      parsed.destId === ref.destId &&
      parsed.roundId === ref.roundId &&
      parsed.pieceId === ref.pieceId
    );
  };
  const info = pieceInfoName(ref);
  await deleteAs(destination, pieceDeletedName(ref), async () => {
    for (const name of await placeholders(destination, PIECES_DIRECTORY, isOf('piece-end')))
      await destination.remove(name);
    await destination.removeAll(pieceDirectory(ref), new Set([info]));
    for (const name of await placeholders(destination, PIECES_DIRECTORY, isOf('piece-start')))
      await destination.remove(name);
    await destination.remove(info);
    await destination.removeAll(pieceDirectory(ref));
  });
}

/** What is left of a round whose pieces are all gone. May be repeated. @throws the destination's errors */
export async function deleteRound(destination: Destination, ref: RoundRef): Promise<void> {
  await deleteAs(destination, roundDeletedName(ref), async () => {
    await destination.remove(roundStartName(ref));
    await destination.remove(roundEndName(ref));
  });
}
