// Before a restore reads the archive of a tenant that lives here: what the tenant has committed by now is made durable there,
// where it leads or at a copy.
import { setTimeout as pause } from 'node:timers/promises';
import { fail } from '../base/errors.ts';
import { archiveSlots } from '../store/archive-slots.ts';
import type { FoundSources } from './read-sources.ts';
import type { RestoreDependencies } from './restore-worker.ts';

/** How long a restore waits for the source tenant's archive to become durable to the present. */
const PRESENT_WAIT_MS_MAX = 30_000;
/** Between two looks at a round that is being stopped. */
const STOP_POLL_MS = 50;

/**
 * Also for a point that the running archive has reached: while nobody writes it goes on without an object that proves it.
 * @param of.isNewest what is restored is the newest point: it would silently become an older one. A given point is either
 *        already there or refused by the plan
 * @throws TIMEOUT (4012), or what stands in the way of archiving, for the newest point only
 */
export async function provePresent(
  { store, archive, log }: Pick<RestoreDependencies, 'store' | 'archive' | 'log'>,
  of: { owner: FoundSources['owner']; archiveUris: readonly string[]; isNewest: boolean },
): Promise<void> {
  const { tenantId, clusterUuid } = of.owner;
  const running = () => {
    const round = store.currentRound(tenantId);
    const uris = [round?.uri, ...archiveSlots(store, tenantId).map(({ uri }) => uri)];
    return uris.some((uri) => uri !== undefined && of.archiveUris.includes(uri)) ? round?.status : undefined;
  };
  if (clusterUuid !== store.cluster.uuid || !store.tenants.get({ tenantId })) return;
  const ended = new AbortController();
  const late = pause(PRESENT_WAIT_MS_MAX, undefined, { signal: ended.signal }).then(() => {
    throw fail('TIMEOUT', { what: 'the log archive of the source tenant did not become durable' });
  });
  try {
    // A round that is being stopped still archives to its end.
    while (running() === 'STOPPING') await Promise.race([pause(STOP_POLL_MS), late]);
    if (running() === 'DOING') await Promise.race([archive.flush(tenantId, { at: of.archiveUris }), late]);
  } catch (error) {
    if (of.isNewest) throw error;
    log.warn('the source of a restore could not be archived to the present', { tenantId, error });
  } finally {
    late.catch(() => undefined);
    ended.abort();
  }
}
