// Closes a gap: finds every page that differs between the end of an earlier round and a held state of the database, and
// makes one commit of them. With it, copies of the earlier round's states lead into the new round.
import { fail, messageOf } from '../../base/errors.ts';
import { readKeptPageMap } from '../../format/kept-page-map.ts';
import type { PageMap } from '../../format/page-map.ts';
import type { Scn } from '../../model/scn.ts';
import type { CaptureRepair, LogOwner } from '../engine-driver.ts';
import type { LeadCommit } from './capture-batch.ts';
import type { CaptureConnections } from './capture-connections.ts';
import { HeldPages, scanPages } from './capture-pages.ts';
import type { FrozenState, Snapshots } from './capture-snapshot.ts';

const cannotStart = (because: string, cause?: unknown) => fail('CANNOT_START_LOG_ARCHIVE', { because }, { cause });

/**
 * Compares a held state with the page map of an earlier one.
 * @param of.frozen the state at the start of the round; held until the commit is durable
 * @returns the repairing commit, which reads its images from the held state, and the map of that state
 * @throws CANNOT_START_LOG_ARCHIVE when the earlier map can not be used; LOG_ARCHIVE_NOT_RUNNING when it was stopped
 */
export async function repairingCommit(of: {
  repair: CaptureRepair;
  frozen: FrozenState;
  scn: Scn;
  owner: LogOwner;
  snapshots: Snapshots;
  connections: CaptureConnections;
  isStopped: () => boolean;
}): Promise<{ commit: LeadCommit; map: PageMap }> {
  const { scn } = of;
  if (of.isStopped()) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
  const pages = new HeldPages(of.snapshots.describe(of.frozen), of.connections);
  const { pageSize, pageCount, skipPage } = pages.contents;
  const before = await readBase(of);
  if (before.pageSize !== pageSize)
    throw cannotStart(`the page size changed from ${before.pageSize} to ${pageSize}, so no page can be compared`);
  const map = await scanPages(pages, of.isStopped);
  if (!map) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
  const changed = map.changedSince(before).filter((page) => page !== skipPage);
  const commit: LeadCommit = {
    scn,
    databasePages: pageCount,
    checksum: map.checksum,
    pages: changed,
    hashes: BigUint64Array.from(changed, (page) => map.get(page)),
    read: (some) =>
      Array.from(some, (page) => {
        const image = Buffer.allocUnsafeSlow(pageSize);
        pages.read(page, image);
        return image;
      }),
  };
  return { commit, map };
}

async function readBase(of: { repair: CaptureRepair; owner: LogOwner }): Promise<PageMap> {
  const { pageMapPath } = of.repair;
  try {
    const found = await readKeptPageMap(pageMapPath, of.owner);
    if (found) return found.map;
  } catch (error) {
    throw cannotStart(`the page map of the round before can not be read: ${messageOf(error)}`, error);
  }
  throw cannotStart(`the page map ${pageMapPath} of the round before is gone`);
}
