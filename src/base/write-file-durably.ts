// Replaces a small file of the server's own: after a crash there is the old one or the new one, whole.
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory } from './make-directory.ts';

/** Of temporary files; one that a crash left is overwritten by the next write. */
export const TEMPORARY_ENDING = '.tmp';

/**
 * Durable when it resolves. The directory is made when it is not there.
 * @param ending of the temporary file beside it; writers that may write at once need different ones
 */
export async function writeFileDurably(path: string, bytes: Uint8Array, ending = TEMPORARY_ENDING): Promise<void> {
  const directory = dirname(path);
  await makeDirectory(directory, 0o700);
  const temporary = `${path}${ending}`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
