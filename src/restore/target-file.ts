// The database file of a restored tenant: written under a temporary name beside its place, given its name when it is
// complete and checked, never over anything that is there.
import { link, lstat, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '../base/errors.ts';
import { makeDirectory } from '../base/make-directory.ts';
import { syncDirectory } from '../destination/file-destination.ts';
import { codeOf } from '../destination/file-errors.ts';

const DIRECTORY_MODE = 0o700;
/** Files that a database leaves or looks for beside its own: an old one would be taken for part of a new database. */
const SIDE_ENDINGS = ['', '-wal', '-shm', '-journal'];
/** A file system without hard links answers so. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS']);

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** @throws ENTRY_EXISTS (4017) when the file or a file that would be taken for part of it is there */
export async function checkPlaceIsFree(location: string): Promise<void> {
  for (const ending of SIDE_ENDINGS) {
    if (await exists(`${location}${ending}`)) throw fail('ENTRY_EXISTS', { what: `${location}${ending}` });
  }
}

/** @throws INVALID_ARGUMENT (4002) when the directory of a path that the statement names is not there */
export async function checkDirectoryExists(location: string): Promise<void> {
  const directory = dirname(location);
  const found = await stat(directory).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (!found?.isDirectory())
    throw fail('INVALID_ARGUMENT', { what: `RESTORE … WITH location: there is no directory ${directory}` });
}

/** Makes the directory of a place that the server chose itself. */
export async function makeDirectoryFor(location: string): Promise<void> {
  for (const made of await makeDirectory(dirname(location), DIRECTORY_MODE)) await syncDirectory(dirname(made));
}

/** Removes the unfinished file and what an engine left beside it. Safe to repeat. */
export async function removeUnfinished(path: string): Promise<void> {
  for (const ending of SIDE_ENDINGS) await rm(`${path}${ending}`, { force: true });
}

/** Removes what an engine's check left beside a file that stays. */
export async function removeSideFiles(path: string): Promise<void> {
  for (const ending of SIDE_ENDINGS) if (ending !== '') await rm(`${path}${ending}`, { force: true });
}

/** Removes the tenant's own directory when it is empty; anything in it stays. */
export async function removeEmptyDirectory(location: string): Promise<void> {
  try {
    await rmdir(dirname(location));
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error;
  }
}

/** Tells one file from another; null when there is none. */
export async function fileId(path: string): Promise<string | null> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/** Gives a finished file its name, durably. @throws ENTRY_EXISTS (4017): nothing is ever overwritten */
export async function publishFile(temporary: string, location: string): Promise<void> {
  await checkPlaceIsFree(location);
  try {
    await link(temporary, location);
    await unlink(temporary);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw fail('ENTRY_EXISTS', { what: location }, { cause: error });
    if (!NO_LINKS.has(codeOf(error) ?? '') || (await exists(location))) throw error;
    await rename(temporary, location);
  }
  await syncDirectory(dirname(location));
}
