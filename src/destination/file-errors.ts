// What the operating system says about a file destination, in the words of the error table.
import { fail, HoldfastError } from '../base/errors.ts';

const OUT_OF_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS', 'ELOOP']);

/** Code of an error of the operating system, `ENOENT`; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/**
 * The expected error for a failed operation on a destination.
 * @param uri as it may be shown
 * @param what the operation and its object, for example `write pieces/x`
 */
export function destinationFailure(error: unknown, uri: string, what: string): unknown {
  if (error instanceof HoldfastError) return error;
  const code = codeOf(error);
  // Anything that is no answer of the operating system is a bug and stays what it is.
  if (code === undefined) return error;
  if (OUT_OF_SPACE.has(code)) return fail('BACKUP_DEVICE_OUT_OF_SPACE', { uri }, { cause: error });
  const because = `${what}: ${code}`;
  if (DENIED.has(code)) return fail('BACKUP_PERMISSION_DENIED', { uri, because }, { cause: error });
  return fail('BACKUP_DEST_NOT_CONNECT', { uri, because }, { cause: error });
}
