// Whether the objects that a manifest names lie in its directory, whole.
import { fail } from '../base/errors.ts';
import type { Destination } from './destination.ts';

/** @throws BACKUP_FILE_NOT_EXIST (9011) for the first that is missing, BACKUP_DATA_CORRUPT (9010) for one of another length */
export async function checkObjects(
  destination: Destination,
  directory: string,
  objects: ReadonlyArray<{ name: string; size: number }>,
): Promise<void> {
  const found = new Map((await destination.list(directory)).map(({ name, sizeBytes }) => [name, sizeBytes]));
  for (const { name, size } of objects) {
    const object = `${directory}/${name}`;
    const sizeBytes = found.get(object);
    if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
    if (sizeBytes !== size)
      throw fail('BACKUP_DATA_CORRUPT', { object, because: `it has ${sizeBytes} bytes instead of ${size}` });
  }
}
