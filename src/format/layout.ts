// Names of everything on a destination, and back: directory names as in the OceanBase manual, contents ours.
// A parser accepts exactly the names that these functions make.
import { assert } from '../base/assert.ts';
import { type BackupType, backupSetDirectory } from '../model/backup-job.ts';

export const FORMAT_FILE_NAME = 'format.obbak';
const MANIFEST_NAME = 'single_backup_set_info.obbak';
const INDEX_STEM = 'index';
const PAGE_MAP_STEM = 'page_map';
/** Pack numbers of one attempt: more than a manifest can name. The first attempt has those from 1. */
const PACKS_PER_ATTEMPT = 1_000_000;
/** Pack numbers of more would not fit 32 bits. */
export const ATTEMPTS_MAX = 3999;
export const BACKUP_SETS_DIRECTORY = 'backup_sets';
const ROUNDS_DIRECTORY = 'rounds';
export const PIECES_DIRECTORY = 'pieces';
const CHECK_FILES_DIRECTORY = 'check_file';
export const LEASES_DIRECTORY = 'lease';
/** Digits of a generation in a name, so that names sort as generations do. */
const GENERATION_DIGITS = 10;
const PIECE_INFO_NAME = 'single_piece_info.obarc';
/** A tenant's log is one stream here; the field's number for a tenant's own first stream. */
const LOG_DIRECTORY = 'logstream_1/log';

const MOMENT = '(\\d{8}T\\d{6})';
const ID = '(0|[1-9]\\d{0,14})';
const TYPE = '(full|inc)';
/** Of objects of the second attempt at a set and those after it. */
const ATTEMPT = '(?:_([2-9]|[1-9]\\d{1,2}|[1-3]\\d{3}))?';
const PIECE = `piece_d${ID}r${ID}p${ID}`;
const SET = `backup_set_${ID}_${TYPE}`;

export interface SetRef {
  backupSetId: number;
  type: BackupType;
}
export interface RoundRef {
  destId: number;
  roundId: number;
}
export interface PieceRef extends RoundRef {
  pieceId: number;
}

/** `YYYYMMDDTHHMMSS` in UTC. */
function momentText(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
}

function idText(id: number): string {
  assert(Number.isSafeInteger(id) && id >= 0 && id < 1e15, `${id} is an id`);
  return String(id);
}

export function checkFileName(tenantId: number, ns: bigint): string {
  return `${CHECK_FILES_DIRECTORY}/${idText(tenantId)}_connect_file_${momentText(ns)}.obbak`;
}

/** @param generation from 1 */
export function leaseName(generation: number): string {
  const digits = idText(generation).padStart(GENERATION_DIGITS, '0');
  assert(generation > 0 && digits.length === GENERATION_DIGITS, `${generation} is the generation of a lease`);
  return `${LEASES_DIRECTORY}/${digits}.obbak`;
}

// ## Data destination

/** `backup_set_<n>_{full|inc}` */
export function setDirectory(set: SetRef): string {
  return backupSetDirectory(set.backupSetId, set.type);
}
export function manifestName(set: SetRef): string {
  return `${setDirectory(set)}/${MANIFEST_NAME}`;
}
/**
 * What an attempt at a set writes has names of its own, since where nothing can be removed what an attempt before it wrote
 * stays. The manifest names the objects that count; its own name has no attempt: the first to have it is the set.
 * @param attempt from 1
 */
function ofAttempt(stem: string, attempt: number): string {
  assert(Number.isSafeInteger(attempt) && attempt >= 1 && attempt <= ATTEMPTS_MAX, `${attempt} is an attempt`);
  return attempt === 1 ? `${stem}.obbak` : `${stem}_${attempt}.obbak`;
}
/** @param attempt from 1, as of `ofAttempt` */
export function indexName(set: SetRef, attempt = 1): string {
  return `${setDirectory(set)}/${ofAttempt(INDEX_STEM, attempt)}`;
}
/** @param attempt from 1, as of `ofAttempt` */
export function pageMapName(set: SetRef, attempt = 1): string {
  return `${setDirectory(set)}/${ofAttempt(PAGE_MAP_STEM, attempt)}`;
}
/** The number before the first pack of an attempt. */
export function packNoBefore(attempt: number): number {
  assert(attempt >= 1 && attempt <= ATTEMPTS_MAX, `${attempt} is an attempt`);
  return (attempt - 1) * PACKS_PER_ATTEMPT;
}
/** Below the set's directory. */
export function packName(packNo: number): string {
  return `pack_${idText(packNo)}.obbak`;
}
/** Empty placeholder, so that a listing of one directory shows which sets were begun. */
export function setStartName(set: SetRef): string {
  return `${BACKUP_SETS_DIRECTORY}/${setDirectory(set)}_start.obbak`;
}
/** Empty placeholder: the set is complete. */
export function setEndName(set: SetRef, endNs: bigint): string {
  return `${BACKUP_SETS_DIRECTORY}/${setDirectory(set)}_end_success_${momentText(endNs)}.obbak`;
}
/**
 * Empty: the set is deleted, though its objects may still lie there, labelled for a rule of the bucket. Readers pass them
 * over.
 */
