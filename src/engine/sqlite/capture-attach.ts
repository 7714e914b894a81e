// Attaches a capture to a tenant's database: begins a round at the present end of the log, or goes on exactly where the
// last batch at the destination says, when the WAL proves that nothing was missed in between.
import { realpathSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { nextScn, type Scn, toScn } from '../../model/scn.ts';
import type { CapturedBatch, LogPosition } from '../engine-driver.ts';
import type { BatchChain } from './capture-batch.ts';
import type { CaptureConnections } from './capture-connections.ts';
import { Delivery } from './capture-delivery.ts';
import { acquireLock, isLockLost, LOCK_READS, type LockWindows, readHeldLocks } from './capture-locks.ts';
import { CaptureLog, CHANGE_PROOF_NS, type Cursor, type HeldEnd, startOf } from './capture-log.ts';
import type { AttachArgument } from './capture-messages.ts';
import { CapturePageMap } from './capture-page-map.ts';
import { COPY_BYTES_MAX, isReset, openConnections, type PinnedLog, resumeHeld } from './capture-pin.ts';
import { type CapturePosition, decodePosition, type FileIdentity } from './capture-position.ts';
import { type FrozenState, Snapshots } from './capture-snapshot.ts';
import { TenantCapture, type TenantCaptureParts } from './capture-tenant.ts';
import { type BytesOnTheirWay, DeliveryWindow } from './delivery-window.ts';
import type { Turns } from './turns.ts';
import { frameOffset, sameChecksum } from './wal-format.ts';
import type { WalIndex } from './wal-index.ts';

/** How long the write lock is tried for at the start. */
const LOCK_WAIT_MS = 15_000;
const BATCH_HASH_BYTES = 32;

export interface AttachTools {
  clock: Clock;
  log: TenantCaptureParts['log'];
  windows: LockWindows;
  fill: TenantCaptureParts['fill'];
  scans: Turns;
  /** Gives back the turn of a repair's scan. */
  onScanned: () => void;
  send: (batch: CapturedBatch) => Promise<void>;
  /** Of all captures. */
  onTheirWay: BytesOnTheirWay;
  onGap: (because: string) => void;
  /** Looks in the kernel's list whether SQLite's locks are there: long with many tenants, so not for every one. */
  checkLocks: boolean;
  /** Holds the log already; it stays as it is when attaching fails. */
  pinned?: PinnedLog | undefined;
  /** Tests make huge commits small. */
  partBytes?: number;
}

const lost = (because: string) => fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because });
const cannotStart = (because: string) => fail('CANNOT_START_LOG_ARCHIVE', { because });

/**
 * Which file a path names; SQLite builds the names of its other files from the path without symbolic links.
 * @throws CANNOT_START_LOG_ARCHIVE when there is none
 */
export function identify(location: string): { path: string; file: FileIdentity } {
  const isThere = statSync(location, { throwIfNoEntry: false })?.isFile() ?? false;
  if (!isThere) throw cannotStart(`there is no database file ${location}`);
  const path = realpathSync(location);
  const { ino: inode, dev: device, size: sizeBytes } = statSync(path, { bigint: true });
  return { path, file: { inode, device, changedNs: 0n, sizeBytes } };
}

/** A capture that is attached. */
export interface Attached {
  capture: TenantCapture;
  startScn: Scn;
  /**
   * Makes the start of the round durable; nothing is delivered before. Undefined when there is nothing to do.
   * When it rejects, the caller closes the capture.
   */
  begin: (() => Promise<void>) | undefined;
}

/** Where the round's log goes on; undefined when it holds no whole commit and none is needed for a start. */
function positionOf({ resume, repair }: AttachArgument): CapturePosition | undefined {
  if (!resume || (repair && resume.engine.length === 0)) return undefined;
  return decodePosition(resume.engine);
}

/**
 * Waits for a scan's turn when a gap is to be repaired: the state that is compared is held from attaching on, so whoever
 * waits in line must not be attached yet, or all their logs would grow meanwhile.
 * @param attach gives the turn back when it has scanned; when it ends at the latest, that is done here
 */
