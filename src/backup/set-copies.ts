// Makes and removes copies of backup sets at further destinations: what is to be done stands in the store, a worker for each
// tenant does it one by one, and what fails is tried again at a pace of its own destination, so that no outage of one
// keeps the others waiting.
import { assert } from '../base/assert.ts';
import { fail, HoldfastError, toComment, toResult } from '../base/errors.ts';
import { JobWorkers } from '../base/job-workers.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import { proveOwner } from '../destination/claim-destination.ts';
import { deleteSet } from '../destination/delete-objects.ts';
import { checkUnlocked, lockEndOf } from '../destination/locks.ts';
import { manifestName } from '../format/layout.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove } from '../model/moves.ts';
import { nextCopy, SET_COPY_MOVES, type SetCopy, type SetCopyStatus } from '../model/set-copy.ts';
import { dataPlaces, urisOfSet } from '../store/data-places.ts';
import type { BackupDependencies, CopyTiming } from './backup-dependencies.ts';
import { copySet } from './copy-set.ts';
import { DataLease } from './data-lease.ts';

/** Tenants whose sets are copied at once: nobody waits for it, and backups need the same disks. */
const WORKING_TENANTS_MAX = 2;
/** Progress is written at most four times a second. */
const PROGRESS_INTERVAL_MS = 250;

/** A lock that names no end, or a far one, is looked at so often. */
const LOCK_RECHECK_MS = 3_600_000;
const NS_PER_MS = 1_000_000n;

/** A destination that failed is tried again after some seconds, and at last every ten minutes. */
const COPY_TIMING: CopyTiming = { retryMs: 5_000, retryMsMax: 600_000 };

type CopyDependencies = Pick<
  BackupDependencies,
  'store' | 'clock' | 'log' | 'openDestination' | 'leases' | 'copyTiming'
>;

const placeKey = ({ tenantId, uri }: SetCopy) => `${tenantId} ${uri}`;
const lockKey = (copy: SetCopy) => `${placeKey(copy)} ${copy.backupSetId}`;
const keyOf = ({ tenantId, backupSetId, destId }: SetCopy) => ({ tenantId, backupSetId, destId });

