// Which sets a data destination holds, by the names of its objects alone.
import { parseObjectName, type SetRef, setDirectory } from '../format/layout.ts';
import type { ObjectInfo } from './destination.ts';

/**
 * The complete sets among all objects of a destination: those with a manifest, but for those that were deleted and whose
 * objects only wait for a rule of their bucket.
 * @returns ascending by id
 */
export function completeSets(objects: readonly ObjectInfo[]): SetRef[] {
  const found = new Map<string, SetRef>();
  const deleted = new Set<string>();
  for (const { name } of objects) {
    const parsed = parseObjectName(name);
    if (parsed?.kind === 'manifest')
      found.set(setDirectory(parsed), { backupSetId: parsed.backupSetId, type: parsed.type });
    else if (parsed?.kind === 'set-deleted') deleted.add(setDirectory(parsed));
  }
  for (const directory of deleted) found.delete(directory);
  return [...found.values()].sort((a, b) => a.backupSetId - b.backupSetId);
}
