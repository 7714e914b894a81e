// Lets go of a tenant's capture in order, and records the rest when everything is archived and nothing has changed.
import { fail } from '../base/errors.ts';
import type { ArchiveRest } from '../store/records.ts';
import type { ArchiveContext } from './archive-context.ts';
import { filesAtRest, type Look, provesRest } from './files-at-rest.ts';
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
  const look = (): Look | undefined => {
    const files = tenant && use?.isOwn(tenant) ? filesAtRest(tenant.location) : undefined;
    return files && { files, atNs: clock.nowNs() };
  };
  const before = look();
  const { attached } = held;
  const isComplete = (await attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}))) ?? false;
  const isAnswered = attached?.log.pending === undefined;
  await held.close();
  // What is not archived to the end has to be attached again, whatever the files look like.
  if (!attached || !isComplete || !isAnswered || held.comment !== '' || !of.mayRest()) return null;
  const after = look();
  if (!before || !after || !provesRest(before, after)) return null;
  const { roundId, checkpointScn, inputBytes, outputBytes } = attached.log.round;
  const maxScn = attached.log.piece.maxScn;
  const rest = { tenantId, roundId, checkpointScn, maxScn, inputBytes, outputBytes, files: after.files.text };
  store.transaction(() => {
    store.archiveRests.remove({ tenantId });
    store.archiveRests.insert(rest);
  });
  return rest;
}
