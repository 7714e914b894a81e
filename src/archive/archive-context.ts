// What the parts of the archive room share: the rooms below, and the bounds in time.
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { OpenDestination } from '../destination/destination.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import type { Leases } from '../lease/lease-service.ts';
import type { Tenant } from '../model/tenant.ts';
import type { Store } from '../store/store.ts';
import type { TenantUse } from './tenants-at-rest.ts';

/** Bounds in time; tests shorten them. */
export interface ArchiveTiming {
  /** Figures reach the store at most so often: one transaction for all tenants, not one per commit. */
  persistMs: number;
  /** Pause after a failed step: doubled each time up to the bound, so that a destination that is back is found soon. */
  retryMsMin: number;
  retryMsMax: number;
  /** A round that was interrupted sooner is barren; after a few of them in a row the next waits: doubled each time. */
  barrenMsMax: number;
  repairPauseMsMin: number;
  repairPauseMsMax: number;
  /** How long a planned stop waits for the rest of the log to become durable. */
  detachMs: number;
  /** How long NOARCHIVELOG tries to freeze the last piece at a destination that is away. */
  finishMs: number;
  /** How long a statement waits for a resting tenant's capture; then it goes on, and the log waits for the capture. */
  wakeMs: number;
  /** Between two looks at who may rest and at the files of those who do. */
  restSweepMs: number;
  /** A tenant that nobody uses is let go of after so long. */
  restAfterMs: number;
  /** With more tenants attached than this they rest sooner: each has some five files open. */
  attachedCalm: number;
  restAfterCrowdedMs: number;
  /** Between looks at how much log waits to be archived. */
  pressureMs: number;
  /** How long one call to a destination may take: 64 MiB at a megabyte a second. One on a dead network mount never ends. */
  callMs: number;
  /** A leading destination that takes nothing for longer gives the lead to a copy that has everything. */
  leadMs: number;
}

export const ARCHIVE_TIMING: ArchiveTiming = {
  persistMs: 1000,
  retryMsMin: 500,
  retryMsMax: 5_000,
  barrenMsMax: 60_000,
  repairPauseMsMin: 5_000,
  repairPauseMsMax: 180_000,
  detachMs: 10_000,
  finishMs: 60_000,
  wakeMs: 5000,
  restSweepMs: 1000,
  restAfterMs: 60_000,
  attachedCalm: 100,
  restAfterCrowdedMs: 2000,
  pressureMs: 1000,
  callMs: 60_000,
  leadMs: 10_000,
};

export interface ArchiveContext {
  store: Store;
  clock: Clock;
  log: Log;
  /** The driver that a tenant's `engine` names. */
  driver(engine: string): EngineDriver;
  engineTenant(tenant: Tenant): EngineTenant;
  /** Opens a destination without touching it. */
  openDestination: OpenDestination;
  /** Who writes a destination. */
  leases: Leases;
  /** Where a tenant's page map is kept between starts: an absolute path that ends in `.map`. */
  pageMapPath(tenantId: number): string;
  timing: ArchiveTiming;
  /** Who uses a tenant; absent: every capture stays attached. */
  use?: TenantUse;
}
