// Carries out a rehearsal: the plan, the file and the checks of a restore, without a tenant. What it writes nobody can log
// in to, archive or back up, because it is never more than a file under a name of its own.
import { fail } from '../base/errors.ts';
import { setDirectory } from '../format/layout.ts';
import type { Rehearsal, RehearsalRequest } from '../model/rehearsal.ts';
import { storedLogKeys } from '../store/tenant-keys.ts';
import { buildFileAgain } from './build-again.ts';
import type { RestorePlan } from './plan-restore.ts';
import type { FoundRun } from './read-log.ts';
import { type FoundSet, type FoundSources, openAsSys } from './read-sources.ts';
import { joinRemarks } from './restore-remarks.ts';
import { seedOf } from './restore-seed.ts';
import type { RestoreDependencies } from './restore-worker.ts';

/** What a restore would use. */
export interface FoundPlan {
  sources: FoundSources;
  plan: RestorePlan<FoundSet, FoundRun>;
  /** The uri to open a destination by. */
  uriOf(shown: string): string;
}

/** Workers of a rehearsal: nobody waits for it. */
const WORKERS = 1;

/**
 * @param found what a restore of the request would use
 * @throws BACKUP_INVALID_PASSWORD (9047) for an encrypted set without its key; whatever a restore would
 */
export async function rehearse(
  deps: RestoreDependencies,
  request: RehearsalRequest,
  { sources, plan, uriOf }: FoundPlan,
): Promise<Rehearsal> {
  const { pipeline, driver, log } = deps;
  const openDestination = openAsSys(deps);
  const { checkLevel, targetPath, signal, onTotal, onProgress } = request;
  for (const { ref, manifest } of plan.sets) {
    const key = manifest.encryptionMode === 'NONE' ? undefined : request.dataKeyOf(ref.backupSetId);
    key?.fill(0);
    if (key === null)
      throw fail('BACKUP_INVALID_PASSWORD', { why: `${setDirectory(ref)} is encrypted and no password opened it` });
  }
  const seed = seedOf({ sources, plan, workers: WORKERS, check: checkLevel, uriOf });
  const built = await buildFileAgain(
    {
      ...{ seed, restoreScn: plan.restoreScn, targetPath, openDestination, pipeline, signal, onTotal, onProgress },
      check: (path, whenWritten) => driver.check(path, { level: checkLevel, whenWritten }),
      dataKeyOf: (backupSetId) => request.dataKeyOf(backupSetId),
      findKey: storedLogKeys(deps.store),
      isBackground: true,
    },
    log,
  );
  return {
    restoreScn: plan.restoreScn,
    backupSetIds: plan.sets.map(({ backupSetId }) => backupSetId),
    pieceIds: seed.log?.stretches.flatMap(({ pieces }) => pieces.map(({ pieceId }) => pieceId)) ?? [],
    totalBytes: built.totalBytes,
    pageCount: built.pageCount,
    tableCount: built.facts.tableCount,
    commitCount: built.commitCount,
    comment: joinRemarks([plan.comment, ...built.remarks]),
  };
}
