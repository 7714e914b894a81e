// What the parts of the archive room share: the rooms below, and the bounds in time.
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Destination } from '../destination/destination.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { Store } from '../store/store.ts';

/** Bounds in time; tests shorten them. */
export interface ArchiveTiming {
  /** Figures reach the store at most so often: one transaction for all tenants, not one per commit. */
  persistMs: number;
  /** Pause after a failed step: doubled each time up to the bound, so that a destination that is back is found soon. */
  retryMsMin: number;
  retryMsMax: number;
  /** How long a planned stop waits for the rest of the log to become durable. */
  detachMs: number;
  /** How long NOARCHIVELOG tries to freeze the last piece at a destination that is away. */
  finishMs: number;
}

export const ARCHIVE_TIMING: ArchiveTiming = {
  persistMs: 1000,
  retryMsMin: 500,
  retryMsMax: 30_000,
  detachMs: 10_000,
  finishMs: 60_000,
};

export interface ArchiveContext {
  store: Store;
  clock: Clock;
  log: Log;
  /** The driver that a tenant's `engine` names. */
  driver(engine: string): EngineDriver;
  engineTenant(tenant: Tenant): EngineTenant;
  /** Opens a destination without touching it. */
  openDestination(uri: DestinationUri): Destination;
  timing: ArchiveTiming;
}
