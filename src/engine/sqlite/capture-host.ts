// Child process that captures the logs of many tenants. It alone holds their pinned readers, so nothing else in it may
// open a database or -shm file, and it ends by SIGKILL: an orderly exit would close connections in an unsafe order.
import { assert } from '../../base/assert.ts';
import { endByKillOnly, serveParent } from '../../base/child-process.ts';
import { systemClock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { createLog } from '../../base/log.ts';
import { DatabaseSync, isSafeSqliteVersion } from '../../base/sqlite.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import type { Scn } from '../../model/scn.ts';
import type { LogPinStatus } from '../engine-driver.ts';
import { type Attached, attachCapture, identify, inScanTurn } from './capture-attach.ts';
import { LOCK_READS, LockWindows, readHeldLocks } from './capture-locks.ts';
import type {
  AttachAnswer,
  AttachArgument,
  CaptureReport,
  LockFigures,
  PinArgument,
  SweepNote,
} from './capture-messages.ts';
import { LogPins } from './capture-pins.ts';
import type { FileIdentity } from './capture-position.ts';
import type { TenantCapture } from './capture-tenant.ts';
import { CheckpointThread } from './checkpoint-thread.ts';
import { BytesOnTheirWay } from './delivery-window.ts';
import { Turns } from './turns.ts';

/** Between sweeps: the longest time a commit goes unseen when no event told of it. */
const SWEEP_MS = 1000;
/** Files looked at per sweep: some 3 ms of system calls; with more tenants each has its turn a little later. */
const FILE_CHECKS_MAX = 250;

/** The kernel's list of locks is read every so many sweeps: with 10,000 tenants it has some megabytes. */
const LOCK_CHECK_SWEEPS = 30;

/** Attaching takes connections that are given back at once: many at a time would only make the process larger. */
const ATTACHING_MAX = 8;
/** Scans of whole databases at a time: each reads and hashes as fast as the disk and the processor allow. */
const SCANS_MAX = 2;

const log = createLog('info');
const clock = systemClock;
const windows = new LockWindows();
const checkpoints = new CheckpointThread();
const captures = new Map<number, TenantCapture>();
/** Files in use, by device and inode. Two captures of one file in one process would drop each other's locks. */
const inUse = new Map<string, Promise<void> | 'live'>();
const attaching = new Turns(ATTACHING_MAX);
const scans = new Turns(SCANS_MAX);
const onTheirWay = new BytesOnTheirWay();
const pins = new LogPins((key) => isFree(key));
let sweepOffset = 0;
let sweepNo = 0;

endByKillOnly();

const server = serveParent({
  pin,
  unpin: ({ pinId }: { pinId: number }) => pins.release(pinId),
  attach,
  flush: ({ captureId }: { captureId: number }) => captureOf(captureId).flush(),
  snapshot: ({ captureId }: { captureId: number }) => captureOf(captureId).snapshot(),
  closeSnapshot: ({ captureId, snapshotId }: { captureId: number; snapshotId: number }) => {
    const capture = captures.get(captureId);
    if (!capture?.holdsSnapshot(snapshotId)) return false;
    capture.closeSnapshot(snapshotId);
    return true;
  },
  stop: ({ captureId }: { captureId: number }) => captureOf(captureId).stop(),
  setCutScn: ({ captureId, scn }: { captureId: number; scn: Scn }) => {
    const capture = captures.get(captureId);
    if (capture) capture.cutScn = scn;
  },
  setLagTargetMs: ({ captureId, ms }: { captureId: number; ms: number }) => {
    const capture = captures.get(captureId);
    if (capture) capture.lagTargetMs = ms;
  },
  setSeal: ({ captureId, seal }: { captureId: number; seal: LogSeal | null }) => {
    const capture = captures.get(captureId);
    if (capture) capture.seal = seal;
  },
  lockFigures: (): LockFigures => windows.figures(),
});

const version = sqliteVersion();
if (!isSafeSqliteVersion(version)) {
  log.error('capture host refused', { sqliteVersion: version });
}

function sqliteVersion(): string {
  const database = new DatabaseSync(':memory:');
  const row = database.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  database.close();
  return row.version;
}

function captureOf(captureId: number): TenantCapture {
  const capture = captures.get(captureId);
  if (!capture) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
  return capture;
}

function checkVersion(): void {
  if (isSafeSqliteVersion(version)) return;
  throw fail('CANNOT_START_LOG_ARCHIVE', {
    because: `SQLite ${version} can corrupt a database when its log is reset; 3.51.3 or later is needed`,
  });
}

const keyOf = ({ device, inode }: FileIdentity): string => `${device}:${inode}`;

/** Waits until a capture of the file that has ended holds nothing any more. @returns false when one lives */
async function isFree(key: string): Promise<boolean> {
  for (let use = inUse.get(key); use !== undefined; use = inUse.get(key)) {
    if (use === 'live') return false;
    await use;
  }
  return true;
}

async function pin({ pinId, location }: PinArgument): Promise<LogPinStatus> {
  checkVersion();
  const { path, file } = identify(location);
  return await pins.pin({ pinId, path, key: keyOf(file) });
}

function attach(argument: AttachArgument): Promise<AttachAnswer> {
  return inScanTurn(argument, scans, (onScanned) => attachNow(argument, onScanned));
}

async function attachNow(argument: AttachArgument, onScanned: () => void): Promise<AttachAnswer> {
  checkVersion();
  const { captureId } = argument;
  assert(!captures.has(captureId), 'a capture is attached once');
  const of = identify(argument.location);
  const key = keyOf(of.file);
  if (!(await isFree(key))) throw fail('ENTRY_EXISTS', { what: `a log capture of ${of.path}` });
  inUse.set(key, 'live');
  let attached: Attached;
  try {
    attached = await attaching.run(() =>
      pins.hand(key, (pinned) =>
        attachCapture(argument, of, {
          clock,
          log,
          windows,
          fill: (path) => checkpoints.run(path),
          scans,
          onScanned,
          send: (batch) => server.call<void>('deliver', { captureId, batch }),
          onTheirWay,
          checkLocks: captures.size === 0,
          pinned,
          onGap: (because) => server.tell('gap', { captureId, because }),
        }),
      ),
    );
  } catch (error) {
    inUse.delete(key);
    throw error;
  }
  const { capture, startScn, begin } = attached;
  captures.set(captureId, capture);
  void release(capture, key);
  try {
    await begin?.();
  } catch (error) {
    capture.close();
    await capture.closed;
    throw error;
  }
  return { startScn };
}

/** Forgets a capture once it has ended and closed everything. */
async function release(capture: TenantCapture, key: string): Promise<void> {
  await capture.ended;
  captures.delete(capture.captureId);
  inUse.set(key, capture.closed);
  await capture.closed;
  inUse.delete(key);
}

function sweep(): void {
  const scn = clock.nowNs();
  const reports: CaptureReport[] = [];
  const all = [...captures.values()];
  for (const [i, capture] of all.entries()) {
    const turn = (i - sweepOffset + all.length) % all.length;
    capture.sweep({ checkFiles: turn < FILE_CHECKS_MAX });
    if (capture.isIdle) capture.announce(scn);
    const report = capture.report();
    if (report) reports.push(report);
  }
  if (++sweepNo % LOCK_CHECK_SWEEPS === 0 && all.length > 0) checkLocks(all);
  const pinReports = pins.look();
  if (pinReports.length > 0) server.tell('pins', pinReports);
  sweepOffset = all.length === 0 ? 0 : (sweepOffset + FILE_CHECKS_MAX) % all.length;
  if (all.length > 0) server.tell('swept', { scn, reports } satisfies { scn: bigint; reports: SweepNote['reports'] });
}

function checkLocks(all: readonly TenantCapture[]): void {
  let suspects = all;
  for (let read = 1; read <= LOCK_READS && suspects.length > 0; read++) {
    const held = readHeldLocks();
    if (!held) return;
    suspects = suspects.filter((capture) => capture.isLockLost(held));
  }
  for (const capture of suspects) capture.gap('the kernel has lost the lock that pins the log');
}

setInterval(sweep, SWEEP_MS);
