// Writes down what readings found: the ledger of each object, and which sets and pieces are broken. A row is BROKEN only
// when damage was proved, and until everything in it was read again and is sound.
import type { FileStatus } from '../model/archive-round.ts';
import { SCN_NONE } from '../model/scn.ts';
import type { ValidateLevel, ValidateTask, Verification } from '../model/validate-job.ts';
import type { Store } from '../store/store.ts';
import type { DamagedPlace } from './damage.ts';
import { recordFinding } from './validate-events.ts';
import type { Proof } from './validate-service.ts';

export type ReadObject = Pick<Verification, 'tenantId' | 'objectType' | 'objectId' | 'level' | 'uri'>;

/** What a task reads; of a copy with its path. */
export function objectOf(store: Store, { tenantId, taskType, objectId, level, uri }: ValidateTask): ReadObject {
  const path = pathInLedger(store, { tenantId, taskType, objectId, uri });
  return { tenantId, objectType: taskType, objectId, level, uri: path };
}

/** Where an object lies, for the ledger: '' where its own row says so; of a copy its path. */
export function pathInLedger(
  store: Store,
  { tenantId, taskType, objectId, uri }: Pick<ValidateTask, 'tenantId' | 'taskType' | 'objectId' | 'uri'>,
): string {
  if (taskType === 'TENANT') return '';
  const row =
    taskType === 'BACKUP SET'
      ? store.backupSets.get({ tenantId, backupSetId: objectId })
      : store.pieces.get({ tenantId, pieceId: objectId });
  return row?.uri === uri ? '' : uri;
}

/** What a reading was: by which job, when, and what it proved or why not. */
export interface Reading {
  jobId: number;
  nowNs: bigint;
  proof: Proof | { result: number; comment: string };
}

export function recordReading(store: Store, object: ReadObject, { jobId, nowNs, proof }: Reading): void {
  const before = store.verifications.get(object);
  const isProved = 'isProved' in proof && proof.isProved;
  const row: Verification = {
    ...{ ...object, jobId, lastNs: nowNs, comment: proof.comment, isProved },
    result: 'result' in proof ? proof.result : 0,
    provedNs: isProved ? nowNs : (before?.provedNs ?? null),
    provedScn: isProved ? proof.provedScn : (before?.provedScn ?? SCN_NONE),
  };
  if (before) store.verifications.change(object, row);
  else store.verifications.insert(row);
}

/** The row of a set or a piece at a destination takes another file status, if it still has the one that is expected. */
function changeStatus(store: Store, of: Finding, [from, to]: readonly [FileStatus, FileStatus]): void {
  const { tenantId, uri, place, nowNs } = of;
  const expected = { fileStatus: from, uri };
  const copy = 'set' in place && store.setCopies.find({ tenantId, uri, backupSetId: place.set.backupSetId })[0];
  if (copy && isCopyStatus(from) && isCopyStatus(to)) {
    const { backupSetId, destId } = copy;
    const isMoved = store.setCopies.update({ tenantId, backupSetId, destId }, { status: to }, { status: from });
    if (isMoved) recordFinding(store, nowNs, { tenantId, uri, place, fileStatus: to });
    return;
  }
  const isChanged =
    'set' in place
      ? store.backupSets.update({ tenantId, backupSetId: place.set.backupSetId }, { fileStatus: to }, expected)
      : changePiece(store, { tenantId, pieceId: place.piece.pieceId, uri }, { fileStatus: to }, expected);
  if (isChanged) recordFinding(store, nowNs, { tenantId, uri, place, fileStatus: to });
}

/** The row of a piece where it leads, or that of the copy at a path. */
function changePiece(
  { pieces, pieceCopies }: Store,
  { tenantId, pieceId, uri }: { tenantId: number; pieceId: number; uri: string },
  patch: { fileStatus: FileStatus },
  expected: { fileStatus: FileStatus; uri: string },
): boolean {
  const copy = pieceCopies.find({ tenantId, pieceId, uri })[0];
  if (!copy) return pieces.update({ tenantId, pieceId }, patch, expected);
  return pieceCopies.update({ tenantId, pieceId, destId: copy.destId }, patch, expected);
}

const isCopyStatus = (status: FileStatus) => status === 'AVAILABLE' || status === 'BROKEN';

/** What was found out of a set or piece at a destination. */
interface Finding {
  tenantId: number;
  uri: string;
  place: DamagedPlace;
  nowNs: bigint;
}

export function markBroken(store: Store, of: Finding): void {
  changeStatus(store, of, ['AVAILABLE', 'BROKEN']);
}

/** Everything in a broken set or piece was read and is sound: somebody has mended it. */
export function markMended(store: Store, of: Finding): void {
  changeStatus(store, of, ['BROKEN', 'AVAILABLE']);
}

/** Levels that look at every byte of an object. */
export const readsEverything = (level: ValidateLevel): boolean => level !== 'basic';
