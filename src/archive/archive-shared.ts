// What the workers of all tenants share.
import type { ArchiveRest } from '../store/records.ts';
import type { ArchiveWorker } from './archive-worker.ts';
import type { Copies } from './copies/copies.ts';
import type { AnnouncedScns } from './held-round.ts';

export interface ArchiveShared extends AnnouncedScns {
  /** Runs the work when one of the few places for attaching is free. */
  attachSlot<T>(work: () => Promise<T>, options?: { isUrgent: boolean }): Promise<T>;
  /** The worker has figures for the store. */
  markDirty(worker: ArchiveWorker): void;
  /** The tenant rests: the worker has let go of everything, and is over. */
  onRest(worker: ArchiveWorker, rest: ArchiveRest): void;
  copies: Copies;
}
