// What every engine offers. Callers ask `can`, never the name. Drivers: sqlite (embedded default), fake (simulation).

import type { LogSeal } from '../format/tenant-key.ts';
import type { CheckLevel } from '../model/check-level.ts';
import type { Column, SqlValue, StatementResult } from '../model/result.ts';
import type { Scn } from '../model/scn.ts';
import type { SessionFacts } from './session-facts.ts';

/** What a driver can do; a verb behind a false flag throws NOT_SUPPORTED (4007). */
export interface EngineCan {
  /** Take over a database that an application has open. */
  adopt: boolean;
  /** Continuous capture of commits. */
  capture: boolean;
  /** Consistent page copy while the application goes on. */
  snapshot: boolean;
  /** Lay archived commits over a database that sessions read. */
  replay: boolean;
  /** Bring tables of another database into a tenant's own. */
  importTables: boolean;
}

/** A tenant as an engine sees it. */
export interface EngineTenant {
  tenantId: number;
  name: string;
  mode: 'mysql' | 'oracle';
  /** Absolute path of the database file. */
  location: string;
  /** STANDBY tenants refuse writes (1290). */
  isReadOnly: boolean;
  /** Upper bound of statements that run at once; at least 1. */
  maxCpu: number;
}

/** Facts of a database that go into a backup set and into views. */
export interface EngineFacts {
  pageSize: number;
  pageCount: number;
  engineVersion: string;
  tableCount: number;
}

/** One table, view or index column list, for information_schema and SHOW. */
export interface EngineTable {
  name: string;
  kind: 'BASE TABLE' | 'VIEW';
  columns: EngineColumn[];
  indexes: EngineIndex[];
  /** The statement that makes it. */
  createSql: string;
}
export interface EngineColumn {
  name: string;
  /** Declared type as written, for example `INTEGER` or `VARCHAR(20)`. */
  declaredType: string;
  isNullable: boolean;
  defaultSql: string | null;
  /** 1-based place in the primary key; 0 when it is not part of it. */
  primaryKeyPlace: number;
}
export interface EngineIndex {
  name: string;
  isUnique: boolean;
  columns: string[];
}

export interface EngineDriver extends AsyncDisposable {
  readonly name: string;
  readonly can: EngineCan;

  /** Makes an empty database at `tenant.location`. @throws ENTRY_EXISTS when something is there */
  create(tenant: EngineTenant): Promise<EngineFacts>;
  /** Checks that the database at `tenant.location` can be taken over; changes nothing. @throws ADOPT_REFUSED */
  adopt(tenant: EngineTenant): Promise<EngineFacts>;
  /** Ends every session and capture of the tenant and, when asked, removes its files. Safe to repeat. */
  drop(tenant: EngineTenant, options: { removeData: boolean }): Promise<void>;

  /** A client's session on the tenant: transactions and temporary tables are its own. */
  openSession(tenant: EngineTenant): Promise<EngineSession>;
  /** Ends every session of the tenant (its role changed, or it is going away). */
  closeSessions(tenantId: number): Promise<void>;
  describe(tenant: EngineTenant): Promise<EngineTable[]>;

  /**
   * Holds a tenant's log at once, before it is known how much of it is archived: nothing that is in it now, or comes into
   * it, is recycled until a capture goes on from there. Only for a round that is to go on: a log that is held grows.
   * The tenant's next `startCapture` takes the pin over, without a moment in between. One that fails while it goes on from
   * a position leaves it as it is. It outlives the processes of the engine: what is lost with one is held again at once.
   * @throws ENTRY_EXISTS (4017) when the log is captured or pinned already; CANNOT_START_LOG_ARCHIVE (9023)
   */
  pinLog(tenant: EngineTenant): Promise<LogPin>;

  /**
   * Attaches the log capture of a tenant.
   * @throws CLOG_RECYCLE_BEFORE_ARCHIVE (9087) when `resume` is given and the engine's log no longer continues it
   */
  startCapture(request: CaptureRequest): Promise<Capture>;

