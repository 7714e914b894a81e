// What the backup room is built from.
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { OpenDestination } from '../destination/destination.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import type { Leases } from '../lease/lease-service.ts';
import type { Tenant } from '../model/tenant.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Store } from '../store/store.ts';
import type { BackupArchive } from './backup-service.ts';

export interface CopyTiming {
  /** Before a destination that failed is tried again; each further failure doubles it. */
  retryMs: number;
  retryMsMax: number;
  /** How long a job waits for a MANDATORY copy of which nothing is copied. */
  stallMsMax?: number;
}

export interface BackupDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  driver: EngineDriver;
  engineTenant(tenant: Tenant): EngineTenant;
  openDestination: OpenDestination;
  /** Who writes a destination; absent: nobody else. */
  leases?: Leases;
  pipeline: Pipeline;
  archive: BackupArchive;
  /** Where a tenant's page map is kept between starts; absolute. */
  pageMapPath(tenantId: number): string;
  /** Cores of this machine: workers of one backup at most. */
  cores: number;
  /** Pace of copies of sets; tests have less time. */
  copyTiming?: CopyTiming;
  /** Written into manifests; default `holdfast`. */
  serverVersion?: string;
}
