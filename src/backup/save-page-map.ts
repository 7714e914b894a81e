// The page map that a backup has made, kept beside the server's own records too: a log archive that has to begin anew
// knows from it what every page was.
import { readFile } from 'node:fs/promises';
import { messageOf } from '../base/errors.ts';
import { writeFileDurably } from '../base/write-file-durably.ts';
import { decodePageMap, encodePageMap, type PageMapPoint } from '../format/page-map-file.ts';
import type { BackupDependencies } from './backup-dependencies.ts';

type Saving = Pick<BackupDependencies, 'store' | 'log' | 'pageMapPath'>;

/** Whether one state is later than another; rounds are never numbered anew. */
function isLater(a: Pick<PageMapPoint, 'roundId' | 'scn'>, b: Pick<PageMapPoint, 'roundId' | 'scn'>): boolean {
  return a.roundId !== b.roundId ? a.roundId > b.roundId : a.scn > b.scn;
}

/**
 * Keeps a page map unless a later one is kept. The capture of the tenant keeps its own there; should both write at
 * once, either is true, and the log leads on from it. It never fails: without it more of the database is read one day.
 */
export async function savePageMap(
  { store, log, pageMapPath }: Saving,
  tenantId: number,
  point: PageMapPoint,
): Promise<void> {
  const path = pageMapPath(tenantId);
  const owner = { clusterUuid: store.cluster.uuid, tenantId, setUuid: '' };
  try {
    const known = await readKept(path);
    if (known && isLater(decodePageMap(known, { object: path, owner, dataKey: null }), point)) return;
  } catch (error) {
    log.warn('page map is replaced', { tenantId, because: messageOf(error) });
  }
  try {
    // The capture writes there too, with a temporary file of its own.
    await writeFileDurably(path, encodePageMap(point, owner, null), '.backup');
  } catch (error) {
    log.error('page map was not kept', { tenantId, error });
  }
}

async function readKept(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
