// The service of restored tenants that are not activated yet: their source, how far they are recovered, and their activation.
import { rm } from 'node:fs/promises';
import { fail } from '../base/errors.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import {
  type DestinationUri,
  formatDestinationUri,
  formatWithOptions,
  parseDestinationUri,
} from '../model/destination-uri.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import { SCN_UNLIMITED, type Standby } from '../model/standby.ts';
import type { Tenant } from '../model/tenant.ts';
import { parseTime } from '../model/time-zone.ts';
import { keepAccess } from '../store/destination-access.ts';
import { StandbyDatabase, stepPath } from './replay-log.ts';
import { recordRestore } from './restore-events.ts';
import type { RecoveryLimit, StandbyService, StandbyStatus } from './standby-service.ts';
import { isFollowing, type StandbyDependencies, StandbyWorker } from './standby-worker.ts';

/** Builds the service; nothing is replayed before `start`. */
export function createStandby(deps: StandbyDependencies): StandbyService {
  return new Standbys(deps);
}

const RESTING: StandbyStatus = { syncStatus: 'RESTORE SUSPEND', errorCode: 0, comment: '' };

class Standbys implements StandbyService {
  readonly #deps: StandbyDependencies;
  readonly #workers = new Map<number, StandbyWorker>();
  /** Tenants that a statement is about to change, or that go away: nothing begins for them meanwhile. */
  readonly #held = new Set<number>();
  #isStarted = false;

  constructor(deps: StandbyDependencies) {
    this.#deps = deps;
  }

