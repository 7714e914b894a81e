// What a view's rows are made from: the store, the live figures, and how times are shown.
import type { ArchiveFigures, ArchiveService } from '../archive/archive-service.ts';
import type { Clock } from '../base/clock.ts';
import type { Scn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { formatTime } from '../model/time-zone.ts';
import type { RestoreService } from '../restore/restore-service.ts';
import type { Store } from '../store/store.ts';

/** Where rows come from. */
export interface ViewSources {
  store: Store;
  clock: Clock;
  archive: Pick<ArchiveService, 'figures'>;
  restore: Pick<RestoreService, 'windows'>;
}

/** Reads for one statement: what it has read of tenants and figures stays the same throughout. */
export class ViewReader {
  readonly store: Store;
  readonly nowNs: bigint;
  /** Restricts a table's rows to those that may be shown: empty for all tenants, or one tenant's id. */
  readonly where: { tenantId?: number };
  readonly #sources: ViewSources;
  readonly #figures = new Map<number, ArchiveFigures | undefined>();
  #tenantsById: Map<number, Tenant> | undefined;

  /** @param tenantId the only tenant whose rows may be shown; null for all */
  constructor(sources: ViewSources, tenantId: number | null) {
    this.#sources = sources;
    this.store = sources.store;
    this.nowNs = sources.clock.nowNs();
    this.where = tenantId === null ? {} : { tenantId };
  }

  /** The tenants whose rows may be shown, by id. */
  tenants(): Tenant[] {
    return [...this.#byId().values()];
  }

  tenant(tenantId: number): Tenant | undefined {
    return this.#byId().get(tenantId);
  }

  figures(tenantId: number): ArchiveFigures | undefined {
    if (!this.#figures.has(tenantId)) this.#figures.set(tenantId, this.#sources.archive.figures(tenantId));
    return this.#figures.get(tenantId);
  }

  windows(tenantId: number) {
    return this.#sources.restore.windows(tenantId);
  }

  /** A moment in the tenant's time zone, to the microsecond; null stays null. A dropped tenant's in the cluster's zone. */
  showTime(tenantId: number, ns: bigint | null): string | null {
    return ns === null ? null : formatTime(ns, this.#zoneOf(tenantId));
  }

  /** An scn as a time; null for "none yet". */
  showScn(tenantId: number, scn: Scn): string | null {
    return scn === 0n ? null : formatTime(scn, this.#zoneOf(tenantId));
  }

  #zoneOf(tenantId: number): string {
    return this.tenant(tenantId)?.timeZone || this.store.cluster.timeZone;
  }

  #byId(): Map<number, Tenant> {
    this.#tenantsById ??= new Map(this.store.tenants.find(this.where).map((tenant) => [tenant.tenantId, tenant]));
    return this.#tenantsById;
  }
}