export async function inScanTurn<T>(
  argument: Pick<AttachArgument, 'resume' | 'repair'>,
  scans: Turns,
  attach: (onScanned: () => void) => Promise<T>,
): Promise<T> {
  const { resume, repair } = argument;
  const isRepairing = repair !== null && (resume === null || resume.engine.length === 0);
  const giveBack = isRepairing ? await scans.take() : () => {};
  try {
    return await attach(giveBack);
  } finally {
    giveBack();
  }
}

/**
 * Attaches.
 * @throws CLOG_RECYCLE_BEFORE_ARCHIVE when the log does not continue `resume`; CANNOT_START_LOG_ARCHIVE when the
 * database is not in WAL mode or its write lock can not be had
 */
export async function attachCapture(
  argument: AttachArgument,
  of: { path: string; file: FileIdentity },
  tools: AttachTools,
): Promise<Attached> {
  const position = positionOf(argument);
  if (position && position.file.inode !== of.file.inode)
    throw lost(`the database file ${of.path} is not the one that was archived`);
  const { pinned } = tools;
  const connections = pinned?.connections ?? openConnections(of.path);
  try {
    const { pageSize } = connections;
    if (position && position.pageSize !== pageSize)
      throw lost(`the page size changed from ${position.pageSize} to ${pageSize}`);
    if (tools.checkLocks) checkLocks(of, connections);
    if (!position) await waitForProof(of.path, tools.clock);
    connections.prepareWindow({ checkpoint: false });
    const isStopped = () => false;
    if (!(await acquireLock(() => connections.tryLock(), { waitMs: LOCK_WAIT_MS, isStopped })))
      throw cannotStart(`the write lock of the tenant was not free for ${LOCK_WAIT_MS / 1000} s`);
    const since = tools.clock.monotonicMs();
    let start: Start;
    try {
      start = startUnderLock(argument, position, { connections, ...of, pageSize, pinned }, tools.clock);
    } finally {
      connections.unlock();
      // An idle tenant holds one connection: with many of them every other one counts.
      connections.relax();
      tools.windows.add(tools.clock.monotonicMs() - since);
    }
    const { startScn, frozen } = start;
    const capture = assemble(argument, { connections, path: of.path, ...start }, tools);
    if (position) {
      capture.start();
      return { capture, startScn, begin: undefined };
    }
    const { repair } = argument;
    const begin =
      repair && frozen
        ? () => capture.repair(repair, { frozen, scn: startScn, onScanned: tools.onScanned })
        : () => capture.recordStart();
    return { capture, startScn, begin };
  } catch (error) {
    if (pinned) connections.relax();
    else connections.close();
    throw error;
  }
}

/** What was found under the write lock. */
interface Start {
  startScn: Scn;
  captureLog: CaptureLog;
  pageMap: CapturePageMap;
  snapshots: Snapshots;
  /** The state that a repair compares. */
  frozen: FrozenState | undefined;
}

function startUnderLock(
  { resume, repair, afterScn }: AttachArgument,
  position: CapturePosition | undefined,
  of: {
    connections: CaptureConnections;
    path: string;
    file: FileIdentity;
    pageSize: number;
    pinned: PinnedLog | undefined;
  },
  clock: Clock,
): Start {
  const { connections, path } = of;
  const index = indexUnderLock(connections);
  const lastScn = resume && resume.scn > afterScn ? resume.scn : afterScn;
  const pageMap = new CapturePageMap(of.pageSize);
  if (position && resume) {
    const end = heldEnd(position, of, index);
    const cursor = end ? resumeHeld(position, end) : resumeCursor(position, connections, index, path);
    const captureLog = new CaptureLog({ ...of, clock, cursor, lastScn });
    const misfit = end && captureLog.leaveReset(end);
    if (misfit !== undefined) throw lost(misfit);
    continueUnderLock(captureLog, connections);
    const snapshots = new Snapshots({ connections, captureLog, pageMap, clock, path });
    return { startScn: resume.scn, captureLog, pageMap, snapshots, frozen: undefined };
  }
  const startScn = nextScn(lastScn, clock.nowNs());
  const cursor = presentCursor(connections, index);
  const captureLog = new CaptureLog({ ...of, clock, cursor, lastScn: startScn });
  captureLog.roll();
  const snapshots = new Snapshots({ connections, captureLog, pageMap, clock, path });
  const frozen = repair ? snapshots.freeze() : undefined;
  return { startScn, captureLog, pageMap, snapshots, frozen };
}

