// What several archive destinations hold, piece by piece: copies of one archive, or parts of it that were moved apart.
// Rounds and pieces are numbered once for a tenant, whatever destination they lie at.
import type { HoldfastError } from '../base/errors.ts';
import type { PieceRef, RoundRef } from '../format/layout.ts';
import { type ArchivedPiece, listPieces } from './archive-listing.ts';
import type { Destination } from './destination.ts';
import { isAway } from './fall-over.ts';

/** One archive destination of several. */
export interface LogPlace {
  destination: Destination;
  /** As messages name it. */
  shown: string;
  /** Only these pieces of it; null for all. */
  only: readonly PieceRef[] | null;
}

/** A piece as it lies at one of the places. */
export interface PieceCopy {
  /** Counts in the places. */
  place: number;
  piece: ArchivedPiece;
}

/** A piece wherever something of it lies. */
export interface CopiedPiece {
  roundId: number;
  pieceId: number;
  /** Frozen ones first, then by place; at least one. */
  copies: PieceCopy[];
}

/** The log at several places. */
export interface LogCopies {
  places: readonly LogPlace[];
  /** By round and id. */
  pieces: CopiedPiece[];
  /** Places that did not answer, and why. */
  away: Array<{ place: LogPlace; error: HoldfastError }>;
}

const isSamePiece = (a: Omit<PieceRef, 'destId'>, b: Omit<PieceRef, 'destId'>) =>
  a.roundId === b.roundId && a.pieceId === b.pieceId;

/** @throws what the places say when none of them answers */
export async function listCopies(places: readonly LogPlace[]): Promise<LogCopies> {
  const found = new Map<string, CopiedPiece>();
  const away: LogCopies['away'] = [];
  for (const [place, at] of places.entries()) {
    let pieces: ArchivedPiece[];
    try {
      pieces = await listPieces(at.destination);
    } catch (error) {
      if (!isAway(error)) throw error;
      away.push({ place: at, error });
      continue;
    }
    for (const piece of pieces) {
      if (at.only && !at.only.some((ref) => ref.destId === piece.destId && isSamePiece(ref, piece))) continue;
      const { roundId, pieceId } = piece;
      const copied = found.get(`${roundId}/${pieceId}`) ?? { roundId, pieceId, copies: [] };
      copied.copies.push({ place, piece });
      found.set(`${roundId}/${pieceId}`, copied);
    }
  }
  if (places.length > 0 && away.length === places.length) throw away[0]!.error;
  for (const { copies } of found.values()) {
    const hasNothing = ({ piece }: PieceCopy) => Number(!piece.isFrozen && piece.segments.length === 0);
    copies.sort((a, b) => Number(b.piece.isFrozen) - Number(a.piece.isFrozen) || hasNothing(a) - hasNothing(b));
  }
  const pieces = [...found.values()].sort((a, b) => a.roundId - b.roundId || a.pieceId - b.pieceId);
  return { places, pieces, away };
}

/** The same piece in a list of all; undefined when nothing of it lies anywhere. */
export function findCopied(pieces: readonly CopiedPiece[], ref: Omit<PieceRef, 'destId'>): CopiedPiece | undefined {
  return pieces.find((piece) => isSamePiece(piece, ref));
}

/** Name of the directory that stands for all copies. */
export function directoryOf({ copies }: CopiedPiece): string {
  return copies[0]!.piece.directory;
}

/** Each place and number that objects of a round lie at. */
export function roundPlaces(
  { places }: Pick<LogCopies, 'places'>,
  pieces: readonly CopiedPiece[],
): Array<{ place: LogPlace; ref: RoundRef }> {
  const destIds = new Set(pieces.flatMap(({ copies }) => copies.map(({ piece }) => piece.destId)));
  const roundId = pieces[0]!.roundId;
  return [...destIds].flatMap((destId) => places.map((place) => ({ place, ref: { destId, roundId } })));
}
