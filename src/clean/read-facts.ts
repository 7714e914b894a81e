// The facts that cleaning decides upon, from the store: at one moment, so that what is recorded on them holds.
import { pieceDirectory } from '../format/layout.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import { type BackupSet, backupSetDirectory, JOB_MOVES } from '../model/backup-job.ts';
import type { DeletePolicy } from '../model/delete-job.ts';
import { unfinished } from '../model/moves.ts';
import { RESTORE_MOVES } from '../model/restore-job.ts';
import { SCN_NONE, toScn } from '../model/scn.ts';
import { parseDurationUs } from '../model/size-text.ts';
import { VALIDATE_TASK_MOVES, type ValidateTaskStatus, type ValidateTaskType } from '../model/validate-job.ts';
import { archiveSlots } from '../store/archive-slots.ts';
import { dataPlaces, urisOfSet } from '../store/data-places.ts';
import type { Store } from '../store/store.ts';
import type { CopyFacts } from './choose-copies.ts';
import type { CleanFacts, PolicyAt, RestorableRanges } from './clean-facts.ts';
import { keptByLocks } from './locked.ts';
import { isUsable, withAncestors } from './set-chains.ts';

const NS_PER_US = 1_000n;
const UNFINISHED_BACKUP = unfinished(JOB_MOVES);
const UNFINISHED_RESTORE = unfinished(RESTORE_MOVES);
const BEING_READ = unfinished<ValidateTaskStatus>(VALIDATE_TASK_MOVES).filter((status) => status !== 'INIT');
/** Sets that may have been the newest when a drill looked: a tenant has a backup or two while it runs. */
const NEWEST_OF_DRILL = 3;

/** What unfinished work reads, by id, and in words. */
function inUse(
  store: Store,
  tenantId: number,
  { sets, pieces }: Pick<CleanFacts, 'sets' | 'pieces'>,
): Pick<CleanFacts, 'setsInUse' | 'piecesInUse'> {
  const setsInUse = new Map<number, string>();
  const piecesInUse = new Map<number, string>();
  const backups = UNFINISHED_BACKUP.flatMap((status) => store.backupJobs.find({ tenantId, status }));
  for (const job of backups) {
    if (!job.parent) continue;
    const { backupSetId } = job.parent;
    const parent = sets.filter((set) => set.backupSetId === backupSetId);
    for (const id of withAncestors(parent, sets).keys())
      setsInUse.set(id, `set ${job.backupSetId} is being built on it`);
  }
  for (const job of UNFINISHED_RESTORE.flatMap((status) => store.restoreJobs.find({ status }))) {
    const because = `tenant ${job.restoreTenantName} is being restored from it`;
    const read = new Set([...job.backupSetList, ...job.backupPieceList]);
    for (const set of sets) {
      const { backupSetId, backupType } = set;
      const directory = backupSetDirectory(backupSetId, backupType);
      if (urisOfSet(store, set).some((uri) => read.has(`${uri}/${directory}`))) setsInUse.set(backupSetId, because);
    }
    for (const piece of [...pieces, ...store.pieceCopies.find({ tenantId })])
      if (read.has(`${piece.uri}/${pieceDirectory(piece)}`)) piecesInUse.set(piece.pieceId, because);
  }
  for (const { taskType, objectId } of BEING_READ.flatMap((status) => store.validateTasks.find({ tenantId, status }))) {
    if (taskType === 'BACKUP PIECE') piecesInUse.set(objectId, 'it is being validated');
    else
      for (const id of withAncestors(setsOfTask(taskType, objectId, sets), sets).keys())
        setsInUse.set(id, taskType === 'TENANT' ? 'a drill is restored from it' : 'it is being validated');
  }
  return { setsInUse, piecesInUse };
}

/** A drill at the newest point begins with the newest set that was whole when it looked: that, or one that came since. */
function setsOfTask(taskType: ValidateTaskType, objectId: number, sets: readonly BackupSet[]): BackupSet[] {
  if (taskType === 'BACKUP SET') return sets.filter(({ backupSetId }) => backupSetId === objectId);
  return sets
    .filter(isUsable)
    .toSorted((a, b) => b.backupSetId - a.backupSetId)
    .slice(0, NEWEST_OF_DRILL);
}

export function readFacts(
  store: Store,
  tenantId: number,
  { ranges, nowNs }: { ranges: RestorableRanges; nowNs: bigint },
): CleanFacts {
  const sets = store.backupSets.find({ tenantId });
  const pieces = store.pieces.find({ tenantId });
  const locked = keptByLocks({ sets, pieces }, nowNs);
  const used = inUse(store, tenantId, { sets, pieces });
  return {
    sets,
    pieces,
    dataUris: new Set(dataPlaces(store, tenantId).map(({ uri }) => uri)),
    archiveUris: new Set(archiveSlots(store, tenantId).map(({ uri }) => uri)),
    setsInUse: new Map([...locked.setsInUse, ...used.setsInUse]),
    piecesInUse: new Map([...locked.piecesInUse, ...used.piecesInUse]),
    ranges,
  };
}

/** @param of.pieces those that go where they lead */
export function readCopyFacts(
  store: Store,
  tenantId: number,
  { pieces, nowNs }: { pieces: readonly ArchivePiece[]; nowNs: bigint },
): CopyFacts {
  const gone = store.pieces.find({ tenantId, fileStatus: 'DELETED' });
  const present = archiveSlots(store, tenantId).filter(({ state }) => state === 'ENABLE');
  return {
    copies: store.pieceCopies.find({ tenantId }),
    doomed: new Set([...pieces, ...gone].map(({ pieceId }) => pieceId)),
    presentDestIds: new Set(present.map(({ destId }) => destId)),
    inUse: new Set(inUse(store, tenantId, { sets: [], pieces: [] }).piecesInUse.keys()),
    nowNs,
  };
}

/** A policy as it is at a moment. A window that reaches back before the epoch holds everything. */
export function policyAt(policy: DeletePolicy, nowNs: bigint): PolicyAt {
  if (policy.recoveryWindow === null) return { ...policy, windowStartScn: null };
  const windowNs = (parseDurationUs(policy.recoveryWindow) ?? 0n) * NS_PER_US;
  // A window of no length promises nothing, and lets nothing go. @source OceanBase 4.3.3, §2.10
  const startNs = windowNs === 0n || windowNs > nowNs ? SCN_NONE : nowNs - windowNs;
  return { ...policy, windowStartScn: toScn(startNs) };
}
