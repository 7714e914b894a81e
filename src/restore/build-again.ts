// Writes a restored file, and once more from the start when the log was moved while it was read.
import type { Log } from '../base/log.ts';
import { type BuildRequest, type BuiltFile, buildFile, isLogGone } from './build-file.ts';
import { removeUnfinished } from './target-file.ts';

/** The last piece of a plan may be frozen and compacted while it is read: then its log lies elsewhere in it. */
export async function buildFileAgain(request: BuildRequest, log: Log): Promise<BuiltFile> {
  try {
    return await buildFile(request);
  } catch (error) {
    if (!isLogGone(error, request.seed)) throw error;
    log.info('restore lists the log again', { targetPath: request.targetPath, because: error.message });
  }
  request.signal.throwIfAborted();
  await removeUnfinished(request.targetPath);
  return await buildFile(request);
}
