// Which failures of one copy are a reason to read another one, and how a failure tells in which copy it was met.
import { fail, type HoldfastError, isFailure } from '../base/errors.ts';

/** Whether a destination could not be asked at all. */
export function isAway(error: unknown): error is HoldfastError {
  return isFailure(error, 'BACKUP_DEST_NOT_CONNECT') || isFailure(error, 'BACKUP_PERMISSION_DENIED');
}

/** Whether an object is missing or not what it should be. */
export function isDamaged(error: unknown): error is HoldfastError {
  return isFailure(error, 'BACKUP_DATA_CORRUPT') || isFailure(error, 'BACKUP_FILE_NOT_EXIST');
}

/** Whether the same may be read from another copy. */
export function mayLieElsewhere(error: unknown): error is HoldfastError {
  return isAway(error) || isDamaged(error);
}

/** The same failure with the place of its object, where an object of that name lies in several. */
export function inPlace(error: unknown, uri: string): unknown {
  if (isFailure(error, 'BACKUP_DATA_CORRUPT')) {
    const { object, because } = error.facts as { object: string; because: string };
    return isPlaced(object) ? error : fail('BACKUP_DATA_CORRUPT', { object: `${uri}/${object}`, because });
  }
  if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) {
    const { file } = error.facts as { file: string };
    return isPlaced(file) ? error : fail('BACKUP_FILE_NOT_EXIST', { file: `${uri}/${file}` });
  }
  return error;
}

const isPlaced = (name: string) => name.includes('://');

/**
 * Reads something from the first copy that gives it.
 * @param onFailure told of each copy that did not, when another one is asked
 * @throws what the first copy said, when none gives it
 */
export async function readFirst<P, T>(
  copies: readonly P[],
  read: (copy: P) => Promise<T>,
  onFailure: (copy: P, error: HoldfastError) => void = () => {},
): Promise<T> {
  let first: HoldfastError | undefined;
  for (const [place, copy] of copies.entries()) {
    try {
      return await read(copy);
    } catch (error) {
      if (!mayLieElsewhere(error)) throw error;
      if (place < copies.length - 1) onFailure(copy, error);
      // Damage says more than a copy that is away.
      if (first === undefined || (isAway(first) && isDamaged(error))) first = error;
    }
  }
  throw first ?? fail('BACKUP_FILE_NOT_EXIST', { file: 'any copy' });
}