function assemble(
  argument: AttachArgument,
  of: Start & { connections: CaptureConnections; path: string },
  tools: AttachTools,
): TenantCapture {
  const { resume, captureId, owner, lagTargetMs, seal, cutScn, batchesMax, pageMapPath } = argument;
  const hasLead = of.frozen !== undefined;
  let capture: TenantCapture | undefined;
  const delivery = new Delivery({
    log: of.captureLog,
    pageMap: of.pageMap,
    owner,
    clock: tools.clock,
    chain: chainOf(argument, of),
    lagTargetMs,
    seal,
    cutScn,
    window: new DeliveryWindow(batchesMax, tools.onTheirWay),
    hasLead,
    ...(tools.partBytes === undefined ? {} : { partBytes: tools.partBytes }),
    send: tools.send,
    onLost: (because) => capture?.gap(because),
  });
  const { clock, log, windows, fill, scans, onGap } = tools;
  const resumedScn = resume && !hasLead ? resume.scn : null;
  const own = { captureId, owner, lagTargetMs, pageMapPath, resumedScn, delivery };
  capture = new TenantCapture({ ...of, ...own, clock, log, windows, fill, scans, onGap });
  return capture;
}

/** What the next batch continues. */
function chainOf({ resume, repair }: AttachArgument, { startScn, frozen }: Start): BatchChain {
  if (resume && !frozen) return chainAfter(resume);
  // The repairing commit has the start's scn: until it is whole, nothing of this round counts.
  const checkpointScn = frozen ? toScn(startScn - 1n) : startScn;
  const batchHash = resume?.batchHash ?? (frozen && repair ? repair.prevHash : new Uint8Array(BATCH_HASH_BYTES));
  return { batchNo: resume?.batchNo ?? 0, batchHash, checkpointScn, engine: new Uint8Array(0) };
}

const chainAfter = ({ batchNo, batchHash, scn, engine }: LogPosition): BatchChain => ({
  batchNo,
  batchHash,
  checkpointScn: scn,
  engine,
});

function checkLocks(of: { path: string; file: FileIdentity }, connections: CaptureConnections): void {
  if (isUnlocked(of.file, connections))
    throw cannotStart(`the lock on ${of.path} was lost; does another part of this process open the file?`);
}

function isUnlocked(file: FileIdentity, connections: CaptureConnections): boolean {
  for (let read = 1; read <= LOCK_READS; read++) {
    const held = readHeldLocks();
    if (!held || !isLockLost(held, file.inode, connections.shmInode)) return false;
  }
  return true;
}

/** With an empty WAL only the file's change time proves continuity later, and only when it is not too young. */
async function waitForProof(path: string, clock: Clock): Promise<void> {
  const { ctimeNs } = statSync(path, { bigint: true });
  const youngNs = CHANGE_PROOF_NS - (clock.nowNs() - ctimeNs);
  if (youngNs > 0n && youngNs <= CHANGE_PROOF_NS) await sleep(Number(youngNs / 1_000_000n) + 1);
}

/** The end of the log as it is under the write lock; what lies before it is not this round's. */
function presentCursor(connections: CaptureConnections, index: WalIndex): Cursor {
  const header = connections.walHeader();
  const isCurrent = header?.salts.equals(index.salts) ?? false;
  if (index.maxFrame === 0) return startOf(isCurrent ? header : undefined, index.pageCount);
  if (!header || !isCurrent) throw cannotStart('the header of the -wal file does not fit the wal-index');
  const stored = connections.storedChecksum(header, frameOffset(index.maxFrame, header.pageSize));
  if (!stored || !sameChecksum(stored, index.frameChecksum))
    throw cannotStart(`frame ${index.maxFrame} of the -wal file does not fit the wal-index`);
  return { header, frame: index.maxFrame, checksum: stored, databasePages: index.pageCount };
}

