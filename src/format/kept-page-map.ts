// The page maps that a server keeps of its tenants beside its own records: where they lie, read, written and removed.
// Archive, backup and the engine's capture share them, so they are here, below all three, though it touches files.
import { readFile, rm } from 'node:fs/promises';
import { TEMPORARY_ENDING, writeFileDurably } from '../base/write-file-durably.ts';
import type { ObjectOwner } from './object-key.ts';
import { decodePageMapInTurns, encodePageMapInTurns, type PageMapPoint } from './page-map-file.ts';

/** The capture of a tenant and a backup may write its map at once: each has a temporary file of its own. */
export const BACKUP_ENDING = '.backup';

/** Whose map it is. */
export type KeptMapOwner = Pick<ObjectOwner, 'clusterUuid' | 'tenantId'>;

const ownerOf = ({ clusterUuid, tenantId }: KeptMapOwner): ObjectOwner => ({ clusterUuid, tenantId, setUuid: '' });

/** The map that a repairing round starts from, beside the one at `path` that the engine keeps. */
export function basePageMapPath(path: string): string {
  return path.replace(/(\.map)?$/, '.base.map');
}

/**
 * Reads a kept page map.
 * @returns undefined when there is none
 * @throws BACKUP_DATA_CORRUPT (9010); what the file system says
 */
export async function readKeptPageMap(path: string, owner: KeptMapOwner): Promise<PageMapPoint | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return await decodePageMapInTurns(bytes, {
    object: `the page map of tenant ${owner.tenantId}`,
    owner: ownerOf(owner),
    dataKey: null,
  });
}

/**
 * Replaces a kept page map; durable when it resolves. The map is taken as it is at the call, whatever changes it later.
 * @param ending of the temporary file; writers that may write at once need different ones
 */
export async function writeKeptPageMap(
  path: string,
  point: PageMapPoint,
  of: { owner: KeptMapOwner; ending?: typeof BACKUP_ENDING },
): Promise<void> {
  const bytes = await encodePageMapInTurns(point, ownerOf(of.owner), null);
  await writeFileDurably(path, bytes, of.ending ?? TEMPORARY_ENDING);
}

/** The tenant is gone for good: its maps, and what writers left half done. */
export async function removeKeptPageMaps(path: string): Promise<void> {
  for (const map of [path, basePageMapPath(path)]) {
    for (const ending of ['', TEMPORARY_ENDING, BACKUP_ENDING]) await rm(`${map}${ending}`, { force: true });
  }
}
