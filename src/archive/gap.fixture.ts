// For tests of repaired gaps: what a backup knows of a state, and what a restore makes of it with the log alone.
import { readFileSync } from 'node:fs';
import { writeFileDurably } from '../base/write-file-durably.ts';
import type { Destination } from '../destination/destination.ts';
import { PageMapRoll } from '../destination/roll-page-map.ts';
import { walkSince } from '../destination/walk-since.ts';
import { decodeImageBlock } from '../format/log-batch-table.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { encodePageMap, type PageMapPoint } from '../format/page-map-file.ts';
import type { Scn } from '../model/scn.ts';
import { storedLogKeys } from '../store/tenant-keys.ts';
import { TENANT_ID, type World } from './archive.fixture.ts';

/** What a backup has: every page at a point of a round. */
export interface KnownState {
  destId: number;
  roundId: number;
  scn: Scn;
  pages: Buffer[];
}

const PAGE_BYTES = 4096;
const splitPages = (file: Buffer) =>
  Array.from({ length: file.length / PAGE_BYTES }, (_, i) => file.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES));

/** Does what a backup does for the archive: copies a state and keeps its page map. */
export async function keepPageMap(world: World): Promise<KnownState> {
  const { store, archive } = world;
  const scn = await archive.flush(TENANT_ID);
  const pages = splitPages(readFileSync(world.tenant.location)).map((page) => Buffer.from(page));
  const { destId, roundId } = store.currentRound(TENANT_ID)!;
  await writePageMap(world, { roundId, scn, map: mapOf(pages) });
  return { destId, roundId, scn, pages };
}

export const mapOf = (pages: readonly Buffer[]) => new PageMap(PAGE_BYTES, BigUint64Array.from(pages, pageHash));

export async function writePageMap(world: World, point: PageMapPoint, path = world.pageMapPath): Promise<void> {
  const owner = { clusterUuid: world.store.cluster.uuid, tenantId: TENANT_ID, setUuid: '' };
  await writeFileDurably(path, encodePageMap(point, owner, null));
}

/**
 * Lays the log behind a known state over it, as a restore does, across repaired gaps.
 * @param from where it is read
 * @returns the database file
 */
export async function replay(world: World, known: KnownState, from: Destination = world.memory): Promise<Buffer> {
  const { store } = world;
  const pages = known.pages.slice();
  const roll = new PageMapRoll({ map: mapOf(pages), scn: known.scn });
  const owner = { clusterUuid: store.cluster.uuid, tenantId: TENANT_ID, findKey: storedLogKeys(store) };
  const toRoundId = store.currentRound(TENANT_ID)!.roundId;
  let staged: Array<[page: number, image: Buffer]> = [];
  for await (const batch of walkSince(from, { ...known, toRoundId }, owner)) {
    roll.add(batch);
    const { object, header, table } = batch;
    if (!header.isContinued) staged = [];
    const images: Buffer[] = [];
    for (const block of table.blocks) {
      const stored = await from.get(object, { offset: block.offset, length: block.storedBytes });
      images.push(...splitPages(Buffer.from(decodeImageBlock(stored, block, object))));
    }
    for (const { scn, databasePages, firstImage, imageCount, isComplete } of table.commits) {
      if (scn <= known.scn) continue;
      for (let i = firstImage; i < firstImage + imageCount; i++) staged.push([table.pages[i]!, images[i]!]);
      if (!isComplete) continue;
      for (const [page, image] of staged.splice(0)) pages[page - 1] = image;
      pages.length = databasePages;
    }
  }
  if (roll.map.checksum !== mapOf(pages).checksum || roll.map.pageCount !== pages.length)
    throw new Error('the rolled page map is not that of the pages');
  return Buffer.concat(pages);
}
