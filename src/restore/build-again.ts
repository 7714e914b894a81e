// Writes a restored file, and once more from the start when the log was moved while it was read, or when another copy of it
// may hold what one does not.
import { isFailure } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isAway } from '../destination/fall-over.ts';
import { type BuildRequest, type BuiltFile, buildFile, isOfLog } from './build-file.ts';
import { removeUnfinished } from './target-file.ts';

/**
 * The last piece of a plan may be frozen and compacted while it is read: then its log lies elsewhere in it. A page image
 * that is damaged is found when it is written: of several copies of the log each image is checked the second time.
 */
export async function buildFileAgain(request: BuildRequest, log: Log): Promise<BuiltFile> {
  const { seed, targetPath } = request;
  let because: string;
  let checksImages = false;
  try {
    return await buildFile(request);
  } catch (error) {
    const isCopied = (seed.log?.uris.length ?? 0) > 1;
    const isMoved = isFailure(error, 'BACKUP_FILE_NOT_EXIST') && isOfLog(error, seed);
    const isElsewhere = isCopied && (isOfLog(error, seed) || isAway(error));
    if (!isMoved && !isElsewhere) throw error;
    because = error.message;
    checksImages = isCopied;
    log.info('restore lists the log again', { targetPath, because });
  }
  request.signal.throwIfAborted();
  await removeUnfinished(targetPath);
  const built = await buildFile({ ...request, checksImages });
  return checksImages ? { ...built, remarks: [because, ...built.remarks] } : built;
}
