// The page map that a backup has made, kept beside the server's own records too: a log archive that has to begin anew
// knows from it what every page was.
import { messageOf } from '../base/errors.ts';
import { BACKUP_ENDING, readKeptPageMap, writeKeptPageMap } from '../format/kept-page-map.ts';
import type { PageMapPoint } from '../format/page-map-file.ts';
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
  const owner = { clusterUuid: store.cluster.uuid, tenantId };
  try {
    const known = await readKeptPageMap(path, owner);
    if (known && isLater(known, point)) return;
  } catch (error) {
    log.warn('page map is replaced', { tenantId, because: messageOf(error) });
  }
  try {
    await writeKeptPageMap(path, point, { owner, ending: BACKUP_ENDING });
  } catch (error) {
    log.error('page map was not kept', { tenantId, error });
  }
}
