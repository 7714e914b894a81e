// Rounds and pieces as the views of the log archive show them: of each destination, with live figures. A live figure may be
// ahead of the stored row, never behind it.
import { FIRST_DEST_NO, type RoundCopy } from '../model/archive-copy.ts';
import { type ArchivePiece, type ArchiveRound, isRoundRunning, PIECE_MOVES } from '../model/archive-round.ts';
import { isFinal } from '../model/moves.ts';
import { later, type Scn } from '../model/scn.ts';
import type { ViewReader } from './view-reader.ts';

const earlier = (a: Scn, b: Scn): Scn => (a < b ? a : b);
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Rows by a key; none for a key that no row has. */
export function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): (key: string) => readonly T[] {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return (key) => groups.get(key) ?? [];
}

/** Slots by tenant and destination; a path that is set no more counts as LOG_ARCHIVE_DEST. */
function destNos({ store, where }: ViewReader): (of: { tenantId: number; destId: number }) => number {
  const copies = store.archiveCopyDests.find(where);
  const numbers = new Map(copies.map(({ tenantId, destId, destNo }) => [`${tenantId}/${destId}`, destNo]));
  return ({ tenantId, destId }) => numbers.get(`${tenantId}/${destId}`) ?? FIRST_DEST_NO;
}

/** Bytes of deleted pieces, by tenant, round and destination. */
export function deletedBytes({ store, where }: ViewReader): (round: ArchiveRound) => { input: bigint; output: bigint } {
  const sums = new Map<string, { input: bigint; output: bigint }>();
  const keyOf = (of: ArchiveRound | ArchivePiece) => `${of.tenantId}/${of.roundId}/${of.destId}`;
  const deleted = { ...where, fileStatus: 'DELETED' as const };
  for (const piece of [...store.pieces.find(deleted), ...store.pieceCopies.find(deleted)]) {
    const key = keyOf(piece);
    const sum = sums.get(key) ?? { input: 0n, output: 0n };
    sums.set(key, { input: sum.input + piece.inputBytes, output: sum.output + piece.outputBytes });
  }
  return (round) => sums.get(keyOf(round)) ?? { input: 0n, output: 0n };
}

/** The round with its live figures, if it is the one that runs. */
function freshRound(reader: ViewReader, round: ArchiveRound): ArchiveRound {
  const figures = isRoundRunning(round.status) ? reader.figures(round.tenantId) : undefined;
  if (!figures) return round;
  return {
    ...round,
    checkpointScn: later(round.checkpointScn, figures.checkpointScn),
    inputBytes: larger(round.inputBytes, figures.inputBytes),
    outputBytes: larger(round.outputBytes, figures.outputBytes),
    // The live one also says how much waits.
    comment: figures.comment || round.comment,
  };
}

export interface ShownRound {
  /** Of a copy: what that holds of it. */
  round: ArchiveRound & { destNo: number };
  /** Up to here everything counts as archived: MANDATORY copies have it too. Of a copy: its own checkpoint. */
  archivedScn: Scn;
  isCurrent: boolean;
  isCopy: boolean;
}

/** Every round that may be shown, by tenant and number, its copies behind it; the last one of a tenant is its current one. */
export function* shownRounds(reader: ViewReader): Generator<ShownRound> {
  const { store, where } = reader;
  const destNoOf = destNos(reader);
  const isMandatory = mandatoryCopies(reader);
  const copies = groupBy(store.roundCopies.find(where), ({ tenantId, roundId }) => `${tenantId}/${roundId}`);
  const all = store.rounds.find(where);
  for (const [index, round] of all.entries()) {
    const isCurrent = all[index + 1]?.tenantId !== round.tenantId;
    const shown = isCurrent ? freshRound(reader, round) : round;
    const own = copies(`${round.tenantId}/${round.roundId}`)
      .map((copy) => freshCopy(reader, copy))
      .toSorted((a, b) => a.destNo - b.destNo);
    const mandatory = isCurrent ? own.filter(isMandatory) : [];
    const archivedScn = mandatory.reduce((scn, copy) => earlier(scn, copy.checkpointScn), shown.checkpointScn);
    yield { round: { ...shown, destNo: destNoOf(round) }, archivedScn, isCurrent, isCopy: false };
    for (const copy of own) yield { round: copy, archivedScn: copy.checkpointScn, isCurrent, isCopy: true };
  }
}

/** Copies that are waited for. */
function mandatoryCopies({ store, where }: ViewReader): (copy: RoundCopy) => boolean {
  const waited = { binding: 'MANDATORY' as const, state: 'ENABLE' as const };
  const dests = [
    ...store.archiveCopyDests.find({ ...where, ...waited }),
    ...store.archiveDests.find({ ...where, ...waited }),
  ];
  const ids = new Set(dests.map(({ tenantId, destId }) => `${tenantId}/${destId}`));
  return ({ tenantId, destId }) => ids.has(`${tenantId}/${destId}`);
}

/** A copy with its live figures, while it is looked after. */
export function freshCopy(reader: ViewReader, copy: RoundCopy): RoundCopy {
  const live = reader.figures(copy.tenantId)?.copies?.find((one) => one.destId === copy.destId);
  if (!live || live.roundId !== copy.roundId) return copy;
  const { status, checkpointScn, inputBytes, outputBytes, comment } = live;
  return {
    ...{ ...copy, status, comment },
    checkpointScn: later(copy.checkpointScn, checkpointScn),
    inputBytes: larger(copy.inputBytes, inputBytes),
    outputBytes: larger(copy.outputBytes, outputBytes),
  };
}

/** The piece with its live figures, if it is being written. */
export function freshPiece(reader: ViewReader, piece: ArchivePiece): ArchivePiece {
  const figures = isFinal(PIECE_MOVES, piece.status) ? undefined : reader.figures(piece.tenantId);
  if (!figures) return piece;
  // The newest commit seen may still be on its way; only what is durable counts as archived.
  const archivedScn = earlier(figures.maxScn, figures.checkpointScn);
  return {
    ...piece,
    checkpointScn: later(piece.checkpointScn, earlier(figures.checkpointScn, piece.endScn)),
    maxScn: archivedScn < piece.startScn ? piece.maxScn : later(piece.maxScn, earlier(archivedScn, piece.endScn)),
  };
}

/** Every piece that may be shown, its copies behind it. */
export function* shownPieces(reader: ViewReader): Generator<ArchivePiece & { destNo: number }> {
  const { store, where } = reader;
  const destNoOf = destNos(reader);
  const copies = groupBy(store.pieceCopies.find(where), ({ tenantId, pieceId }) => `${tenantId}/${pieceId}`);
  for (const piece of store.pieces.find(where)) {
    yield { ...freshPiece(reader, piece), destNo: destNoOf(piece) };
    for (const copy of copies(`${piece.tenantId}/${piece.pieceId}`)) yield { ...copy, destNo: destNoOf(copy) };
  }
}