export class SetCopies {
  readonly #deps: CopyDependencies;
  readonly #jobs: JobWorkers<number, TenantCopier>;
  /** By tenant and destination, and by what is locked there: failures in a row, and when it is tried again. */
  readonly #failures = new Map<string, { count: number; dueMs: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: CopyDependencies) {
    this.#deps = deps;
    this.#jobs = new JobWorkers({
      ...{ workersMax: WORKING_TENANTS_MAX, noun: 'set copy', log: deps.log },
      open: () => this.#tenantsWithWork(),
      keyOf: (tenantId) => tenantId,
      isCanceling: () => false,
      isOpen: () => false,
      newWorker: (tenantId) => new TenantCopier(deps, tenantId, this),
    });
  }

  start(): void {
    this.#jobs.start();
    this.#wakeLater();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#jobs.stop();
    clearTimeout(this.#timer);
  }

  /** There may be something to do. @param tenantId whose destinations were named anew: they are tried at once */
  pump(tenantId?: number): void {
    for (const key of tenantId === undefined ? [] : [...this.#failures.keys()])
      if (key.startsWith(`${tenantId} `)) this.#failures.delete(key);
    this.#jobs.pump();
    this.#wakeLater();
  }

  /** Nothing is copied for the tenant any more: he is being dropped. */
  async forget(tenantId: number): Promise<void> {
    this.#jobs.of(tenantId)?.abort(fail('CANCELED', {}));
    await this.#jobs.ended(tenantId);
  }

  /** What is to be done next for a tenant; undefined while all that is left waits for its time. */
  next(tenantId: number): SetCopy | undefined {
    const { store } = this.#deps;
    if (!store.tenants.get({ tenantId })) return undefined;
    const isDue = (copy: SetCopy) => this.#isDue(copy);
    return nextCopy(store.setCopies.find({ tenantId }), store.backupSets.find({ tenantId }), isDue);
  }

  /** @param error why it failed; undefined when it did not */
  noteOutcome(copy: SetCopy, error: unknown): void {
    if (error === undefined) {
      this.#failures.delete(placeKey(copy));
      this.#failures.delete(lockKey(copy));
      return;
    }
    const lockEndNs = lockEndOf(error);
    // A lock says nothing of the destination: what else is to be done there goes on.
    if (lockEndNs !== null) {
      this.#wait(lockKey(copy), { count: 0, waitMs: this.#untilMs(lockEndNs) });
      return;
    }
    const { retryMs, retryMsMax } = this.#deps.copyTiming ?? COPY_TIMING;
    const count = (this.#failures.get(placeKey(copy))?.count ?? 0) + 1;
    this.#wait(placeKey(copy), { count, waitMs: Math.min(retryMs * 2 ** (count - 1), retryMsMax) });
  }

  #untilMs(lockEndNs: bigint | undefined): number {
    if (lockEndNs === undefined) return LOCK_RECHECK_MS;
    const leftMs = Number((lockEndNs - this.#deps.clock.nowNs()) / NS_PER_MS) + 1;
    return Math.min(Math.max(leftMs, 1), LOCK_RECHECK_MS);
  }

  #wait(key: string, { count, waitMs }: { count: number; waitMs: number }): void {
    this.#failures.set(key, { count, dueMs: this.#deps.clock.monotonicMs() + waitMs });
    this.#wakeLater();
  }

  #isDue(copy: SetCopy): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    return [placeKey(copy), lockKey(copy)].every((key) => (this.#failures.get(key)?.dueMs ?? 0) <= nowMs);
  }

  #tenantsWithWork(): number[] {
    const { setCopies } = this.#deps.store;
    const open = (['WAITING', 'COPYING', 'DELETING'] as const).flatMap((status) => setCopies.find({ status }));
    return [...new Set(open.filter((copy) => this.#isDue(copy)).map(({ tenantId }) => tenantId))].filter(
      (tenantId) => this.next(tenantId) !== undefined,
    );
  }

  #wakeLater(): void {
    clearTimeout(this.#timer);
    const nowMs = this.#deps.clock.monotonicMs();
    const waits = [...this.#failures.values()].map(({ dueMs }) => dueMs - nowMs).filter((waitMs) => waitMs > 0);
    if (waits.length > 0) this.#timer = setTimeout(() => this.pump(), Math.min(...waits) + 1).unref();
  }
}

/** Copies and removes for one tenant until nothing is due. */
class TenantCopier {
  readonly #deps: CopyDependencies;
  readonly #tenantId: number;
  readonly #copies: SetCopies;
  readonly #controller = new AbortController();

  constructor(deps: CopyDependencies, tenantId: number, copies: SetCopies) {
    this.#deps = deps;
    this.#tenantId = tenantId;
    this.#copies = copies;
  }

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  async run(): Promise<void> {
    const { signal } = this.#controller;
    for (
      let copy = this.#copies.next(this.#tenantId);
      copy && !signal.aborted;
      copy = this.#copies.next(this.#tenantId)
    ) {
      try {
        await this.#carryOut(copy);
        this.#copies.noteOutcome(copy, undefined);
      } catch (error) {
        if (signal.reason instanceof ServerStopping) return;
        this.#noteFailure(copy, error);
      }
    }
  }

  async #carryOut(copy: SetCopy): Promise<void> {
    const { store, clock, openDestination } = this.#deps;
    const set = store.backupSets.get({ tenantId: copy.tenantId, backupSetId: copy.backupSetId });
    assert(set, 'a copy is of a set that has a row');
    const ref = { backupSetId: set.backupSetId, type: set.backupType };
    await using target = openDestination(parseDestinationUri(copy.uri), copy.tenantId);
    const owner = { clusterUuid: store.cluster.uuid, tenantId: copy.tenantId };
    await proveOwner(target, { ...owner, destKind: 'backup_data' });
    const lease = new DataLease(this.#deps, target, copy);
    await lease.prove();
    if (copy.status === 'DELETING') {
      await checkUnlocked(target, manifestName(ref));
      await deleteSet(target, ref);
      return this.#move(copy, 'DELETED', { endNs: clock.nowNs(), result: 0, comment: '' });
    }
    if (copy.status === 'WAITING')
      this.#move(copy, 'COPYING', { startNs: copy.startNs ?? clock.nowNs(), copiedBytes: 0n });
    const sources = urisOfSet(store, set).map((uri) => openDestination(parseDestinationUri(uri), copy.tenantId));
    try {
      const { signal } = this.#controller;
      const prove = () => lease.prove();
      await copySet({ sources, target, ref, owner, ...this.#progressOf(copy), signal, prove });
    } finally {
      for (const source of sources) await source[Symbol.asyncDispose]();
    }
    this.#complete(copy, set);
  }

  #progressOf(copy: SetCopy): { onTotal(bytes: bigint): void; onBytes(bytes: number): void } {
    const { store, clock } = this.#deps;
    let copied = 0;
    let nextMs = 0;
    const save = (patch: Partial<SetCopy>) => {
      // A set that is deleted meanwhile is copied no further.
      if (!store.setCopies.update(keyOf(copy), patch, { status: 'COPYING' })) this.abort(fail('CANCELED', {}));
    };
    return {
      onTotal: (totalBytes) => save({ totalBytes, copiedBytes: 0n }),
      onBytes: (bytes) => {
        copied += bytes;
        if (clock.monotonicMs() < nextMs) return;
        nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
        save({ copiedBytes: BigInt(copied) });
      },
    };
  }

  #move(copy: SetCopy, to: SetCopyStatus, patch: Partial<SetCopy>): void {
    const { status } = this.#deps.store.setCopies.get(keyOf(copy)) ?? copy;
    checkMove('set copy', SET_COPY_MOVES, status, to);
    this.#deps.store.setCopies.change(keyOf(copy), { ...patch, status: to }, { status });
  }

  /** A set that was written elsewhere while DATA_BACKUP_DEST was away is one of that destination again. */
  #complete(copy: SetCopy, { uri, destId }: BackupSet): void {
    const { store, clock, log } = this.#deps;
    const { tenantId, backupSetId } = copy;
    store.transaction(() => {
      const now = store.setCopies.get(keyOf(copy));
      if (now?.status !== 'COPYING') return;
      const done = { endNs: clock.nowNs(), copiedBytes: now.totalBytes, result: 0, comment: '' };
      this.#move(copy, 'AVAILABLE', done);
      const facts = { tenant_id: tenantId, backup_set_id: backupSetId, dest_id: copy.destId, result: 0 };
      store.recordEvent(done.endNs, { module: 'backup_data', event: 'copy_backup_set', facts, extraInfo: copy.uri });
      const leading = dataPlaces(store, tenantId).find(({ destNo }) => destNo === 0);
      if (leading?.uri !== copy.uri || leading.uri === uri) return;
      store.setCopies.remove(keyOf(copy));
      store.setCopies.insert({ ...now, ...done, uri, destId, status: 'AVAILABLE' });
      store.backupSets.change({ tenantId, backupSetId }, { uri: leading.uri, destId: leading.destId }, { uri });
    });
    log.info('backup set copied', { tenantId, backupSetId, uri: copy.uri });
  }

  #noteFailure(copy: SetCopy, error: unknown): void {
    const { store, clock, log } = this.#deps;
    this.#copies.noteOutcome(copy, error);
    const now = store.setCopies.get(keyOf(copy));
    if (!now) return;
    const status = now.status === 'COPYING' ? checkMove('set copy', SET_COPY_MOVES, now.status, 'WAITING') : now.status;
    const comment = toComment(error);
    const { tenantId, backupSetId, destId, uri } = copy;
    if (!(error instanceof HoldfastError))
      log.error('copy of a backup set met a bug', { tenantId, backupSetId, error });
    store.transaction(() => {
      store.setCopies.change(keyOf(copy), { status, result: toResult(error), comment });
      if (comment === now.comment) return;
      const what =
        now.status === 'DELETING' ? 'copy of a backup set is not removed yet' : 'backup set is not copied yet';
      log.warn(what, { tenantId, backupSetId, uri, error });
      const facts = { tenant_id: tenantId, backup_set_id: backupSetId, dest_id: destId, result: toResult(error) };
      store.recordEvent(clock.nowNs(), { module: 'backup_data', event: 'copy_backup_set', facts, extraInfo: comment });
    });
  }
}
