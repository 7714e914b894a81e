// The tenant keys of a restore: which are at hand, whether they open the log, and what of them the new tenant gets.
// As in OceanBase a restored tenant has the keys of the one that it was, and goes on encrypting with the newest of them.
import { hexOf } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { type ArchivedPiece, readPieceInfo } from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import { listedSegments } from '../destination/counted-segments.ts';
import type { Destination } from '../destination/destination.ts';
import { isAway, mayLieElsewhere } from '../destination/fall-over.ts';
import { findCopied, type PieceCopy } from '../destination/list-copies.ts';
import type { ExportedKey } from '../format/key-file.ts';
import { manifestName, parsePieceDirectory } from '../format/layout.ts';
import { tenantKeyId } from '../format/tenant-key.ts';
import { type FindTenantKey, isTenantKeySlot, slotKeyId } from '../format/tenant-key-slot.ts';
import { openersOf } from '../model/backup-job.ts';
import type { Store } from '../store/store.ts';
import { findTenantKey, keepTenantKey, keysOf, openTenantKey } from '../store/tenant-keys.ts';
import type { OpenedLog } from './open-log.ts';
import type { RestorePlan } from './plan-restore.ts';
import type { FoundRun, LogOwner } from './read-log.ts';
import type { FoundSet } from './read-sources.ts';

type Plan = RestorePlan<FoundSet, FoundRun>;

/** Keys of the statement's file first, then those of the store. */
export function tenantKeysAtHand(store: Store, given: readonly ExportedKey[]): FindTenantKey {
  const named = new Map(given.map(({ key }) => [hexOf(tenantKeyId(key)), key]));
  return (keyId) => named.get(keyId)?.slice() ?? findTenantKey(store, keyId);
}

/**
 * Looks at the first batch and at the last segment of each stretch: whoever lacks a key is told at the statement. A key of
 * which neither says anything is missed when the log is read, and the job fails by that.
 * @throws BACKUP_INVALID_PASSWORD (9047) naming the piece and the key
 */
export async function checkLogKeys(
  { stretches }: Plan,
  of: { owner: LogOwner; openLog: () => OpenedLog; findKey: FindTenantKey },
): Promise<void> {
  if (stretches.length === 0) return;
  await using opened = of.openLog();
  const { pieces: lying } = await opened.list();
  for (const { pieces } of stretches) {
    const planned = pieces.flatMap(({ name }) => findCopied(lying, parsePieceDirectory(name)!)?.copies[0] ?? []);
    const [first, last] = [planned[0], planned.at(-1)];
    if (!first || !last) continue;
    const destinationOf = ({ place }: PieceCopy) => opened.places[place]!.destination;
    try {
      for await (const keyId of keyIdsIn(destinationOf(first), first.piece, of.owner)) {
        checkKey(keyId, first.piece, of.findKey);
        break;
      }
      const end = await lastSegment(destinationOf(last), last.piece);
      for await (const keyId of keyIdsIn(destinationOf(last), end, of.owner)) checkKey(keyId, last.piece, of.findKey);
    } catch (error) {
      // Damage is named by whoever reads all of the log, if it is met there, and so is a copy that went away.
      if (!mayLieElsewhere(error) || (isAway(error) && opened.places.length === 1)) throw error;
    }
  }
}

/** A piece as if it had no segment but its last one. */
async function lastSegment(destination: Destination, piece: ArchivedPiece): Promise<ArchivedPiece> {
  const segments = piece.isFrozen ? listedSegments(piece, await readPieceInfo(destination, piece)) : piece.segments;
  return { ...piece, isFrozen: false, segments: segments.slice(-1) };
}

/** The key of each batch; null for a plain one. */
async function* keyIdsIn(
  destination: Destination,
  piece: ArchivedPiece,
  owner: LogOwner,
): AsyncGenerator<string | null> {
  const options = { owner, acceptsClosed: true, acceptsDamagedTail: true };
  for await (const { header } of walkPiece(destination, piece, undefined, options))
    yield header.seal && hexOf(header.seal.keyId);
}

function checkKey(keyId: string | null, { directory }: ArchivedPiece, findKey: FindTenantKey): void {
  const key = keyId !== null && findKey(keyId);
  if (key === undefined)
    throw fail('BACKUP_INVALID_PASSWORD', {
      why: `the log in ${directory} is encrypted with the tenant key ${keyId}, which is not at hand`,
    });
  if (key) key.fill(0);
}

/** To the caller's transaction: the keys that the new tenant has from now on, and whether he goes on encrypting. */
export function inheritKeys(
  store: Store,
  of: { tenantId: number; plan: Plan; given: readonly ExportedKey[]; nowNs: bigint },
): void {
  const { tenantId, plan, given, nowNs } = of;
  // A key that comes from a file was exported: the file is there.
  for (const known of given) keepTenantKey(store, tenantId, { ...known, exportedNs: nowNs });
  if (given.length === 0) copyKeys(store, of);
  const { hasTenantKey } = openersOf(plan.set.manifest.encryptionMode);
  if (hasTenantKey && keysOf(store, tenantId).length > 0) store.setParameter(tenantId, 'tde_method', 'internal');
}

/** From whichever tenant of this store has the key that the chosen set names: the source, or one that was restored from it. */
function copyKeys(store: Store, of: { tenantId: number; plan: Plan }): void {
  const { manifest, ref } = of.plan.set;
  const slot = manifest.keySlots.find(isTenantKeySlot);
  if (slot === undefined) return;
  const keyId = slotKeyId(slot, { setUuid: manifest.set.uuid, object: manifestName(ref) });
  const [holder] = store.tenantKeys.find({ keyId });
  for (const record of holder ? keysOf(store, holder.tenantId) : []) {
    const key = openTenantKey(store, record);
    keepTenantKey(store, of.tenantId, { ...record, key });
    key.fill(0);
  }
}
