// Lets go of a tenant's capture in order, and records the rest when everything is archived and nothing has changed.
import { fail } from '../base/errors.ts';
import type { ArchiveRest } from '../store/records.ts';
import type { ArchiveContext } from './archive-context.ts';
import { filesAtRest, isSettled } from './dormant-files.ts';
import type { HeldRound } from './held-round.ts';

/**
 * Detaches, archiving to the end as far as time allows.
 * @param of.mayRest asked when all is let go of: nobody has come meanwhile
 * @returns the durable record; null when the tenant has to be attached again to be archived
 */
export async function letRest(
  context: ArchiveContext,
  held: HeldRound,
  of: { tenantId: number; mayRest: () => boolean },
): Promise<ArchiveRest | null> {
  const { store, clock, use } = context;
  const { tenantId } = of;
  const tenant = store.tenants.get({ tenantId });
  const before = tenant && use?.isOwn(tenant) ? filesAtRest(tenant.location) : undefined;
  const { attached } = held;
  const isComplete = await attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
  await held.close();
  if (!tenant || !before || !attached || !isComplete || held.comment !== '' || !of.mayRest()) return null;
  const after = filesAtRest(tenant.location);
  if (after?.text !== before.text || !isSettled(after, clock.nowNs())) return null;
  const { roundId, checkpointScn, inputBytes, outputBytes } = attached.log.round;
  const maxScn = attached.log.piece.maxScn;
  const rest = { tenantId, roundId, checkpointScn, maxScn, inputBytes, outputBytes, files: after.text };
  store.transaction(() => {
    store.archiveRests.remove({ tenantId });
    store.archiveRests.insert(rest);
  });
  return rest;
}