  start(): void {
    this.#isStarted = true;
    for (const { tenantId } of this.#deps.store.standbys.find()) this.#pump(tenantId);
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
  }

  async setSource(tenantId: number, text: string | null): Promise<void> {
    const { standby } = this.#standbyOf(tenantId, 'a log restore source');
    const source = text === null ? null : await this.#checkSource(text, standby);
    const sourceUri = source === null ? '' : formatWithOptions(source);
    await this.#alone(tenantId, async () => {
      this.#standbyOf(tenantId, 'a log restore source');
      const { store, clock } = this.#deps;
      store.transaction(() => {
        store.standbys.change({ tenantId }, { sourceUri });
        if (source) keepAccess(store, tenantId, source);
        const path = source === null ? '' : formatDestinationUri(source);
        recordRestore(store, clock.nowNs(), 'set_log_restore_source', { tenant_id: tenantId, path });
      });
    });
    this.#deps.log.info('log restore source set', { tenantId, isCleared: sourceUri === '' });
  }

  async recover(tenantId: number, limit: RecoveryLimit): Promise<void> {
    this.#checkRecovery(tenantId, limit);
    // What goes on towards another limit ends first: it could go past the new one.
    await this.#alone(tenantId, async () => {
      const recoveryUntilScn = this.#checkRecovery(tenantId, limit);
      this.#saveLimit(tenantId, recoveryUntilScn, 'recover_standby');
      this.#deps.log.info('standby is to be recovered', { tenantId, recoveryUntilScn });
    });
  }

  /** @returns the limit @throws NOT_ALLOWED (4179), INVALID_ARGUMENT (4002) */
  #checkRecovery(tenantId: number, limit: RecoveryLimit): Scn {
    const { tenant, standby } = this.#standbyOf(tenantId, 'RECOVER STANDBY');
    const refuse = (because: string) =>
      fail('NOT_ALLOWED', { what: `RECOVER STANDBY of the tenant '${tenant.name}', ${because}, is` });
    if (standby.sourceUri === '') throw refuse('which has no log restore source');
    const isArchived = tenant.isArchiveMode || this.#deps.store.currentRound(tenantId)?.status === 'STOPPING';
    if (isArchived) throw refuse('whose own log is archived');
    const untilScn = limitOf(limit, tenant);
    if (untilScn < standby.scn)
      throw refuse(`to SCN ${untilScn}, before SCN ${standby.scn} up to which it has been recovered already`);
    return untilScn;
  }

  async cancel(tenantId: number): Promise<void> {
    this.#standbyOf(tenantId, 'RECOVER STANDBY');
    await this.#alone(tenantId, async () => {
      const { standby } = this.#standbyOf(tenantId, 'RECOVER STANDBY');
      this.#saveLimit(tenantId, standby.scn, 'cancel_recover_standby');
    });
    this.#deps.log.info('recovery of a standby cancelled', { tenantId });
  }

  async activate(tenantId: number, { isVerifyOnly }: { isVerifyOnly: boolean }): Promise<void> {
    const tenant = this.#tenantOf(tenantId, 'activating');
    if (isVerifyOnly) this.#checkReached(tenant);
    await this.#alone(tenantId, async () => {
      await this.#prove(tenantId, isVerifyOnly);
      if (!isVerifyOnly) this.#open(this.#tenantOf(tenantId, 'activating'));
    });
    // Sessions that were opened read-only end; their clients' next ones may write.
    if (!isVerifyOnly) await this.#deps.driver.closeSessions(tenantId);
  }

  async forget(tenantId: number): Promise<void> {
    this.#held.add(tenantId);
    try {
      await this.#halt(tenantId);
    } finally {
      this.#held.delete(tenantId);
    }
  }

  status(tenantId: number): StandbyStatus | undefined {
    const { store } = this.#deps;
    const standby = store.standbys.get({ tenantId });
    if (!standby) return undefined;
    const worker = this.#workers.get(tenantId);
    if (worker) return worker.status;
    const notAvailable = (comment: string): StandbyStatus => ({ syncStatus: 'NOT AVAILABLE', errorCode: 0, comment });
    if (standby.sourceUri === '') return notAvailable('there is no log restore source');
    const isWaiting = isFollowing(store.tenants.get({ tenantId }), standby);
    return isWaiting ? notAvailable('nothing is replayed just now') : RESTING;
  }

  #saveLimit(tenantId: number, recoveryUntilScn: Scn, event: string): void {
    const { store, clock } = this.#deps;
    store.transaction(() => {
      store.tenants.change({ tenantId }, { recoveryUntilScn }, { role: 'STANDBY', status: 'NORMAL' });
      recordRestore(store, clock.nowNs(), event, { tenant_id: tenantId, recovery_until_scn: recoveryUntilScn });
    });
  }

  /** @throws NOT_ALLOWED (4179), TENANT_NOT_NORMAL (5161) */
  #tenantOf(tenantId: number, what: string): Tenant {
    const tenant = this.#deps.store.tenants.get({ tenantId });
    if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
    if (tenant.role !== 'STANDBY')
      throw fail('NOT_ALLOWED', { what: `${what} the tenant '${tenant.name}', whose role is ${tenant.role}, is` });
    if (tenant.status !== 'NORMAL') throw fail('TENANT_NOT_NORMAL', { tenant: tenant.name, status: tenant.status });
    return tenant;
  }

  /** @throws NOT_ALLOWED (4179) also for a tenant that an earlier version restored: nobody knows what led to it */
  #standbyOf(tenantId: number, what: string): { tenant: Tenant; standby: Standby } {
    const tenant = this.#tenantOf(tenantId, `${what} for`);
    const standby = this.#deps.store.standbys.get({ tenantId });
    if (standby) return { tenant, standby };
    const who = `the tenant '${tenant.name}', which an earlier version restored without a record of its log`;
    throw fail('NOT_ALLOWED', { what: `${what} for ${who}, is` });
  }

  #pump(tenantId: number): void {
    const { store, log } = this.#deps;
    if (!this.#isStarted || this.#held.has(tenantId) || this.#workers.has(tenantId)) return;
    if (!isFollowing(store.tenants.get({ tenantId }), store.standbys.get({ tenantId }))) return;
    const worker = new StandbyWorker(this.#deps, tenantId);
    this.#workers.set(tenantId, worker);
    void worker.run().then(
      () => {
        this.#workers.delete(tenantId);
        // The limit may have been moved on just when it was reached.
        this.#pump(tenantId);
      },
      (error: unknown) => {
        // Taken up again with the next statement or start, not in a tight loop.
        this.#workers.delete(tenantId);
        log.error('standby worker broke', { tenantId, error });
      },
    );
  }

  /** Nothing is replayed any more, and no step has left its pages behind. */
  async #halt(tenantId: number): Promise<void> {
    const { store, engineTenant } = this.#deps;
    await this.#workers.get(tenantId)?.stop();
    const tenant = store.standbys.get({ tenantId }) && store.tenants.get({ tenantId });
    if (tenant) await rm(stepPath(engineTenant(tenant).location), { force: true });
  }

  /** Does something while nothing is replayed, and goes on afterwards. */
  async #alone(tenantId: number, work: () => Promise<void>): Promise<void> {
    if (this.#held.has(tenantId)) throw fail('NOT_ALLOWED', { what: 'changing a standby that is being changed is' });
    this.#held.add(tenantId);
    try {
      await this.#halt(tenantId);
      await work();
    } finally {
      this.#held.delete(tenantId);
      this.#pump(tenantId);
    }
  }

  /** @returns the uri to keep @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081) */
  async #checkSource(text: string, standby: Standby): Promise<DestinationUri> {
    const uri = parseDestinationUri(text);
    const shown = formatDestinationUri(uri);
    await using destination = this.#deps.openDestination(uri, standby.tenantId);
    const format = await readFormatFile(destination);
    if (!format) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri: shown });
    const because = `it is a destination of kind ${format.destKind}`;
    if (format.destKind !== 'archive_log') throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri: shown, because });
    const isOwn = format.clusterUuid === standby.clusterUuid && format.tenantId === standby.sourceTenantId;
    if (!isOwn) {
      const foreign = 'it is not of the tenant that this one was restored from';
      throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri: shown, because: foreign });
    }
    return uri;
  }

  /** @throws NOT_ALLOWED (4179) when the recovery is to go on and has not come to its end, or can not */
  #checkReached({ tenantId, name, recoveryUntilScn }: Tenant): void {
    const standby = this.#deps.store.standbys.get({ tenantId });
    const status = this.status(tenantId);
    if (!standby || !status || standby.scn >= recoveryUntilScn) return;
    const isLimited = recoveryUntilScn !== SCN_UNLIMITED;
    if (!isLimited && status.errorCode === 0) return;
    const limit = isLimited ? ` to SCN ${recoveryUntilScn}` : '';
    const because = status.comment === '' ? '' : ` (${status.syncStatus}: ${status.comment})`;
    throw fail('NOT_ALLOWED', {
      what: `activating the tenant '${name}', whose recovery${limit} has come only to SCN ${standby.scn}${because}, is`,
    });
  }

  /** Reads every page of what was replayed. @throws BACKUP_DATA_CORRUPT (9010) */
  async #prove(tenantId: number, isAsked: boolean): Promise<void> {
    const standby = this.#deps.store.standbys.get({ tenantId });
    // What a restore wrote was compared page by page when it was written.
    if (!standby || !(standby.isReplayed || standby.nextScn !== null || isAsked)) return;
    const database = await StandbyDatabase.open(this.#deps, tenantId);
    await database.close();
  }

  #open({ tenantId, lastScn }: Tenant): void {
    const { store, log, clock } = this.#deps;
    const standby = store.standbys.get({ tenantId });
    const scn: Scn = standby && standby.scn > lastScn ? standby.scn : lastScn;
    store.transaction(() => {
      const opened = { role: 'PRIMARY', recoveryUntilScn: SCN_NONE, lastScn: scn } as const;
      store.tenants.change({ tenantId }, opened, { role: 'STANDBY', status: 'NORMAL' });
      store.standbys.remove({ tenantId });
      recordRestore(store, clock.nowNs(), 'activate_standby', { tenant_id: tenantId });
    });
    log.info('tenant activated', { tenantId, scn });
  }
}

/** @throws INVALID_ARGUMENT (4002) for a text that is no time */
function limitOf(limit: RecoveryLimit, { timeZone }: Tenant): Scn {
  if (limit.kind === 'unlimited') return SCN_UNLIMITED;
  if (limit.kind === 'scn') return limit.scn < SCN_UNLIMITED ? limit.scn : SCN_UNLIMITED;
  const ns = parseTime(limit.text, timeZone);
  if (ns === undefined) throw fail('INVALID_ARGUMENT', { what: `UNTIL TIME '${limit.text}'` });
  return ns < SCN_UNLIMITED ? toScn(ns) : SCN_UNLIMITED;
}
