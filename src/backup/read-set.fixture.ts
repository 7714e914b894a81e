// Reads a whole backup set back through its index, from the destination alone: what a restore of it must yield.
import { createHash } from 'node:crypto';
import { readManifest, readPageMap, readSetIndex, setOwner, unlockSet } from '../destination/backup-set-reader.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { BackupSetIndex } from '../format/backup-set-index.ts';
import type { BackupSetManifest } from '../format/backup-set-manifest.ts';
import { liveRuns } from '../format/index-pages.ts';
import { manifestName, type SetRef, setDirectory } from '../format/layout.ts';
import { NO_PAGE_HASH, PageMap, pageHash } from '../format/page-map.ts';
import type { PageMapPoint } from '../format/page-map-file.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { BlockReader, type RestoredSet } from '../pipeline/block-reader.ts';

export interface WholeSet {
  manifest: BackupSetManifest;
  manifestBytes: Uint8Array;
  index: BackupSetIndex;
  point: PageMapPoint;
  /** The whole database. */
  bytes: Buffer;
}

/** @throws when anything of the set, or of those below it, is not as it says */
export async function readWholeSet(
  uri: string,
  ref: SetRef,
  of: { clusterUuid: string; tenantId: number; passwords?: string[] },
): Promise<WholeSet> {
  await using destination = openDestination(parseDestinationUri(uri));
  const open = async (one: SetRef) => {
    const { manifest, bytes } = await readManifest(destination, one, of);
    const dataKey = await unlockSet({ ref: one, manifest, manifestBytes: bytes }, of.passwords ?? []);
    const own = { destination: destination.spec, directory: setDirectory(one), owner: setOwner(manifest), dataKey };
    return { manifest, bytes, dataKey, own };
  };
  const { manifest, bytes: manifestBytes, dataKey, own } = await open(ref);
  const index = await readSetIndex(destination, { ref, manifest }, dataKey);
  const point = await readPageMap(destination, { ref, manifest }, dataKey);
  const sets: RestoredSet[] = [];
  for (const { backupSetId, backupType, manifestSha256, uuid } of manifest.sources) {
    const source = await open({ backupSetId, type: backupType });
    const isSame = createHash('sha256').update(source.bytes).digest().equals(manifestSha256);
    if (!isSame || source.manifest.set.uuid !== uuid) throw new Error(`${setDirectory(ref)} means another source`);
    sets.push(source.own);
  }
  const bytes = await readPages(index, [...sets, own]);
  checkMap(index, point.map, bytes);
  if (point.map.checksum !== manifest.engine.databaseChecksum) throw new Error(`${manifestName(ref)}: wrong checksum`);
  return { manifest, manifestBytes, index, point, bytes };
}

async function readPages(index: BackupSetIndex, sets: RestoredSet[]): Promise<Buffer> {
  const { pageSize, pageCount } = index;
  const bytes = Buffer.alloc(pageSize * pageCount);
  const reader = new BlockReader({ sets, logDestination: null });
  try {
    for (const [place, runs] of liveRuns(index).entries()) {
      if (runs.length === 0) continue;
      const block = index.entries[place]!;
      const plain = (await reader.read({ kind: 'set', setIndex: block.source, block, runs }))();
      for (const [at, page, count] of runs)
        bytes.set(plain.subarray(at * pageSize, (at + count) * pageSize), (page - 1) * pageSize);
    }
    return bytes;
  } finally {
    await reader.close();
  }
}

function checkMap({ pageSize, pageCount, skipPage }: BackupSetIndex, map: PageMap, bytes: Buffer): void {
  const hashes = BigUint64Array.from({ length: pageCount }, (_, i) =>
    i + 1 === skipPage ? NO_PAGE_HASH : pageHash(bytes.subarray(i * pageSize, (i + 1) * pageSize)),
  );
  const wrong = new PageMap(pageSize, hashes).changedSince(map);
  if (wrong.length > 0 || map.pageCount !== pageCount) throw new Error(`page map: page ${wrong[0]} is another`);
}
