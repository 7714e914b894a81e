// Prints a backup set: its manifest, and what index and page map say of it. Of key slots only their cost is shown.
import { hexOf } from '../base/bytes.ts';
import { isFailure } from '../base/errors.ts';
import { listedObject, readManifest, readPageMap, readSetIndex, unlockSet } from '../destination/backup-set-reader.ts';
import { checksumText } from '../destination/roll-page-map.ts';
import type { BackupSetIndex, IndexEntry } from '../format/backup-set-index.ts';
import { pageAt } from '../format/backup-set-index.ts';
import {
  type BackupSetManifest,
  decodeManifest,
  MANIFEST_BYTES_MAX,
  manifestSha256,
} from '../format/backup-set-manifest.ts';
import { liveRuns } from '../format/index-pages.ts';
import { keySlotParameters } from '../format/key-slot.ts';
import { manifestName, packName, type SetRef, setDirectory } from '../format/layout.ts';
import { isTenantKeySlot, slotKeyId } from '../format/tenant-key-slot.ts';
import { type Inspection, ownerText, scnText } from './inspection.ts';
import { block, line } from './item.ts';

/** What of a set to print beside its manifest. */
export interface SetParts {
  hasObjects: boolean;
  hasIndex: boolean;
  hasPageMap: boolean;
}
export const ALL_PARTS: SetParts = { hasObjects: true, hasIndex: true, hasPageMap: true };

interface OpenedSet {
  ref: SetRef;
  manifest: BackupSetManifest;
  manifestBytes: Uint8Array;
}

export async function inspectSet(inspection: Inspection, ref: SetRef, parts: SetParts): Promise<void> {
  const read = await inspection.look(() => readChecked(inspection, ref));
  if (!read) return;
  const { manifest, bytes } = read;
  const set = { ref, manifest, manifestBytes: bytes };
  await printManifest(inspection, set);
  if (parts.hasObjects) await printObjects(inspection, set);
  await printSources(inspection, set);
  const dataKey = await unlock(inspection, set);
  if (dataKey === undefined) return;
  try {
    if (parts.hasIndex) {
      const index = await inspection.look(() => readSetIndex(inspection.destination, set, dataKey));
      if (index) await printIndex(inspection, set, index);
    }
    if (parts.hasPageMap) await printPageMap(inspection, set, dataKey);
  } finally {
    dataKey?.fill(0);
  }
}

/** By the format file's owner; where that is missing, a manifest can only be asked whether it is whole. */
async function readChecked(
  { destination, format }: Inspection,
  ref: SetRef,
): Promise<{ manifest: BackupSetManifest; bytes: Uint8Array }> {
  if (format) return await readManifest(destination, ref, format);
  const name = manifestName(ref);
  const length = Math.min((await destination.size(name)) ?? 0, MANIFEST_BYTES_MAX + 1);
  const { cluster, tenant } = decodeManifest(await destination.get(name, { offset: 0, length }), name);
  return await readManifest(destination, ref, { clusterUuid: cluster.uuid, tenantId: tenant.id });
}

async function printManifest(inspection: Inspection, { ref, manifest, manifestBytes }: OpenedSet): Promise<void> {
  const { set, engine, tenant, compatible } = manifest;
  const scn = (value: bigint) => scnText(value, tenant.timeZone);
  const facts = {
    ...ownerText(manifest),
    type: set.backupType,
    uuid: set.uuid,
    destId: set.destId,
    previous:
      set.prevIncBackupSetId === 0 ? null : `full set ${set.prevFullBackupSetId}, set before ${set.prevIncBackupSetId}`,
    roundId: set.roundId,
    consistentScn: scn(set.consistentScn),
    startReplayScn: scn(set.startReplayScn),
    minRestoreScn: scn(set.minRestoreScn),
    started: scn(set.startNs),
    ended: scn(set.endNs),
    plusArchivelog: set.isPlusArchivelog,
    engine: `${engine.engine} ${engine.version}`,
    database: `${engine.pageCount} pages of ${engine.pageSize} bytes, ${engine.tableCount} tables`,
    skipPage: engine.skipPage === 0 ? null : engine.skipPage,
    databaseChecksum: checksumText(engine.databaseChecksum),
    encryption: manifest.encryptionMode,
    keySlots: slotsText(manifest, ref),
    ownBlocks: manifest.blockCount,
    inputBytes: manifest.inputBytes,
    outputBytes: manifest.outputBytes,
    description: manifest.description === '' ? null : manifest.description,
    writtenBy: compatible.server,
    manifestSha256: hexOf(manifestSha256(manifestBytes)),
  };
  await inspection.print(block('backupSet', setDirectory(ref), facts));
}

/** What opens it: tenant keys by their ids, passwords by what a try costs. Neither salts nor wrapped keys help anybody but a guesser. */
function slotsText({ keySlots, set }: BackupSetManifest, ref: SetRef): string | null {
  if (keySlots.length === 0) return null;
  const of = { setUuid: set.uuid, object: manifestName(ref) };
  const openers = keySlots.map((slot) => {
    if (isTenantKeySlot(slot)) return `tenant key ${slotKeyId(slot, of)}`;
    const { n, r, p } = keySlotParameters(slot, of).cost;
    return `scrypt n=${n} r=${r} p=${p}`;
  });
  return `${keySlots.length}: ${openers.join(', ')}`;
}