  /**
   * Opens a tenant's database for replay. His sessions go on: they are read-only, and see one whole state after another.
   * At most one at a time; nothing else may write to the database or check it meanwhile.
   * @throws ENGINE (5099), HOST_LOST
   */
  openReplay(tenant: EngineTenant): Promise<Replay>;

  /**
   * Looks at a restored database file that nobody has opened, with the engine's own consistency check.
   * @param of.level how thorough the check is; the facts are read in any case
   * @param of.whenWritten begins then, and gets ready before; rejected: there is nothing to look at
   * @throws BACKUP_DATA_CORRUPT (9010)
   */
  check(location: string, of: { level: CheckLevel; whenWritten?: Promise<void> }): Promise<EngineFacts>;

  /**
   * What an import would do, read without waiting for anybody.
   * @throws UNKNOWN_TABLE (1146), NOT_SUPPORTED (4007) for what is no plain table, QUERY_INTERRUPTED (1317) when aborted
   */
  planImport(request: TableImport, signal: AbortSignal): Promise<ImportPlan>;
  /**
   * Brings tables with rows, indexes and triggers into a tenant, all in one ordinary commit of it, or none.
   * @returns what a user should know of the outcome, in words
   * @throws ENTRY_EXISTS (4017) naming everything that the target has already; LOCK_WAIT_TIMEOUT (1205);
   *         what planImport throws; HOST_LOST (2013), and then it may have been committed when `onReady` was called
   */
  importTables(request: TableImport, run: ImportRun): Promise<string[]>;
}

/** Tables of one database file that are to come into a tenant. */
export interface TableImport {
  tenant: EngineTenant;
  /** Database file that nobody has open. It is only read. */
  sourcePath: string;
  /** Names as they are stored; 'all' for every plain table. */
  tables: readonly string[] | 'all';
  /** New names by old. */
  renames: Readonly<Record<string, string>>;
}

export interface ImportedTable {
  source: string;
  target: string;
  /** The statement that makes it in the target. */
  createSql: string;
  columnCount: number;
  indexCount: number;
  /** Primary keys and unique constraints. */
  constraintCount: number;
  foreignKeyCount: number;
}

export interface ImportPlan {
  tables: ImportedTable[];
  /** What 'all' does not contain: views and virtual tables. */
  leftOut: string[];
  /** What the target has already under a name that would be taken. */
  conflicts: string[];
}

/** How a caller takes part in an import. */
export interface ImportRun {
  signal: AbortSignal;
  /** The write lock is held, from here to the end. */
  onBegin(): void;
  /** So many tables are there with their rows and indexes, and not yet committed. */
  onTable(count: number): void;
  /** Everything is written; it is committed when this returns. */
  onReady(): void;
}

/** A state of a database: the hash of each of its pages (`pageHash`), of one without content NO_PAGE_HASH. */
export interface ReplayState {
  pageSize: number;
  hashes: BigUint64Array;
}

/** The pages that lead from the state of a database to a later one. */
export interface ReplayStep {
  /** File with the page images, one behind the other in the order of `pages`. */
  pagesPath: string;
  /** Ascending, each once. */
  pages: Uint32Array;
  /** Size of the database afterwards. */
  databasePages: number;
}

export interface Replay {
  /** The state that the database was found in. */
  readonly found: ReplayState;
  /**
   * Takes a step: the database is durably the later state when it resolves, and whoever begins to read sees that. Whatever
   * goes wrong, also the end of the process, leaves it in the one state or in the other.
   * @throws OUT_OF_DISK, ENGINE (5099), HOST_LOST: which of the two it is, only `openReplay` tells
   */
  apply(step: ReplayStep): Promise<void>;
  /** Safe to repeat. */
  close(): Promise<void>;
}

