// Makes a directory and its missing parents, one after the other. Node's own recursive mkdir never returns where a file
// system answers ENOENT for a child of a directory that is there (/proc does).
import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';
const isThere = (error: unknown) => (error as NodeJS.ErrnoException).code === 'EEXIST';

/**
 * @param path absolute
 * @returns the directories that were made, the outermost first; empty when everything was there
 * @throws what the file system says
 */
export async function makeDirectory(path: string, mode: number): Promise<string[]> {
  const missing: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    try {
      await stat(at);
      break;
    } catch (error) {
      if (!isMissing(error) || dirname(at) === at) throw error;
      missing.unshift(at);
    }
  }
  for (const directory of missing) {
    await mkdir(directory, { mode }).catch((error: unknown) => {
      if (!isThere(error)) throw error;
    });
  }
  return missing;
}

/** The same without yielding: for what happens before a server serves anybody. */
export function makeDirectorySync(path: string, mode: number): void {
  if (statSync(path, { throwIfNoEntry: false })) return;
  if (dirname(path) !== path) makeDirectorySync(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!isThere(error)) throw error;
  }
}
