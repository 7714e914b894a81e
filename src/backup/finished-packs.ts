// Packs of a full backup that were complete when its server died: what they hold of the present state stays, so that a
// large backup does not begin again from nothing.
import type { Destination } from '../destination/destination.ts';
import { removeIfAllowed } from '../destination/locks.ts';
import { type SetRef, setDirectory } from '../format/layout.ts';
import type { BlockEntry, KnownBlocks, PackEntry } from '../pipeline/pipeline.ts';
import type { FinishedPack } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/** What an earlier attempt left. */
export interface Leftover extends KnownBlocks {
  /** The set's own, which its blocks are bound to. */
  setUuid: string;
  /** Names of the objects. */
  names: ReadonlySet<string>;
}

export interface SetKey {
  tenantId: number;
  backupSetId: number;
}

/**
 * The packs that are recorded and still there whole; all others are forgotten.
 * @param of.setUuid what the set must have; null for any
 * @returns null when there are none
 * @throws the destination's errors
 */
export async function takeLeftover(
  store: Store,
  destination: Destination,
  of: { set: SetKey; ref: SetRef; setUuid: string | null },
): Promise<Leftover | null> {
  const { ref } = of;
  const rows = store.finishedPacks.find(of.set, { orderBy: 'packNo' });
  const setUuid = of.setUuid ?? rows[0]?.setUuid;
  const found: FinishedPack[] = [];
  for (const row of rows) {
    const isWhole = row.setUuid === setUuid && (await destination.size(objectOf(ref, row))) === row.sizeBytes;
    if (isWhole) found.push(row);
    else store.finishedPacks.remove({ ...of.set, packNo: row.packNo });
  }
  if (setUuid === undefined || found.length === 0) return null;
  return {
    setUuid,
    names: new Set(found.map((row) => objectOf(ref, row))),
    packs: found.map(({ packNo, name, sizeBytes, checksum }) => ({ packNo, name, sizeBytes, checksum })),
    blocks: found.flatMap(({ blocks }) => blocks),
  };
}

const objectOf = (ref: SetRef, { name }: { name: string }): string => `${setDirectory(ref)}/${name}`;

/** Removes the packs of an earlier attempt that hold nothing of the set, where that is allowed. Nobody else knows of them. */
export async function removeUnused(
  destination: Destination,
  of: { ref: SetRef; leftover: Leftover; used: readonly PackEntry[] },
): Promise<void> {
  const used = new Set(of.used.map((pack) => objectOf(of.ref, pack)));
  for (const name of of.leftover.names) if (!used.has(name)) await removeIfAllowed(() => destination.remove(name));
}

/** Remembers a pack that is durable at the destination. */
export function recordPack(
  store: Store,
  of: { set: SetKey; setUuid: string; pack: PackEntry; blocks: readonly BlockEntry[] },
): void {
  const { set, setUuid, pack, blocks } = of;
  store.finishedPacks.insert({ ...set, setUuid, ...pack, blocks });
}