export function setDeletedName(set: SetRef): string {
  return `${BACKUP_SETS_DIRECTORY}/${setDirectory(set)}_deleted.obbak`;
}
/** Empty placeholder that shows the interval of a set. */
export function setIntervalName(set: SetRef, startNs: bigint, endNs: bigint): string {
  const directory = setDirectory(set);
  return `${directory}/${directory}_${momentText(startNs)}_${momentText(endNs)}.obbak`;
}

// ## Archive destination

function roundText({ destId, roundId }: RoundRef): string {
  return `round_d${idText(destId)}r${idText(roundId)}`;
}
export function roundStartName(round: RoundRef): string {
  return `${ROUNDS_DIRECTORY}/${roundText(round)}_start.obarc`;
}
export function roundEndName(round: RoundRef): string {
  return `${ROUNDS_DIRECTORY}/${roundText(round)}_end.obarc`;
}
/** `piece_d<dest>r<round>p<piece>` */
export function pieceDirectory({ destId, roundId, pieceId }: PieceRef): string {
  return `piece_d${idText(destId)}r${idText(roundId)}p${idText(pieceId)}`;
}
/** Where the segments of a piece lie. */
export function pieceLogDirectory(piece: PieceRef): string {
  return `${pieceDirectory(piece)}/${LOG_DIRECTORY}`;
}
/** Empty: the round is deleted, as of `setDeletedName`. */
export function roundDeletedName(round: RoundRef): string {
  return `${ROUNDS_DIRECTORY}/${roundText(round)}_deleted.obarc`;
}
/** Empty: the piece is deleted, as of `setDeletedName`. */
export function pieceDeletedName(piece: PieceRef): string {
  return `${PIECES_DIRECTORY}/${pieceDirectory(piece)}_deleted.obarc`;
}
export function pieceStartName(piece: PieceRef, startNs: bigint): string {
  return `${PIECES_DIRECTORY}/${pieceDirectory(piece)}_start_${momentText(startNs)}.obarc`;
}
/** Empty placeholder: the piece is frozen. */
export function pieceEndName(piece: PieceRef, endNs: bigint): string {
  return `${PIECES_DIRECTORY}/${pieceDirectory(piece)}_end_${momentText(endNs)}.obarc`;
}
export function pieceInfoName(piece: PieceRef): string {
  return `${pieceDirectory(piece)}/${PIECE_INFO_NAME}`;
}
/** Segment n, from 1, of a piece (or, with a set's directory, of the log inside a set). */
export function segmentName(directory: string, segmentNo: number): string {
  return `${directory}/${LOG_DIRECTORY}/${idText(segmentNo)}.obarc`;
}
/**
 * Compacted segment n, from 1 in a numbering of its own, of a frozen piece: the batches of several segments. It counts
 * only when the piece's list names it.
 */
export function compactedSegmentName(directory: string, segmentNo: number): string {
  return `${directory}/${LOG_DIRECTORY}/c${idText(segmentNo)}.obarc`;
}

// ## Back from names

export type ParsedName =
  | { kind: 'format-file' }
  | { kind: 'check-file'; tenantId: number; moment: string }
  | ({ kind: 'set-start' | 'set-deleted' } & SetRef)
  | { kind: 'lease'; generation: number }
  | ({ kind: 'set-start' } & SetRef)
  | ({ kind: 'set-end'; moment: string } & SetRef)
  | ({ kind: 'set-interval'; startMoment: string; endMoment: string } & SetRef)
  | ({ kind: 'manifest' } & SetRef)
  | ({ kind: 'index' | 'page-map'; attempt: number } & SetRef)
  | ({ kind: 'pack'; packNo: number } & SetRef)
  | ({ kind: 'set-segment'; segmentNo: number } & SetRef)
  | ({ kind: 'round-start' | 'round-end' | 'round-deleted' } & RoundRef)
  | ({ kind: 'piece-start' | 'piece-end'; moment: string } & PieceRef)
  | ({ kind: 'piece-info' | 'piece-deleted' } & PieceRef)
  | ({ kind: 'segment' | 'compacted-segment'; segmentNo: number } & PieceRef);

const exactly = (source: string) => new RegExp(`^${source}$`);
const setOf = (id: string, type: string): SetRef => ({
  backupSetId: Number(id),
  type: type === 'full' ? 'FULL' : 'INC',
});
const roundOf = (dest: string, round: string): RoundRef => ({ destId: Number(dest), roundId: Number(round) });
const pieceOf = (dest: string, round: string, piece: string): PieceRef => ({
  ...roundOf(dest, round),
  pieceId: Number(piece),
});

