// For tests: captures attached in this process, with small parts, so that what the host does inside can be interrupted.
// Applications must then be processes of their own: the capture closes descriptors of the database file.
import { systemClock } from '../../base/clock.ts';
import { KIB } from '../../base/limits.ts';
import { silentLog } from '../../base/log.ts';
import { readLogBatchHeader } from '../../format/log-batch-header.ts';
import type { CapturedBatch, CaptureRequest } from '../engine-driver.ts';
import type { MemoryArchive } from './capture.fixture.ts';
import { attachCapture, identify, inScanTurn } from './capture-attach.ts';
import { LockWindows } from './capture-locks.ts';
import type { TenantCapture } from './capture-tenant.ts';
import { CheckpointThread } from './checkpoint-thread.ts';
import { BytesOnTheirWay } from './delivery-window.ts';
import { Turns } from './turns.ts';

const PART_BYTES = 64 * KIB;

export class InProcessCaptures {
  readonly #captures: TenantCapture[] = [];
  /** One scan at a time, as in a crowded host. */
  readonly scans = new Turns(1);

  /** Attaches where the archive's last batch says; rejects when the start can not be made durable. */
  async attach(
    of: { path: string; archive: MemoryArchive },
    over: Partial<CaptureRequest> = {},
  ): Promise<TenantCapture> {
    const { tenant, deliver, onGap, ...request } = of.archive.request(of.path, over);
    const thread = new CheckpointThread();
    const argument = { seal: null, captureId: 1, location: tenant.location, batchesMax: 1, ...request };
    return await inScanTurn(argument, this.scans, async (onScanned) => {
      const { capture, begin } = await attachCapture(argument, identify(of.path), {
        clock: systemClock,
        log: silentLog,
        windows: new LockWindows(),
        fill: (path) => thread.run(path),
        scans: this.scans,
        onScanned,
        send: deliver,
        onTheirWay: new BytesOnTheirWay(),
        onGap,
        checkLocks: true,
        partBytes: PART_BYTES,
      });
      this.#captures.push(capture);
      await begin?.();
      return capture;
    });
  }

  async closeAll(): Promise<void> {
    for (const capture of this.#captures.splice(0)) {
      capture.close();
      await capture.closed;
    }
  }
}

/** How each batch holds its commits: '2' whole ones, '0>' the first part of one, '>0>' a further, '>1' the last. */
export const flagsOf = (batches: readonly CapturedBatch[]): string[] =>
  batches.map((batch) => {
    const { isContinued, continues, commitCount } = readLogBatchHeader(batch.bytes, 'batch');
    return `${isContinued ? '>' : ''}${commitCount}${continues ? '>' : ''}`;
  });
