// Attaches a capture to a tenant's database: begins a round at the present end of the log, or goes on exactly where the
// last batch at the destination says, when the WAL proves that nothing was missed in between.
import { realpathSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import { nextScn, type Scn } from '../../model/scn.ts';
import type { CapturedBatch } from '../engine-driver.ts';
import { CaptureConnections, isBusy } from './capture-connections.ts';
import { Delivery } from './capture-delivery.ts';
import { acquireLock, isLockLost, type LockWindows, readHeldLocks } from './capture-locks.ts';
import { CaptureLog, CHANGE_PROOF_NS, type Cursor, startOf } from './capture-log.ts';
import type { AttachArgument } from './capture-messages.ts';
import { type CapturePosition, decodePosition, type FileIdentity } from './capture-position.ts';
import { TenantCapture, type TenantCaptureParts } from './capture-tenant.ts';
import { frameOffset, sameChecksum } from './wal-format.ts';
import type { WalIndex } from './wal-index.ts';

/** How long the write lock is tried for at the start. */
const LOCK_WAIT_MS = 15_000;
/** A tail that the next writer could overwrite is copied under the write lock up to here: some 10 ms. */
const COPY_BYTES_MAX = 16 * MIB;
const BATCH_HASH_BYTES = 32;

export interface AttachTools {
  clock: Clock;
  log: TenantCaptureParts['log'];
  windows: LockWindows;
  fill: TenantCaptureParts['fill'];
  send: (batch: CapturedBatch) => Promise<void>;
  onGap: (because: string) => void;
  /** Looks in the kernel's list whether SQLite's locks are there: long with many tenants, so not for every one. */
  checkLocks: boolean;
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

/**
 * Attaches. Batch 1 of a new round is durable when this resolves.
 * @throws CLOG_RECYCLE_BEFORE_ARCHIVE when the log does not continue `resume`; CANNOT_START_LOG_ARCHIVE when the
 * database is not in WAL mode or its write lock can not be had
 */
export async function attachCapture(
  argument: AttachArgument,
  of: { path: string; file: FileIdentity },
  tools: AttachTools,
): Promise<{ capture: TenantCapture; startScn: Scn }> {
  const { resume } = argument;
  const position = resume ? decodePosition(resume.engine) : undefined;
  if (position && position.file.inode !== of.file.inode)
    throw lost(`the database file ${of.path} is not the one that was archived`);
  const connections = pin(of.path);
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
    const common = { connections, path: of.path, file: of.file, pageSize, clock: tools.clock };
    let captureLog: CaptureLog;
    let startScn: Scn;
    try {
      const index = connections.index();
      assert(index, 'the wal-index is at rest under the write lock');
      if (position && resume) {
        startScn = resume.scn;
        const lastScn = resume.scn > argument.afterScn ? resume.scn : argument.afterScn;
        captureLog = new CaptureLog({
          ...common,
          cursor: resumeCursor(position, connections, index, of.path),
          lastScn,
        });
        continueUnderLock(captureLog, index);
      } else {
        startScn = nextScn(argument.afterScn, tools.clock.nowNs());
        const cursor = presentCursor(connections, index);
        captureLog = new CaptureLog({ ...common, cursor, lastScn: startScn });
        captureLog.roll();
      }
    } finally {
      connections.unlock();
      // An idle tenant holds one connection: with many of them every other one counts.
      connections.relax();
      tools.windows.add(tools.clock.monotonicMs() - since);
    }
    const capture = assemble(argument, { connections, captureLog, path: of.path }, startScn, tools);
    if (!resume) await capture.recordStart();
    capture.start();
    return { capture, startScn };
  } catch (error) {
    connections.close();
    throw error;
  }
}

function pin(path: string): CaptureConnections {
  try {
    return new CaptureConnections(path);
  } catch (error) {
    throw isBusy(error) ? cannotStart(`another connection has ${path} to itself`) : error;
  }
}

function assemble(
  argument: AttachArgument,
  of: { connections: CaptureConnections; captureLog: CaptureLog; path: string },
  startScn: Scn,
  tools: AttachTools,
): TenantCapture {
  const { resume, captureId, owner, lagTargetMs, cutScn } = argument;
  const chain = resume
    ? { batchNo: resume.batchNo, batchHash: resume.batchHash, checkpointScn: resume.scn, engine: resume.engine }
    : { batchNo: 0, batchHash: new Uint8Array(BATCH_HASH_BYTES), checkpointScn: startScn, engine: new Uint8Array(0) };
  let capture: TenantCapture | undefined;
  const delivery = new Delivery({
    log: of.captureLog,
    owner,
    clock: tools.clock,
    chain,
    lagTargetMs,
    cutScn,
    ...(tools.partBytes === undefined ? {} : { partBytes: tools.partBytes }),
    send: tools.send,
    onLost: (because) => capture?.gap(because),
  });
  const { clock, log, windows, fill, onGap } = tools;
  capture = new TenantCapture({ ...of, captureId, delivery, clock, log, windows, fill, onGap });
  return capture;
}

function checkLocks(of: { path: string; file: FileIdentity }, connections: CaptureConnections): void {
  const held = readHeldLocks();
  if (held && isLockLost(held, of.file.inode, connections.shmInode))
    throw cannotStart(`the lock on ${of.path} was lost; does another part of this process open the file?`);
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

/** Still under the write lock: pins the tail that is not captured yet. */
function continueUnderLock(captureLog: CaptureLog, index: WalIndex): void {
  const tailBytes = captureLog.unseenBytes();
  const isResettable = index.backfilled >= index.maxFrame && index.maxFrame > 0;
  // A reader can not hold a WAL that is wholly in the database file: the next writer may reset it. A tail too large to
  // be copied now is read afterwards; should a writer be faster, the header shows it and it is a gap.
  if (isResettable && tailBytes > 0 && tailBytes <= COPY_BYTES_MAX) {
    const misfit = captureLog.poll();
    if (misfit !== undefined) throw lost(misfit);
    captureLog.copyPending();
  }
  captureLog.roll(index.maxFrame);
}
