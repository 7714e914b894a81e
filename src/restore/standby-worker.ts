// Follows the source of one standby until its limit: looks for new log at a pace, replays it, and says how it stands.

import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { HoldfastError, isFailure, toClientError, toComment } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { OpenDestination } from '../destination/destination.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import type { Standby, SyncStatus } from '../model/standby.ts';
import type { Tenant } from '../model/tenant.ts';
import { storedLogKeys } from '../store/tenant-keys.ts';
import { LogFollower } from './follow-log.ts';
import { type ReplayDependencies, StandbyDatabase } from './replay-log.ts';
import type { StandbyStatus } from './standby-service.ts';

export interface StandbyDependencies extends ReplayDependencies {
  clock: Clock;
  log: Log;
  openDestination: OpenDestination;
  timing?: StandbyTiming;
}

export interface StandbyTiming {
  /** Between two looks at a source: how far a standby is behind an archive that grows; a look at nothing new is three listings. */
  pollMs: number;
  /** Longest pause after failures, which double it. */
  retryMsMax: number;
  /** A database with nothing to replay is let go of, with its process and its page map (8 bytes for each page). */
  idleMs: number;
}

export const STANDBY_TIMING: StandbyTiming = { pollMs: 2_000, retryMsMax: 60_000, idleMs: 60_000 };

const NORMAL: StandbyStatus = { syncStatus: 'NORMAL', errorCode: 0, comment: '' };

/** The documented word for what stands in the way. */
const WORDS: ReadonlyArray<[SyncStatus, ReadonlyArray<Parameters<typeof isFailure>[1]>]> = [
  [
    'SOURCE HAS A GAP',
    ['ARCHIVE_ROUND_NOT_CONTINUOUS', 'ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA', 'BACKUP_FILE_NOT_EXIST'],
  ],
  ['STANDBY LOG NOT MATCH', ['BACKUP_DATA_CORRUPT', 'BACKUP_FORMAT_FILE_NOT_EXIST', 'BACKUP_FORMAT_FILE_NOT_MATCH']],
  ['CHECK NETWORK', ['BACKUP_DEST_NOT_CONNECT', 'S3_REGION_MISMATCH', 'INVALID_OBJECT_STORAGE_ENDPOINT']],
  ['CHECK USER OR PASSWORD', ['BACKUP_PERMISSION_DENIED', 'BACKUP_INVALID_PASSWORD']],
  ['FETCH LOG TIMEOUT', ['TIMEOUT']],
];

export function statusOf(error: unknown): StandbyStatus {
  const found = WORDS.find(([, names]) => names.some((name) => isFailure(error, name)));
  const comment = toComment(error).slice(0, COMMENT_CHARS_MAX);
  return { syncStatus: found?.[0] ?? 'NOT AVAILABLE', errorCode: toClientError(error, 'mysql').errno, comment };
}

/** Whether there is anything left to be replayed for a tenant. */
export function isFollowing(tenant: Tenant | undefined, standby: Standby | undefined): boolean {
  if (tenant?.role !== 'STANDBY' || tenant.status !== 'NORMAL' || !standby) return false;
  return standby.sourceUri !== '' && standby.scn < tenant.recoveryUntilScn;
}

export class StandbyWorker {
  readonly #deps: StandbyDependencies;
  readonly #tenantId: number;
  readonly #timing: StandbyTiming;
  readonly #controller = new AbortController();
  readonly #follower: LogFollower;
  readonly #sourceUri: string;
  #database: StandbyDatabase | undefined;
  #usedMs = 0;
  #failures = 0;
  #status = NORMAL;
  #ended: Promise<void> | undefined;

  constructor(deps: StandbyDependencies, tenantId: number) {
    this.#deps = deps;
    this.#tenantId = tenantId;
    this.#timing = deps.timing ?? STANDBY_TIMING;
    const { standby, tenant } = this.#rows;
    assert(standby && tenant, 'a standby that is followed has rows');
    const { clusterUuid, sourceTenantId, sourceUri } = standby;
    this.#sourceUri = sourceUri;
    const owner = { clusterUuid, tenantId: sourceTenantId, findKey: storedLogKeys(deps.store) };
    this.#follower = new LogFollower({ owner, timeZone: tenant.timeZone });
  }

  get status(): StandbyStatus {
    return this.#status;
  }

  /** Works until the limit is reached or `stop` is called. */
  run(): Promise<void> {
    this.#ended ??= this.#work();
    return this.#ended;
  }

  /** Ends between two steps. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }

  get #rows(): { tenant: Tenant | undefined; standby: Standby | undefined } {
    const { store } = this.#deps;
    const tenantId = this.#tenantId;
    return { tenant: store.tenants.get({ tenantId }), standby: store.standbys.get({ tenantId }) };
  }

  async #work(): Promise<void> {
    try {
      while (!this.#controller.signal.aborted) {
        const { tenant, standby } = this.#rows;
        if (!isFollowing(tenant, standby)) return;
        await this.#tryPass(tenant!, standby!);
        await this.#closeIdle();
        if (isFollowing(this.#rows.tenant, this.#rows.standby)) await this.#pause();
      }
    } finally {
      await this.#close();
    }
  }

  async #tryPass(tenant: Tenant, standby: Standby): Promise<void> {
    try {
      await this.#pass(tenant, standby);
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      this.#follower.forget();
      await this.#close();
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failures++;
    const status = statusOf(error);
    const isNew = status.comment !== this.#status.comment;
    this.#status = status;
    if (isNew) this.#deps.log.warn('standby is not recovered further', { tenantId: this.#tenantId, error });
    if (isNew && !(error instanceof HoldfastError)) this.#deps.log.error('standby worker met a bug', { error });
  }

  async #pass({ recoveryUntilScn: untilScn }: Tenant, standby: Standby): Promise<void> {
    const { signal } = this.#controller;
    await using destination = this.#deps.openDestination(parseDestinationUri(this.#sourceUri), this.#tenantId);
    const found = await this.#follower.find(destination, standby, untilScn);
    if (found === null) return;
    if (found.onward) {
      this.#database ??= await StandbyDatabase.open(this.#deps, this.#tenantId);
      await this.#database.replay(found.onward, { untilScn, destination: destination.spec, signal });
      this.#usedMs = this.#deps.clock.monotonicMs();
    }
    if (found.obstacle) {
      this.#follower.forget();
      this.#fail(found.obstacle);
      return;
    }
    this.#failures = 0;
    this.#status = NORMAL;
  }

  async #closeIdle(): Promise<void> {
    if (this.#database && this.#deps.clock.monotonicMs() - this.#usedMs > this.#timing.idleMs) await this.#close();
  }

  async #close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
  }

  async #pause(): Promise<void> {
    const { pollMs, retryMsMax } = this.#timing;
    const ms = Math.min(pollMs * 2 ** this.#failures, retryMsMax);
    await sleep(ms, undefined, { signal: this.#controller.signal, ref: false }).catch(() => undefined);
  }
}
