// What the benchmarks ask of a program that backs one database up, whichever it is.

export interface BackupTool {
  /** With its version. */
  readonly name: string;
  /** How much of the database a restore gives back: see `checkEqual`. */
  readonly fidelity: Fidelity;
  /** One full backup into an empty place. */
  backUp(): Promise<BackedUp>;
  /** What of the database has changed since the last backup. Missing where the program knows no such thing. */
  backUpAgain?(): Promise<BackedUp>;
  /** Restores the last backup into a file that is not there yet. @returns seconds */
  restore(to: string): Promise<number>;
  /** Removes what a restore made. */
  discard(to: string): Promise<void>;
}

/** The same bytes; the same but for what each writer changes in SQLite's header; the same rows. */
export type Fidelity = 'bytes' | 'pages' | 'rows';

export interface BackedUp {
  seconds: number;
  storedBytes: number;
}