export interface EngineSession {
  /** Parameter count and columns of a statement, without running it. */
  prepare(sql: string): Promise<{ parameterCount: number; columns: Column[] }>;
  /**
   * Runs one statement in the engine's own dialect.
   * Aborting `signal` ends it with QUERY_INTERRUPTED (1317), by killing the engine process if need be.
   * @param facts what functions such as USER() or NOW() answer; the engine fills in what is left out
   */
  execute(
    sql: string,
    parameters: readonly SqlValue[],
    signal: AbortSignal,
    facts?: Partial<SessionFacts>,
  ): Promise<StatementResult>;
  /** True between BEGIN and COMMIT or ROLLBACK. */
  readonly isInTransaction: boolean;
  /** Rolls back and forgets temporary objects. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Where a round's log stands: found again in the last valid batch at the destination, the only truth. */
export interface LogPosition {
  /** Number of the last batch of the round; 0 before the first. */
  batchNo: number;
  /** SHA-256 of that batch; 32 zero bytes before the first. */
  batchHash: Uint8Array;
  /** Everything up to here is in the batches so far. */
  scn: Scn;
  /**
   * The engine's own position (sqlite: WAL header, frame number, chained checksum); opaque to callers. Empty while a
   * round that repairs a gap holds no whole commit yet: whoever resumes there gives `repair` again.
   */
  engine: Uint8Array;
}

/** Where the batches that are durable end once a capture has stopped. */
export interface CaptureEnd extends LogPosition {
  /** True when all that is committed is in them; false when more may stand in the engine's log. */
  isComplete: boolean;
}

/** Who a batch belongs to; bound into every batch. */
export interface LogOwner {
  clusterUuid: string;
  tenantId: number;
  roundId: number;
}

/** A gap to be closed: the round begins with a commit of every page that differs from an earlier state. */
export interface CaptureRepair {
  /** Hash of the last batch of the round before: the first batch continues it. */
  prevHash: Uint8Array;
  /** Page map file (`format/page-map-file`) of the state at the end of the round before. */
  pageMapPath: string;
}

export interface CaptureRequest {
  tenant: EngineTenant;
  owner: LogOwner;
  /** null starts a round; otherwise goes on exactly there. */
  resume: LogPosition | null;
  /**
   * Not null in a round that repairs a gap: when `resume` is null, or its batches hold no whole commit yet, the capture
   * first delivers the repairing commit (in parts when it is large, with no image when nothing differs), and resolves
   * once that is durable. There is no empty batch before it. Until it is whole, `checkpointScn` of the parts is less than
   * its scn, which becomes `startScn`. Otherwise it is ignored. A base that can not be compared (another page size,
   * damaged, missing) fails with CANNOT_START_LOG_ARCHIVE.
   */
  repair: CaptureRepair | null;
  /**
   * Where the engine keeps the tenant's page map between starts (absolute path); null keeps none. A file that does not
   * fit `resume` is not used.
   */
  pageMapPath: string | null;
  /** Every commit gets a greater scn. */
  afterScn: Scn;
  lagTargetMs: number;
  /** Encrypts the batches; null or left out: they stay plain. */
  seal?: LogSeal | null;
  /** No batch holds commits on both sides of this scn (end of the active piece, exclusive). */
  cutScn: Scn;
  /** How many batches may be on their way at once; left out: one. The engine bounds their bytes, too. */
  batchesMax?: number;
  /**
   * Makes a batch durable at the destination. Calls are made in order, at most `batchesMax` at once, and end in order. The
   * capture position advances only when one resolves; when one rejects, all behind it do, and the same batches are delivered
   * again after a pause. While it attaches, a capture may give up instead, and after CANCELED (4072) it does:
   * `startCapture` rejects.
   */
  deliver(batch: CapturedBatch): Promise<void>;
  /** The log cannot be continued: the round must become INTERRUPTED. Nothing is delivered afterwards. */
  onGap(because: string): void;
}

/** One encoded batch (`format/log-batch`), ready to be appended to a segment. */
export interface CapturedBatch {
  bytes: Uint8Array;
  batchNo: number;
  /**
   * First and last commit in it; both equal `checkpointScn` when it holds no commit, and the scn of the commit when it
   * holds a part of one that is not its last.
   */
  firstScn: Scn;
  lastScn: Scn;
  /** Every commit up to here is in this batch or an earlier one. */
  checkpointScn: Scn;
  commitCount: number;
  pageCount: number;
  /** Bytes before compression. */
  plainBytes: number;
  position: LogPosition;
}

export interface CaptureStatus {
  /** Everything up to here is durable at the destination; moves with the clock while the tenant is idle. */
  checkpointScn: Scn;
  /** Newest commit seen. */
  maxScn: Scn;
  /** Seen but not yet durable. */
  pendingCommits: number;
  /** Bytes in use of the engine's log that stands in for a spool. */
  logBytes: number;
  /** Why nothing moves; '' when all is well. */
  comment: string;
}

/** A log that is held until a capture takes it over, or until it is released. */
export interface LogPin {
  /** Latest known figures; no waiting. */
  status(): LogPinStatus;
  /** Lets go of the log. Safe to repeat; does nothing once a capture has taken it over. */
  release(): Promise<void>;
}

export interface LogPinStatus {
  /** Bytes in use of the engine's log. */
  logBytes: number;
  /** False while the engine may begin its log anew all the same: nothing grows because of the pin. */
  isHeld: boolean;
}

export interface Capture {
  /** The position after the round's first (empty) batch, the scn of its repairing commit, or the one resumed from. */
  readonly startScn: Scn;
  /** Latest known figures; no waiting. */
  status(): CaptureStatus;
  /**
   * Captures all that is committed now and waits until it is durable at the destination, writing an empty batch
   * when there was nothing, so that the destination itself proves the returned scn.
   * @returns an scn at or after the moment of the call
   */
  flush(): Promise<Scn>;
  setCutScn(scn: Scn): void;
  setLagTargetMs(ms: number): void;
  /** Resolves when every batch that is made from now on is encrypted so; null: stays plain. */
  setSeal(seal: LogSeal | null): Promise<void>;
  /** A consistent state to copy; hold it no longer than needed and close it. */
  snapshot(): Promise<Snapshot>;
  /**
   * Planned stop: archives to the end, leaves the engine's log so that a later start can resume.
   * When the destination is away it ends all the same, soon: what is not archived stays in the engine's log.
   * @param options.isAbandoned true asks not even to try; may be said while an earlier call waits
   * @returns where the batches that are durable end, and whether that is the end of all that is committed
   * @throws LOG_ARCHIVE_NOT_RUNNING (9029) when it has ended already; what `deliver` threw when the rest could not be archived
   */
  stop(options?: { isAbandoned?: boolean }): Promise<CaptureEnd>;
}

/**
 * A frozen state of a tenant that other processes can read with plain file reads.
 * Reading rule: pages in `overlay` come from the WAL frame named there, all others from the database file. After reading
 * WAL frames the 32-byte WAL header must still equal `walHeader`; when it does not, the WAL was reset, which is
 * possible only when the database file already holds everything: read those pages from the file.
 */
export interface Snapshot {
  /** The state holds every commit up to and including this scn. */
  scn: Scn;
  /**
   * Checksum of the state as the log has it (`PageMap.checksum`, brought up to date commit by commit); null while the
   * engine does not know it. Differing from that of the pages read, it proves that the log is not the database's.
   */
  databaseChecksum: bigint | null;
  pageSize: number;
  pageCount: number;
  /** Page that is never read nor written (SQLite's lock-byte page); 0 when there is none. */
  skipPage: number;
  databasePath: string;
  walPath: string;
  /** Identity of the database file, checked by every reader. */
  device: bigint;
  inode: bigint;
  walHeader: Uint8Array;
  /** Pairs (page number, frame number), both from 1, ascending by page number. */
  overlay: Uint32Array;
  facts: EngineFacts;
  close(): Promise<void>;
}
