// A short-lived child process for what touches a database file as a whole: make one, judge one for adoption, check a
// restored one. The server itself never opens a tenant's file, nor has SQLite on it.

import { access, chmod, constants, lstat, open, rm } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { endByKillOnly, serveParent } from '../../base/child-process.ts';
import { fail } from '../../base/errors.ts';
import { makeDirectory } from '../../base/make-directory.ts';
import { DatabaseSync, isSafeSqliteVersion } from '../../base/sqlite.ts';
import type { CheckLevel } from '../../model/check-level.ts';
import type { EngineFacts } from '../engine-driver.ts';

/** Page size of new tenants: SQLite's default, and the unit of every figure in the docs. */
const PAGE_SIZE_BYTES = 4096;

/** Findings of a check that an error shows; SQLite itself stops at 100. */
const FINDINGS_SHOWN_MAX = 3;

const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;
const READ_VERSION_AT = 19;
const WRITE_VERSION_AT = 18;
const WAL_VERSION = 2;

function one(db: DatabaseSync, sql: string): number | string {
  return Object.values(db.prepare(sql).get() as Record<string, number | string>)[0]!;
}

function factsOf(db: DatabaseSync): EngineFacts {
  const version = String(one(db, 'SELECT sqlite_version()'));
  if (!isSafeSqliteVersion(version))
    throw fail('ENGINE', { message: `SQLite ${version} can lose commits when it resets its log; 3.51.3 is needed` });
  return {
    pageSize: Number(one(db, 'PRAGMA page_size')),
    pageCount: Number(one(db, 'PRAGMA page_count')),
    engineVersion: `sqlite ${version}`,
    tableCount: Number(one(db, "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'index')")),
  };
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** The system's refusals in words for an operator; anything else is a bug. */
function asExpected(error: unknown, location: string): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const message = (error as Error).message;
  if (code === 'ENOSPC' || code === 'EDQUOT' || message === 'database or disk is full')
    return fail('OUT_OF_DISK', { what: location });
  if (['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(code) || code === 'ERR_SQLITE_ERROR')
    return fail('ENGINE', { message: `'${location}': ${message}` }, { cause: error });
  return error;
}

function fill(location: string): EngineFacts {
  const db = new DatabaseSync(location);
  db.exec(`PRAGMA page_size = ${PAGE_SIZE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
  // Two commits, so that page 1 exists and the log has begun; nothing of them is left in the database.
  db.exec('PRAGMA user_version = 1; PRAGMA user_version = 0');
  const facts = factsOf(db);
  // The only connection, and no archive yet: a proper close leaves one complete file.
  db.close();
  return facts;
}

async function create({ location }: { location: string }): Promise<EngineFacts> {
  await makeDirectory(dirname(location), 0o700);
  for (const path of [location, `${location}-wal`, `${location}-shm`, `${location}-journal`])
    if (await exists(path)) throw fail('ENTRY_EXISTS', { what: path });
  const file = await open(location, 'wx', 0o600);
  await file.close();
  try {
    const facts = fill(location);
    await chmod(location, 0o600);
    await syncPath(location);
    await syncPath(dirname(location));
    return facts;
  } catch (error) {
    await rm(location, { force: true });
    throw error;
  }
}

async function readHeader(location: string): Promise<Buffer> {
  const file = await open(location, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Why the file can not be adopted; undefined when nothing speaks against it. */
async function objection(location: string): Promise<string | undefined> {
  if (!isAbsolute(location)) return 'its path is not absolute';
  if (!(await exists(location))) return 'there is no such file';
  if (!(await lstat(location)).isFile()) return 'it is not a regular file';
  try {
    await access(location, constants.R_OK | constants.W_OK);
    await access(dirname(location), constants.W_OK);
  } catch {
    return 'the server may not read and write it and its directory';
  }
  const header = await readHeader(location);
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, MAGIC.length) !== MAGIC)
    return 'it is not a SQLite database, or it is encrypted';
  if (header[WRITE_VERSION_AT] !== WAL_VERSION || header[READ_VERSION_AT] !== WAL_VERSION)
    return 'its journal mode is not WAL; run PRAGMA journal_mode=WAL in it, then retry';
  return undefined;
}

/** Opens a file that no process writes, leaving nothing beside it. */
function openImmutable(location: string): DatabaseSync {
  return new DatabaseSync(`${pathToFileURL(location).href}?immutable=1`, { readOnly: true });
}

async function adopt({ location }: { location: string }): Promise<EngineFacts> {
  const because = await objection(location);
  if (because !== undefined) throw fail('ADOPT_REFUSED', { location, because });
  try {
    // Without a log nobody has it open. With one, an ordinary reader is needed to see what is committed there; as a
    // reader it changes nothing, and this process ends without closing it.
    const hasLog = await exists(`${location}-wal`);
    const db = hasLog ? new DatabaseSync(location, { readOnly: true, timeout: 5000 }) : openImmutable(location);
    return factsOf(db);
  } catch (error) {
    throw fail('ADOPT_REFUSED', { location, because: (error as Error).message }, { cause: error });
  }
}

const CHECKS = { quick: 'PRAGMA quick_check', full: 'PRAGMA integrity_check' };

function problemsOf(db: DatabaseSync, level: CheckLevel): string[] {
  if (level === 'none') return [];
  const rows = db.prepare(CHECKS[level]).all();
  return rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== 'ok');
}

function findings(location: string, level: CheckLevel): { facts: EngineFacts; problems: string[] } {
  const db = openImmutable(location);
  try {
    return { facts: factsOf(db), problems: problemsOf(db, level) };
  } finally {
    db.close();
  }
}

async function check({ location, level }: { location: string; level: CheckLevel }): Promise<EngineFacts> {
  try {
    const { facts, problems } = findings(location, level);
    if (problems.length === 0) return facts;
    throw fail('BACKUP_DATA_CORRUPT', {
      object: location,
      because: problems.slice(0, FINDINGS_SHOWN_MAX).join('; '),
    });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_SQLITE_ERROR') throw error;
    throw fail('BACKUP_DATA_CORRUPT', { object: location, because: (error as Error).message }, { cause: error });
  } finally {
    await rm(`${location}-wal`, { force: true });
    await rm(`${location}-shm`, { force: true });
  }
}

const expecting =
  <T extends { location: string }>(verb: (request: T) => Promise<EngineFacts>) =>
  async (request: T): Promise<EngineFacts> => {
    try {
      return await verb(request);
    } catch (error) {
      throw asExpected(error, request.location);
    }
  };

endByKillOnly();
serveParent({ create: expecting(create), adopt: expecting(adopt), check: expecting(check) });