async function printObjects(inspection: Inspection, { ref, manifest }: OpenedSet): Promise<void> {
  const directory = setDirectory(ref);
  const listed = await inspection.destination.list(directory);
  const sizes = new Map(listed.map(({ name, sizeBytes }) => [name, sizeBytes]));
  for (const { name, size, checksum } of manifest.objects) {
    await inspection.print(line('object', name, { bytes: size, xxh3: hexOf(checksum) }));
    const object = `${directory}/${name}`;
    const sizeBytes = sizes.get(object);
    if (sizeBytes === undefined) await inspection.damage(object, 'it is missing');
    else if (sizeBytes !== size) await inspection.damage(object, `it has ${sizeBytes} bytes instead of ${size}`);
  }
}

async function printSources(inspection: Inspection, { ref, manifest }: OpenedSet): Promise<void> {
  for (const source of manifest.sources) {
    const from = { backupSetId: source.backupSetId, type: source.backupType };
    const sha256 = Buffer.from(source.manifestSha256);
    const facts = { uuid: source.uuid, manifestSha256: sha256.toString('hex') };
    await inspection.print(line('source', setDirectory(from), facts));
    const owner = { clusterUuid: manifest.cluster.uuid, tenantId: manifest.tenant.id };
    const found = await inspection.look(() => readManifest(inspection.destination, from, owner));
    if (found && !sha256.equals(manifestSha256(found.bytes)))
      await inspection.damage(
        manifestName(ref),
        `${setDirectory(from)} is another set than the one it takes blocks from`,
      );
  }
}

/** null for a plain set, undefined for one that stays closed. */
async function unlock(inspection: Inspection, set: OpenedSet): Promise<Uint8Array | null | undefined> {
  try {
    return await inspection.look(() => unlockSet(set, inspection.choices.passwords));
  } catch (error) {
    if (!isFailure(error, 'BACKUP_INVALID_PASSWORD') && !isFailure(error, 'NOT_SUPPORTED')) throw error;
    // A set that stays closed is not damaged; what can be said of it was said.
    await inspection.print(line('closed', '', { because: error.message }));
    return undefined;
  }
}

/** What an index takes from one set. */
interface Share {
  blocks: number;
  storedBytes: number;
  livePages: number;
  packs: Set<number>;
}

async function printIndex(inspection: Inspection, set: OpenedSet, index: BackupSetIndex): Promise<void> {
  const { ref, manifest } = set;
  const { entries, sourceCount } = index;
  const object = `${setDirectory(ref)}/${listedObject(set, 'index').name}`;
  await inspection.print(
    block('index', object, { blocks: entries.length, pages: index.pageCount, sources: sourceCount }, 1),
  );
  const live = liveRuns(index);
  const shares = new Map<number, Share>();
  for (const [place, { source, storedBytes, packNo }] of entries.entries()) {
    const share = shares.get(source) ?? { blocks: 0, storedBytes: 0, livePages: 0, packs: new Set() };
    share.blocks++;
    share.storedBytes += storedBytes;
    share.packs.add(packNo);
    for (const [, , count] of live[place]!) share.livePages += count;
    shares.set(source, share);
  }
  for (const [source, { packs, ...share }] of shares) {
    const of = nameOfSource(ref, manifest, source);
    await inspection.print(line('blocksOf', of, { ...share, packs: packs.size }, 2));
  }
  const { page } = inspection.choices;
  if (page !== null) await printPagePlace(inspection, { ref, manifest, index, page });
}

function nameOfSource(ref: SetRef, { sources }: BackupSetManifest, place: number): string {
  const source = sources[place];
  return setDirectory(source ? { backupSetId: source.backupSetId, type: source.backupType } : ref);
}

/** A page belongs to the last entry that names it. */
async function printPagePlace(
  inspection: Inspection,
  of: { ref: SetRef; manifest: BackupSetManifest; index: BackupSetIndex; page: number },
): Promise<void> {
  const { page, index } = of;
  const entry = page <= index.pageCount ? index.entries.findLast((found) => holds(found, page)) : undefined;
  if (!entry) {
    await inspection.print(line('page', String(page), { lies: 'nowhere in this set' }, 2));
    return;
  }
  const { blockNo, packNo, offset, storedBytes } = entry;
  const pack = `${nameOfSource(of.ref, of.manifest, entry.source)}/${packName(packNo)}`;
  await inspection.print(line('page', String(page), { pack, blockNo, offset, storedBytes }, 2));
}

function holds(entry: IndexEntry, page: number): boolean {
  if (page < entry.firstPage || page > pageAt(entry, entry.pageCount - 1)) return false;
  return entry.pages === null || entry.pages.includes(page);
}

async function printPageMap(inspection: Inspection, set: OpenedSet, dataKey: Uint8Array | null): Promise<void> {
  const point = await inspection.look(() => readPageMap(inspection.destination, set, dataKey));
  if (!point) return;
  const { map, roundId, scn } = point;
  const facts = {
    pages: map.pageCount,
    pageSize: map.pageSize,
    databaseChecksum: checksumText(map.checksum),
    roundId,
    scn: scnText(scn, set.manifest.tenant.timeZone),
  };
  const object = `${setDirectory(set.ref)}/${listedObject(set, 'page-map').name}`;
  await inspection.print(block('pageMap', object, facts, 1));
  const { page } = inspection.choices;
  if (page !== null && page <= map.pageCount)
    await inspection.print(line('page', String(page), { hash: checksumText(map.get(page)) }, 2));
}
