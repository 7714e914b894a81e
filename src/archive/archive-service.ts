// What the archive room offers to statements, views and the other work rooms.
import type { Capture } from '../engine/engine-driver.ts';
import type { RoundCopy } from '../model/archive-copy.ts';
import type { Binding, DestState } from '../model/archive-round.ts';
import type { Scn } from '../model/scn.ts';

/** The parsed value of LOG_ARCHIVE_DEST. */
export interface ArchiveDestRequest {
  uri: string;
  binding: Binding;
  pieceSwitchIntervalUs: bigint;
  pieceSwitchIntervalText: string;
}

/** The parsed value of LOG_ARCHIVE_DEST_1 to _3. */
export type ArchiveCopyRequest = Pick<ArchiveDestRequest, 'uri' | 'binding'>;

/** Live figures of a tenant's archive, fresher than its stored row. */
export interface ArchiveFigures {
  checkpointScn: Scn;
  maxScn: Scn;
  inputBytes: bigint;
  outputBytes: bigint;
  pendingCommits: number;
  logBytes: number;
  /** The segment that batches are appended to; left out when none is open. */
  openSegment?: { segmentNo: number; sizeBytes: number } | undefined;
  /** False while the figures are those of the store: nothing is known of the tenant's log at present. */
  isAttached: boolean;
  /** Why nothing moves; '' when all is well. */
  comment: string;
  /** What each copy holds of the running round, and why it is behind; left out when there is none. */
  copies?: CopyFigures[] | undefined;
}

/** Live figures of one copy, in step with the leading destination when its checkpoint is. */
export type CopyFigures = Pick<
  RoundCopy,
  'destId' | 'destNo' | 'roundId' | 'status' | 'checkpointScn' | 'inputBytes' | 'outputBytes' | 'comment'
>;

export interface ArchiveService {
  /** Picks up every tenant's round where the store left it. Attaching goes on in the background. */
  start(): void;
  /** Archives to the end of what is committed and lets go of every tenant; rounds go on at the next start. */
  stop(): Promise<void>;

  /**
   * LOG_ARCHIVE_DEST: checks and claims the destination, then records it. null removes it.
   * @throws 4007 while archive runs; 9026, 9070, 9071, 9080, 9081 for the destination
   */
  setDest(tenantId: number, request: ArchiveDestRequest | null): Promise<void>;
  /**
   * LOG_ARCHIVE_DEST_1 to _3, also while archive runs: checks and claims the destination, then records it; it first takes
   * what the running round has. null removes it; what lies there stays.
   * @throws 4018 without LOG_ARCHIVE_DEST; 4007 for the destination that leads the running round, for one that is a
   *         destination of the tenant already; 9026, 9070, 9071, 9080, 9081 for the destination
   */
  setCopyDest(tenantId: number, destNo: number, request: ArchiveCopyRequest | null): Promise<void>;
  /** LOG_ARCHIVE_DEST_STATE, and _1 to _3 of it. @throws ENTRY_NOT_EXIST (4018) */
  setDestState(tenantId: number, state: DestState, destNo?: number): void;
  /** ARCHIVELOG: flips the mode; the round starts in the background. @throws 9091, 9023 */
  enable(tenantId: number): void;
  /** NOARCHIVELOG. @throws 9092 */
  disable(tenantId: number): void;
  /** archive_lag_target or gap_repair changed. */
  refreshLagTarget(tenantId: number): void;
  /**
   * The tenant's encryption or key has changed.
   * @returns resolves when what is committed from now on is archived so
   */
  refreshSeal(tenantId: number): Promise<void>;
  /** What kept the archive from going on may be over: it does not wait for its next try. */
  lookAgain(tenantId: number): void;
  /**
   * The log was proved not to be the database's: the running round becomes INTERRUPTED, and is repaired as after any
   * interruption. Nothing happens when no round runs.
   */
  interrupt(tenantId: number, because: string): void;

  /**
   * Called before a session uses the tenant's file: the log of a tenant that rests is attached first.
   * @returns undefined when the session may go on at once; otherwise it resolves when the capture is attached, or when
   *          that can not be soon: what is written then is kept in the engine's log
   */
  wake(tenantId: number): Promise<void> | undefined;
  /** True while the engine's log of the tenant is to be archived: sessions must not make it reusable. */
  keepsLog(tenantId: number): boolean;

  /**
   * The running capture while the round is DOING; undefined otherwise. One that rests begins to attach: whoever needs it
   * asks again.
   */
  capture(tenantId: number): Capture | undefined;
  figures(tenantId: number): ArchiveFigures | undefined;
  /**
   * Makes everything committed by now durable at the leading destination, and at every MANDATORY copy.
   * @param of.at instead: at one of these destinations
   * @throws LOG_ARCHIVE_NOT_RUNNING (9029), LOG_ARCHIVE_INTERRUPTED (9027)
   */
  flush(tenantId: number, of?: { at: readonly string[] }): Promise<Scn>;
  /** Stops the round for good because the tenant is being dropped. */
  forget(tenantId: number): Promise<void>;
}
