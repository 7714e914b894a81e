// What the storm asks of a program that replicates databases, whichever it is.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A database of the storm. */
export interface StormDatabase {
  name: string;
  path: string;
}

export type RestoreOutcome =
  | { kind: 'done' }
  /** It said why not. */
  | { kind: 'refused'; because: string };

export interface Peer {
  readonly name: string;
  /** Starts it (again), and waits until it replicates every database. @returns how long that took, ms */
  start(): Promise<number>;
  /** kill -9 of all its processes. */
  kill(): Promise<void>;
  /**
   * Restores one database from the destination into a new file.
   * @param atMs the moment, ms since 1970; undefined for the newest state
   */
  restore(database: StormDatabase, to: string, atMs: number | undefined): Promise<RestoreOutcome>;
  /** What lies at the destination. */
  stored(): Stored;
  /** kill -9, and whatever it takes to restore on another machine, where there is nothing but the destination. */
  loseMachine(): Promise<void>;
}

export interface Stored {
  bytes: number;
  files: number;
  /** Whole copies of databases. */
  fullCopies: number;
}

/** The files below a directory that are still there when they are looked at. */
export function filesBelow(dir: string): { path: string; sizeBytes: number; changedMs: number }[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const found = entry.isFile() ? statSync(path, { throwIfNoEntry: false }) : undefined;
    return found ? [{ path, sizeBytes: found.size, changedMs: found.mtimeMs }] : [];
  });
}

type Files = ReturnType<typeof filesBelow>;

const bytesOf = (files: Files): number => files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

export const bytesBelow = (dir: string): number => bytesOf(filesBelow(dir));

export function storedBelow(dir: string, isFullCopy: (path: string) => boolean): Stored {
  const files = filesBelow(dir);
  return {
    bytes: bytesOf(files),
    files: files.length,
    fullCopies: files.filter(({ path }) => isFullCopy(path)).length,
  };
}