/** The recorded position, once the WAL has proved that it continues it. @throws CLOG_RECYCLE_BEFORE_ARCHIVE */
function resumeCursor(
  position: CapturePosition,
  connections: CaptureConnections,
  index: WalIndex,
  path: string,
): Cursor {
  const header = connections.walHeader();
  if (!position.header) return resumeFromEmpty(position, connections, index, path);
  if (!header?.bytes.equals(position.header.bytes)) {
    const now = header ? `sequence ${header.sequence}, salts ${header.salts.toString('hex')}` : 'empty';
    const was = `sequence ${position.header.sequence}, salts ${position.header.salts.toString('hex')}`;
    throw lost(`the log was reset while it was not captured: it was ${was}, now it is ${now}`);
  }
  const { frame, checksum, databasePages } = position;
  if (index.maxFrame < frame || !header.salts.equals(index.salts))
    throw lost(`the log ends at frame ${index.maxFrame}, but frame ${frame} was archived`);
  if (frame > 0) {
    const stored = connections.storedChecksum(header, frameOffset(frame, header.pageSize));
    if (!stored || !sameChecksum(stored, checksum))
      throw lost(`frame ${frame} is not the one that was archived: the database went another way from there`);
  }
  return { header, frame, checksum, databasePages };
}

/** Everything was in the database file: an unchanged file proves that every commit since is in the present WAL. */
function resumeFromEmpty(
  position: CapturePosition,
  connections: CaptureConnections,
  index: WalIndex,
  path: string,
): Cursor {
  const { ctimeNs, size } = statSync(path, { bigint: true });
  const { changedNs, sizeBytes } = position.file;
  if (changedNs === 0n || changedNs !== ctimeNs || sizeBytes !== size)
    throw lost('the log was empty, and the database file was changed while it was not captured');
  const header = connections.walHeader();
  return startOf(header?.salts.equals(index.salts) ? header : undefined, position.databasePages);
}

/** Where the position's generation ended, when it was reset since the log was pinned. */
function heldEnd(
  position: CapturePosition,
  of: { connections: CaptureConnections; path: string; file: FileIdentity; pinned: PinnedLog | undefined },
  index: WalIndex,
): HeldEnd | undefined {
  const { connections, pinned } = of;
  const end = pinned?.end;
  if (!end || !position.header?.bytes.equals(end.header.bytes)) return undefined;
  if (!isReset(end, { header: connections.walHeader(), index })) return undefined;
  // The end is only that while the reader has held the log ever since.
  if (isUnlocked(of.file, connections)) throw lost(`the lock that pinned the log of ${of.path} was lost`);
  return end;
}

/** Still under the write lock: pins the tail that is not captured yet. */
function continueUnderLock(captureLog: CaptureLog, connections: CaptureConnections): void {
  const { maxFrame } = indexUnderLock(connections);
  captureLog.roll(maxFrame === 0 ? captureLog.cursor.frame : maxFrame);
  // Read after the reader began: frames that are not in the file yet then prove that it stands on a mark. A checkpoint
  // needs no write lock, so what was read before proves nothing.
  const { backfilled } = indexUnderLock(connections);
  const tailBytes = captureLog.unseenBytes();
  // A reader can not hold a WAL that is wholly in the database file: the next writer may reset it. A tail too large to
  // be copied now is read afterwards; should a writer be faster, the header shows it and it is a gap.
  if (backfilled < maxFrame || tailBytes === 0 || tailBytes > COPY_BYTES_MAX) return;
  const misfit = captureLog.poll();
  if (misfit !== undefined) throw lost(misfit);
  captureLog.copyPending();
}

function indexUnderLock(connections: CaptureConnections): WalIndex {
  const index = connections.index();
  assert(index, 'the wal-index is at rest under the write lock');
  return index;
}
