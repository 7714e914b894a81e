// What a tenant's files look like at rest: two looks that show the same can prove that nobody committed in between.
// Looking never opens a file: that could drop the locks of whoever has it open in the same process.
import { type BigIntStats, statSync } from 'node:fs';

/** A change this much older than the look can not share its time stamp with a later one: kernels stamp every 10 ms at worst. */
const STAMP_PROOF_NS = 50_000_000n;

export type FileStamps = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>;

export interface FilesAtRest {
  /** Equal for equal files. */
  text: string;
  /** The latest change of any of them, ns since 1970. */
  changedNs: bigint;
}

function stampsOf({ dev, ino, size, mtimeNs, ctimeNs }: FileStamps): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** Pure. An empty log is none at all: whoever only reads leaves one behind, and whoever opens next removes it. */
export function describeFiles(database: FileStamps, wal: FileStamps | undefined): FilesAtRest {
  const files = wal && wal.size > 0n ? [database, wal] : [database];
  const changedNs = files.flatMap(({ mtimeNs, ctimeNs }) => [mtimeNs, ctimeNs]).reduce((a, b) => (a > b ? a : b));
  return { text: files.map(stampsOf).join(' '), changedNs };
}

/**
 * Two looks at the file system, some microseconds each.
 * @returns undefined when there is no database file, or the files can not be looked at: whoever attaches says why
 */
export function filesAtRest(location: string): FilesAtRest | undefined {
  const look = (path: string) => statSync(path, { bigint: true, throwIfNoEntry: false });
  try {
    const database = look(location);
    return database && describeFiles(database, look(`${location}-wal`));
  } catch {
    return undefined;
  }
}

/** What the files were at a time. */
export interface Look {
  files: FilesAtRest;
  atNs: bigint;
}

/**
 * Whether nobody can have committed between two looks. Both must be settled: a log that is written from its start again
 * keeps its size, and within one tick its times.
 */
export function provesRest(before: Look, after: Look): boolean {
  const areSettled = [before, after].every(({ files, atNs }) => isSettled(files, atNs));
  return areSettled && before.files.text === after.files.text;
}

/** False while a change right now could leave the same time stamps; also when the clock was set back behind them. */
export function isSettled(files: FilesAtRest, nowNs: bigint): boolean {
  return nowNs - files.changedNs > STAMP_PROOF_NS;
}