/** Each name's shape and what its captures mean; a backreference in a shape makes both parts name the same thing. */
const SHAPES: Array<[RegExp, (...captures: string[]) => ParsedName]> = [
  [exactly('format\\.obbak'), () => ({ kind: 'format-file' })],
  [
    exactly(`check_file/${ID}_connect_file_${MOMENT}\\.obbak`),
    (tenantId, moment) => ({ kind: 'check-file', tenantId: Number(tenantId), moment: moment! }),
  ],
  [
    exactly(`${LEASES_DIRECTORY}/(?!0{${GENERATION_DIGITS}})(\\d{${GENERATION_DIGITS}})\\.obbak`),
    (generation) => ({ kind: 'lease', generation: Number(generation) }),
  ],
  [exactly(`backup_sets/${SET}_start\\.obbak`), (id, type) => ({ kind: 'set-start', ...setOf(id!, type!) })],
  [exactly(`backup_sets/${SET}_deleted\\.obbak`), (id, type) => ({ kind: 'set-deleted', ...setOf(id!, type!) })],
  [
    exactly(`backup_sets/${SET}_end_success_${MOMENT}\\.obbak`),
    (id, type, moment) => ({ kind: 'set-end', ...setOf(id!, type!), moment: moment! }),
  ],
  [
    exactly(`${SET}/backup_set_\\1_\\2_${MOMENT}_${MOMENT}\\.obbak`),
    (id, type, start, end) => ({ kind: 'set-interval', ...setOf(id!, type!), startMoment: start!, endMoment: end! }),
  ],
  [exactly(`${SET}/single_backup_set_info\\.obbak`), (id, type) => ({ kind: 'manifest', ...setOf(id!, type!) })],
  [
    exactly(`${SET}/${INDEX_STEM}${ATTEMPT}\\.obbak`),
    (id, type, attempt) => ({ kind: 'index', ...setOf(id!, type!), attempt: Number(attempt ?? 1) }),
  ],
  [
    exactly(`${SET}/${PAGE_MAP_STEM}${ATTEMPT}\\.obbak`),
    (id, type, attempt) => ({ kind: 'page-map', ...setOf(id!, type!), attempt: Number(attempt ?? 1) }),
  ],
  [
    exactly(`${SET}/pack_${ID}\\.obbak`),
    (id, type, packNo) => ({ kind: 'pack', ...setOf(id!, type!), packNo: Number(packNo) }),
  ],
  [
    exactly(`${SET}/${LOG_DIRECTORY}/${ID}\\.obarc`),
    (id, type, no) => ({ kind: 'set-segment', ...setOf(id!, type!), segmentNo: Number(no) }),
  ],
  [exactly(`rounds/round_d${ID}r${ID}_start\\.obarc`), (d, r) => ({ kind: 'round-start', ...roundOf(d!, r!) })],
  [exactly(`rounds/round_d${ID}r${ID}_end\\.obarc`), (d, r) => ({ kind: 'round-end', ...roundOf(d!, r!) })],
  [exactly(`rounds/round_d${ID}r${ID}_deleted\\.obarc`), (d, r) => ({ kind: 'round-deleted', ...roundOf(d!, r!) })],
  [exactly(`pieces/${PIECE}_deleted\\.obarc`), (d, r, p) => ({ kind: 'piece-deleted', ...pieceOf(d!, r!, p!) })],
  [
    exactly(`pieces/${PIECE}_start_${MOMENT}\\.obarc`),
    (d, r, p, moment) => ({ kind: 'piece-start', ...pieceOf(d!, r!, p!), moment: moment! }),
  ],
  [
    exactly(`pieces/${PIECE}_end_${MOMENT}\\.obarc`),
    (d, r, p, moment) => ({ kind: 'piece-end', ...pieceOf(d!, r!, p!), moment: moment! }),
  ],
  [exactly(`${PIECE}/single_piece_info\\.obarc`), (d, r, p) => ({ kind: 'piece-info', ...pieceOf(d!, r!, p!) })],
  [
    exactly(`${PIECE}/${LOG_DIRECTORY}/${ID}\\.obarc`),
    (d, r, p, no) => ({ kind: 'segment', ...pieceOf(d!, r!, p!), segmentNo: Number(no) }),
  ],
  [
    exactly(`${PIECE}/${LOG_DIRECTORY}/c${ID}\\.obarc`),
    (d, r, p, no) => ({ kind: 'compacted-segment', ...pieceOf(d!, r!, p!), segmentNo: Number(no) }),
  ],
];

/** What an object is, by its name; undefined for a name that is not ours. */
export function parseObjectName(name: string): ParsedName | undefined {
  for (const [shape, build] of SHAPES) {
    const match = shape.exec(name);
    if (match) return build(...match.slice(1));
  }
  return undefined;
}

/** The set of a directory `backup_set_<n>_{full|inc}`; undefined for another name. */
export function parseSetDirectory(name: string): SetRef | undefined {
  const match = exactly(SET).exec(name);
  return match ? setOf(match[1]!, match[2]!) : undefined;
}

/** The piece of a directory `piece_d<dest>r<round>p<piece>`; undefined for another name. */
export function parsePieceDirectory(name: string): PieceRef | undefined {
  const match = exactly(PIECE).exec(name);
  return match ? pieceOf(match[1]!, match[2]!, match[3]!) : undefined;
}
