// Which objects a validation reads, and in which order. Pure.
import { pieceDirectory, setDirectory } from '../format/layout.ts';
import type { ArchivePiece, FileStatus } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import {
  VALIDATE_LEVELS,
  type ValidateLevel,
  type ValidateTask,
  type ValidateTaskType,
  type Verification,
} from '../model/validate-job.ts';

/** One object that is to be read. */
export type Target = Pick<
  ValidateTask,
  'taskType' | 'objectId' | 'directory' | 'uri' | 'pathType' | 'archiveUri' | 'destId' | 'roundId'
> & {
  /** As the store knows it. */
  bytes: bigint;
};

/** What lies at a destination: a broken object is read again, it may have been mended. */
const READABLE: ReadonlySet<FileStatus> = new Set(['AVAILABLE', 'BROKEN', 'INCOMPLETE']);

/** @param uri the destination; null for none, where nothing is to be read */
export function setTargets(sets: readonly BackupSet[], uri: string | null): Target[] {
  return sets
    .filter((set) => set.uri === uri && set.status === 'SUCCESS' && READABLE.has(set.fileStatus))
    .map((set) => ({
      ...{ taskType: 'BACKUP SET' as const, objectId: set.backupSetId, uri: set.uri, destId: set.destId, roundId: 0 },
      ...{ directory: setDirectory({ backupSetId: set.backupSetId, type: set.backupType }), bytes: set.outputBytes },
      ...{ pathType: 'BACKUP_DEST' as const, archiveUri: '' },
    }));
}

/** @param uris the destinations of the log: any of them may lead a round */
export function pieceTargets(pieces: readonly ArchivePiece[], uris: ReadonlySet<string>): Target[] {
  return pieces
    .filter((piece) => uris.has(piece.uri) && READABLE.has(piece.fileStatus))
    .map((piece) => ({
      ...{ taskType: 'BACKUP PIECE' as const, objectId: piece.pieceId, uri: piece.uri, destId: piece.destId },
      ...{ roundId: piece.roundId, directory: pieceDirectory(piece), bytes: piece.outputBytes },
      ...{ pathType: 'ARCHIVELOG_DEST' as const, archiveUri: '' },
    }));
}

/** When an object was last read at a level or a more thorough one; undefined for never. */
export function lastReadNs(
  ledger: readonly Verification[],
  of: { taskType: ValidateTaskType; objectId: number; level: ValidateLevel },
): bigint | undefined {
  const thorough = VALIDATE_LEVELS.slice(VALIDATE_LEVELS.indexOf(of.level));
  return ledger
    .filter((row) => row.objectType === of.taskType && row.objectId === of.objectId && thorough.includes(row.level))
    .reduce<bigint | undefined>((last, { lastNs }) => (last === undefined || lastNs > last ? lastNs : last), undefined);
}

/**
 * Those that were read longest ago, as many as fit: never read ones first, among them the oldest. One at least, so that an
 * object larger than the budget has its turn too.
 */
export function withinBudget(
  targets: readonly Target[],
  of: { ledger: readonly Verification[]; level: ValidateLevel; budgetBytes: bigint },
): Target[] {
  const { ledger, level, budgetBytes } = of;
  const aged = targets.map((target, place) => ({ target, place, lastNs: lastReadNs(ledger, { ...target, level }) }));
  aged.sort((a, b) => {
    const [readA, readB] = [a.lastNs ?? -1n, b.lastNs ?? -1n];
    return readA === readB ? a.place - b.place : readA < readB ? -1 : 1;
  });
  const chosen: Target[] = [];
  let bytes = 0n;
  for (const { target } of aged) {
    if (chosen.length > 0 && bytes + target.bytes > budgetBytes) break;
    bytes += target.bytes;
    chosen.push(target);
  }
  return chosen;
}
