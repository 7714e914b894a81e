// Whether the objects that a manifest names lie in its directory, whole.
import { fail } from '../base/errors.ts';
import type { Destination } from './destination.ts';
import { isAway } from './fall-over.ts';

/** @throws BACKUP_FILE_NOT_EXIST (9011) for the first that is missing, BACKUP_DATA_CORRUPT (9010) for one of another length */
export async function checkObjects(
  destination: Destination,
  directory: string,
  objects: ReadonlyArray<{ name: string; size: number }>,
): Promise<void> {
  await checkCopiedObjects([destination], directory, objects);
}

/**
 * The same of a directory that lies in several places: each object must lie whole in one of them.
 * @throws as `checkObjects`; what the first place says when none of them answers
 */
export async function checkCopiedObjects(
  places: readonly Destination[],
  directory: string,
  objects: ReadonlyArray<{ name: string; size: number }>,
): Promise<void> {
  const lists: Array<ReadonlyMap<string, number>> = [];
  let away: unknown;
  for (const place of places) {
    try {
      lists.push(new Map((await place.list(directory)).map(({ name, sizeBytes }) => [name, sizeBytes])));
    } catch (error) {
      if (!isAway(error)) throw error;
      away ??= error;
    }
  }
  if (lists.length === 0) throw away;
  for (const { name, size } of objects) {
    const object = `${directory}/${name}`;
    const sizes = lists.flatMap((list) => list.get(object) ?? []);
    if (sizes.includes(size)) continue;
    // What a place that is away holds is not known.
    if (away !== undefined) throw away;
    if (sizes.length === 0) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
    throw fail('BACKUP_DATA_CORRUPT', { object, because: `it has ${sizes[0]} bytes instead of ${size}` });
  }
}
