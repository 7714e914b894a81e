// Reads a backup set again. basic: its manifest, that every object lies there with its length, its index and page map, and
// that the sets it takes blocks from are the very ones. physical: every byte of its own objects besides.
import { hexOf, sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { readManifest, readPageMap, readSetIndex, setOwner } from '../destination/backup-set-reader.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import type { BackupSetIndex, IndexEntry } from '../format/backup-set-index.ts';
import { type BackupSetManifest, manifestSha256, verifyManifestMac } from '../format/backup-set-manifest.ts';
import { manifestName, packName, type SetRef, setDirectory } from '../format/layout.ts';
import type { BackupSet } from '../model/backup-job.ts';
import type { Pipeline, VerifyItem } from '../pipeline/pipeline.ts';
import type { Proof } from './validate-service.ts';

export interface SetCheck {
  destination: Destination;
  ref: SetRef;
  owner: { clusterUuid: string; tenantId: number };
  /** What the store says of it; undefined for a set at another destination. */
  row: BackupSet | undefined;
  /** A copy that the caller clears; null without a password, and for a set without encryption. */
  dataKey: Uint8Array | null;
  pipeline: Pick<Pipeline, 'verify'>;
  onTotal(bytes: bigint): void;
  onProgress(done: { bytes: number }): void;
  signal: AbortSignal;
}

interface Read {
  manifest: BackupSetManifest;
  /** null where it can not be read without the password. */
  index: BackupSetIndex | null;
}

/** @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object */
export async function checkSetBasic(check: SetCheck): Promise<Read> {
  const { destination, ref, owner, row, dataKey } = check;
  const { manifest, bytes } = await readManifest(destination, ref, owner);
  const object = manifestName(ref);
  if (row && manifest.set.consistentScn !== row.consistentScn) {
    const because = `it is of a set at SCN ${manifest.set.consistentScn} instead of ${row.consistentScn}`;
    throw fail('BACKUP_DATA_CORRUPT', { object, because });
  }
  check.onTotal(manifest.objects.reduce((sum, { size }) => sum + BigInt(size), 0n));
  if (dataKey) verifyManifestMac(bytes, dataKey, object);
  await checkObjects(destination, setDirectory(ref), manifest.objects);
  await checkSources(check, manifest);
  if (isClosed(manifest, dataKey)) return { manifest, index: null };
  const set = { ref, manifest };
  const index = await readSetIndex(destination, set, dataKey);
  await readPageMap(destination, set, dataKey);
  return { manifest, index };
}

/** Reads every byte of the set's own objects. @throws as `checkSetBasic` */
export async function checkSetPhysical(check: SetCheck, { manifest, index }: Read): Promise<void> {
  const { destination, ref, dataKey, pipeline, onProgress, signal } = check;
  await pipeline.verify({
    destination: destination.spec,
    set: { owner: setOwner(manifest), dataKey },
    items: itemsOf(ref, manifest, index),
    onProgress,
    signal,
  });
}

/** What of a set was proved, once nothing was found wrong. */
export function proofOfSet({ manifest }: Read, dataKey: Uint8Array | null): Proof {
  const isProved = !isClosed(manifest, dataKey);
  const comment = isProved
    ? ''
    : 'without its password it was not proved that its manifest is the one that was written, and that its index and blocks can be decrypted; what lies there is what the manifest says';
  return { provedScn: manifest.set.minRestoreScn, isProved, comment };
}

const isClosed = ({ encryptionMode }: BackupSetManifest, dataKey: Uint8Array | null) =>
  encryptionMode !== 'NONE' && dataKey === null;

/** The sets that hold blocks of this one must be the very sets that it was made on. */
async function checkSources({ destination, ref, owner }: SetCheck, { sources }: BackupSetManifest): Promise<void> {
  for (const source of sources) {
    const place = { backupSetId: source.backupSetId, type: source.backupType };
    const { bytes, manifest } = await readManifest(destination, place, owner);
    if (!sameBytes(manifestSha256(bytes), source.manifestSha256)) {
      const expected = hexOf(source.manifestSha256);
      const because = `${setDirectory(ref)} takes blocks from it and was made on another manifest, SHA-256 ${expected}`;
      throw fail('BACKUP_DATA_CORRUPT', { object: manifestName(place), because });
    }
    await checkObjects(destination, setDirectory(place), manifest.objects);
  }
}

function itemsOf(ref: SetRef, { objects }: BackupSetManifest, index: BackupSetIndex | null): VerifyItem[] {
  const packs = new Map<string, IndexEntry[]>();
  for (const entry of index?.entries ?? []) {
    if (entry.source !== index?.sourceCount) continue;
    const name = packName(entry.packNo);
    const own = packs.get(name) ?? [];
    own.push(entry);
    packs.set(name, own);
  }
  return objects.map(({ name, size, checksum }): VerifyItem => {
    const of = { object: `${setDirectory(ref)}/${name}`, sizeBytes: size, checksum };
    const blocks = packs.get(name);
    return blocks
      ? { kind: 'pack', ...of, packNo: blocks[0]!.packNo, blocks: blocks.map(blockOf) }
      : { kind: 'object', ...of };
  });
}

/** What a worker needs of an entry. */
function blockOf({ blockNo, packNo, offset, storedBytes, plainBytes, checksum }: IndexEntry) {
  return { blockNo, packNo, offset, storedBytes, plainBytes, checksum };
}
