// A drill: a restore to a scratch file below the server's own directory. It is no tenant, so nobody can log in to it, and
// nothing archives it or backs it up; the file goes whatever comes of the drill, and at the next start at the latest.
import { statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { makeDirectory } from '../base/make-directory.ts';
import type { Rehearsal, RehearsalRequest } from '../model/rehearsal.ts';
import type { ValidateJob, ValidateTask } from '../model/validate-job.ts';

const DIRECTORY_MODE = 0o700;
/** What a database leaves or looks for beside its own file. */
const SIDE_ENDINGS = ['', '-wal', '-shm', '-journal'];
/** Stays free on the file system: the server's own records lie there, and perhaps tenants' databases. */
const RESERVE_BYTES = BigInt(256 * MIB);

/** Everything that drills of a server that is gone have left. */
export async function removeScratch(scratchDir: string): Promise<void> {
  await rm(scratchDir, { recursive: true, force: true });
}

async function removeFile(path: string): Promise<void> {
  for (const ending of SIDE_ENDINGS) await rm(`${path}${ending}`, { force: true });
}

/** @throws OUT_OF_DISK (4184) before a byte is written */
function checkRoom(scratchDir: string, bytes: bigint): void {
  const { bavail, bsize } = statfsSync(scratchDir, { bigint: true });
  const free = bavail * bsize;
  if (bytes + RESERVE_BYTES <= free) return;
  const what = `a drill needs ${bytes} bytes, and ${RESERVE_BYTES} stay free; ${free} are free at ${scratchDir}`;
  throw fail('OUT_OF_DISK', { what });
}

/** The destinations of a drill: one set alone, or everything that leads to the newest point. */
function urisOf({ uri, directory, archiveUri }: ValidateTask): string[] {
  if (directory !== '') return [`${uri}/${directory}`];
  return archiveUri === '' ? [uri] : [uri, archiveUri];
}

export type DrillParts = Pick<RehearsalRequest, 'dataKeyOf' | 'onTotal' | 'onProgress' | 'signal'> & {
  rehearse(request: RehearsalRequest): Promise<Rehearsal>;
  scratchDir: string;
};

/** @throws what a restore would; OUT_OF_DISK (4184) without room for the file */
export async function runDrill(
  { checkLevel }: ValidateJob,
  task: ValidateTask,
  { rehearse, scratchDir, ...parts }: DrillParts,
): Promise<Rehearsal> {
  const targetPath = join(scratchDir, `${task.tenantId}-${task.taskId}.db`);
  await makeDirectory(scratchDir, DIRECTORY_MODE);
  try {
    await removeFile(targetPath);
    return await rehearse({
      ...{ ...parts, uris: urisOf(task), untilScn: null, checkLevel, targetPath },
      onTotal: (bytes) => {
        checkRoom(scratchDir, bytes);
        parts.onTotal(bytes);
      },
    });
  } finally {
    await removeFile(targetPath);
  }
}

export function drillComment({ restoreScn, backupSetIds, pieceIds, pageCount, tableCount, ...of }: Rehearsal): string {
  const log = pieceIds.length > 0 ? ` and pieces ${pieceIds.join(', ')} (${of.commitCount} commits)` : '';
  const from = `restored to SCN ${restoreScn} from sets ${backupSetIds.join(', ')}${log}`;
  const notes = of.comment === '' ? '' : `; ${of.comment}`;
  return `${from}: ${pageCount} pages, ${tableCount} tables and indexes, as recorded and sound${notes}`;
}
