// Tells damage of backups from everything else that can go wrong, and in which set or piece it lies. Pure.
import { isFailure } from '../base/errors.ts';
import { type PieceRef, parsePieceDirectory, parseSetDirectory, type SetRef } from '../format/layout.ts';

/** Whether an error says that objects are not what they should be: not that they can not be reached now. */
export function isDamage(error: unknown): boolean {
  return isFailure(error, 'BACKUP_DATA_CORRUPT') || isFailure(error, 'BACKUP_FILE_NOT_EXIST');
}

export type DamagedPlace = { set: SetRef } | { piece: PieceRef };

/** The set or piece whose object an error names; undefined for no damage, and for objects of neither. */
export function damagedPlace(error: unknown): DamagedPlace | undefined {
  const object = objectOf(error);
  for (const part of object.split('/')) {
    const set = parseSetDirectory(part);
    if (set) return { set };
    const piece = parsePieceDirectory(part);
    if (piece) return { piece };
  }
  return undefined;
}

function objectOf(error: unknown): string {
  if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return (error.facts as { object: string }).object;
  if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return (error.facts as { file: string }).file;
  return '';
}
