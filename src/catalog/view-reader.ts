// What a view's rows are made from: the store, the live figures, and how times are shown.
import type { ArchiveFigures, ArchiveService } from '../archive/archive-service.ts';
import type { Clock } from '../base/clock.ts';
import type { Scn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { formatTime } from '../model/time-zone.ts';
import type { RestoreService } from '../restore/restore-service.ts';
import type { StandbyService } from '../restore/standby-service.ts';
import type { Store } from '../store/store.ts';

const NS_PER_SECOND = 1_000_000_000n;

/** Where rows come from. */
export interface ViewSources {
  store: Store;
  clock: Clock;
  archive: Pick<ArchiveService, 'figures'>;
  restore: Pick<RestoreService, 'windows'>;
  /** Where clients reach this server. */
  listenAddress: { host: string; port: number };
  standby: Pick<StandbyService, 'status'>;
}

/** Reads for one statement: what it has read of tenants and figures stays the same throughout. */
export class ViewReader {
  readonly store: Store;
  readonly nowNs: bigint;
  /** Restricts a table's rows to those that may be shown: empty for all tenants, or one tenant's id. */
  readonly where: { tenantId?: number };
  readonly #sources: ViewSources;
  readonly #figures = new Map<number, ArchiveFigures | undefined>();
  /** Whole seconds as they are shown, by zone and second. */
  readonly #seconds = new Map<string, string>();
  #zones: Map<number, string> | undefined;
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

  /** Tenant ids with backups to show, and whose these are: also those recorded from elsewhere, where no tenant lives. */
  protectedTenants(): Array<{ tenantId: number; name: string }> {
    const here = this.tenants().map(({ tenantId, name }) => ({ tenantId, name }));
    const recorded = this.store.recordedSources
      .find(this.where)
      .filter(({ tenantId }) => !this.#byId().has(tenantId))
      .map(({ tenantId, sourceTenantName: name }) => ({ tenantId, name }));
    return [...here, ...recorded].sort((a, b) => a.tenantId - b.tenantId);
  }

  figures(tenantId: number): ArchiveFigures | undefined {
    if (!this.#figures.has(tenantId)) this.#figures.set(tenantId, this.#sources.archive.figures(tenantId));
    return this.#figures.get(tenantId);
  }

  get address(): ViewSources['listenAddress'] {
    return this.#sources.listenAddress;
  }

  windows(tenantId: number) {
    return this.#sources.restore.windows(tenantId);
  }

  standbyStatus(tenantId: number) {
    return this.#sources.standby.status(tenantId);
  }

  /** A moment in the tenant's time zone, to the microsecond; null stays null. A dropped tenant's in the cluster's zone. */
  showTime(tenantId: number, ns: bigint | null): string | null {
    return ns === null ? null : this.#format(ns, this.zoneOf(tenantId));
  }

  /** An scn as a time; null for "none yet". */
  showScn(tenantId: number, scn: Scn): string | null {
    return scn === 0n ? null : this.#format(scn, this.zoneOf(tenantId));
  }

  /** Of many tenants most times are of the same few seconds, and to find a second's offset in a named zone is slow. */
  #format(ns: bigint, zone: string): string {
    const key = `${zone} ${ns / NS_PER_SECOND}`;
    const second = this.#seconds.get(key) ?? formatTime(ns, zone, 0);
    this.#seconds.set(key, second);
    return `${second}.${String((ns % NS_PER_SECOND) / 1000n).padStart(6, '0')}`;
  }

  /** In which a tenant's times are shown. */
  zoneOf(tenantId: number): string {
    const own = this.#timeZones().get(tenantId);
    return own || this.store.recordedSources.get({ tenantId })?.timeZone || this.store.cluster.timeZone;
  }

  #timeZones(): Map<number, string> {
    this.#zones ??= this.store.timeZones();
    return this.#zones;
  }

  #byId(): Map<number, Tenant> {
    this.#tenantsById ??= new Map(this.store.tenants.find(this.where).map((tenant) => [tenant.tenantId, tenant]));
    return this.#tenantsById;
  }
}
