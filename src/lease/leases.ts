// The leases of this process: takes them, proves them, and keeps in the store what is known of each.
import type { Clock } from '../base/clock.ts';
import { fail, type HoldfastError, isFailure, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Destination } from '../destination/destination.ts';
import { type FoundLease, findNewestLease, hasLease, putLease } from '../destination/lease-objects.ts';
import type { LeaseHolder } from '../format/lease-file.ts';
import type { LeaseStatus } from '../model/lease-status.ts';
import { SCN_NONE } from '../model/scn.ts';
import type { StoredLease } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { decideLease } from './decide-lease.ts';
import { learn, lookAround } from './learn.ts';
import type { Lease, LeaseOf, Leases } from './lease-service.ts';

/** A refusal is told again from memory for so long: whoever holds the destination seldom goes. */
const REFUSAL_MS = 60_000;
/** Others that were faster, one after another, before a taking gives up. */
const TAKE_TRIES_MAX = 10;

export interface LeaseDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  /** This process. */
  me: LeaseHolder;
}

/** A lease that this process took. Once lost it stays so. */
interface Taken {
  of: LeaseOf;
  generation: number;
  lost: HoldfastError | undefined;
}

export function createLeases(deps: LeaseDependencies): Leases {
  return new LeaseBook(deps);
}

const keyOf = ({ tenantId, uri }: Pick<LeaseOf, 'tenantId' | 'uri'>) => `${tenantId} ${uri}`;

class LeaseBook implements Leases {
  readonly #deps: LeaseDependencies;
  readonly #taken = new Map<string, Taken>();
  /** Keys of leases that were given up for another one of this process. */
  readonly #retired = new Set<string>();
  readonly #refusals = new Map<string, { error: HoldfastError; untilMs: number }>();
  /** Takings under way: one at a time for each destination. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(deps: LeaseDependencies) {
    this.#deps = deps;
  }

  async hold(destination: Destination, of: LeaseOf): Promise<Lease> {
    const known = this.#taken.get(keyOf(of));
    if (known) {
      const lease = this.#bind(known, destination);
      await lease.prove();
      return lease;
    }
    return this.#bind(await this.#inTurn(of, () => this.#take(destination, of, { isForced: false })), destination);
  }

  async takeOver(destination: Destination, of: LeaseOf): Promise<boolean> {
    return await this.#inTurn(of, async () => {
      const known = this.#taken.get(keyOf(of));
      if (known && !known.lost && !(await hasLease(destination, known.generation + 1))) return false;
      this.#taken.delete(keyOf(of));
      await this.#take(destination, of, { isForced: true });
      return true;
    });
  }

  retire(of: Pick<LeaseOf, 'tenantId' | 'uri'>): void {
    const key = keyOf(of);
    const known = this.#taken.get(key);
    // What was lost to another server only a statement gives back.
    if (!known || known.lost) return;
    known.lost = fail('DESTINATION_HELD', { uri: of.uri, holder: 'this server goes on there with another lease' });
    this.#taken.delete(key);
    this.#retired.add(key);
  }

  isForeignRound(tenantId: number, { uri, roundId }: { uri: string; roundId: number }): boolean {
    return roundId <= (this.#deps.store.leases.get({ tenantId, uri })?.foreignRoundId ?? 0);
  }

  async #inTurn<T>(of: LeaseOf, work: () => Promise<T>): Promise<T> {
    const key = keyOf(of);
    const before = this.#turns.get(key);
    // How the one before ended is told to whom it belongs.
    const turn = before ? before.then(work, work) : work();
    this.#turns.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  #bind(taken: Taken, destination: Destination): Lease {
    return { generation: taken.generation, prove: () => this.#prove(taken, destination) };
  }

  async #prove(taken: Taken, destination: Destination): Promise<void> {
    if (!taken.lost && (await hasLease(destination, taken.generation + 1))) await this.#lose(taken, destination);
    if (taken.lost) throw taken.lost;
  }

  async #lose(taken: Taken, destination: Destination): Promise<void> {
    // That it is lost is certain; who has it is worth a question, not a failure.
    const newest = await findNewestLease(destination).catch(() => undefined);
    const holder = describeHolder(newest);
    if (taken.lost) return;
    const error = fail('DESTINATION_HELD', { uri: taken.of.uri, holder });
    taken.lost = error;
    const generation = newest?.generation ?? taken.generation + 1;
    this.#save(taken.of, { status: 'LOST', newest: newest ?? { generation, file: null }, comment: holder });
  }

  async #take(destination: Destination, of: LeaseOf, { isForced }: { isForced: boolean }): Promise<Taken> {
    const { store, clock, me } = this.#deps;
    const known = this.#taken.get(keyOf(of));
    if (known) return known;
    if (!isForced) this.#checkRefusal(of);
    for (let tries = 0; ; tries++) {
      const row = store.leases.get({ tenantId: of.tenantId, uri: of.uri });
      const newest = await findNewestLease(destination);
      const claim = decideLease(newest, me, {
        ...{ hasLost: row?.status === 'LOST', isForced },
        isRetired: this.#retired.has(keyOf(of)),
      });
      if (claim.kind === 'refuse') throw await this.#refuse(destination, of, newest);
      const learns = row?.status === 'TAKING' || (claim.kind === 'take' && !claim.isSure);
      if (claim.kind === 'take') {
        const generation = (newest?.generation ?? 0) + 1;
        // Before it is taken: whoever comes behind a crash still has to learn what was written before.
        if (learns) this.#saveTaking(of, { row, generation, isForced });
        const { tenantId, destKind } = of;
        const file = { ...me, generation, clusterUuid: store.cluster.uuid, tenantId, destKind };
        try {
          await putLease(destination, { ...file, acquiredNs: clock.nowNs() });
        } catch (error) {
          // Somebody was faster, or the first of two tries of one call was heard: the newest lease tells.
          if (!isFailure(error, 'ENTRY_EXISTS') || tries >= TAKE_TRIES_MAX) throw error;
          continue;
        }
      }
      return await this.#settle(destination, of, { learns, isForced, wasTaking: row?.status === 'TAKING' });
    }
  }

  /** The newest lease is ours: what was written before is learnt, and only then anything is written here. */
  async #settle(
    destination: Destination,
    of: LeaseOf,
    { learns, isForced, wasTaking }: { learns: boolean; isForced: boolean; wasTaking: boolean },
  ): Promise<Taken> {
    const { store, log } = this.#deps;
    const newest = await findNewestLease(destination);
    if (!newest?.file || Buffer.compare(newest.file.process, this.#deps.me.process) !== 0)
      throw await this.#refuse(destination, of, newest);
    const seen = learns ? await lookAround(destination, of, { clusterUuid: store.cluster.uuid, log }) : undefined;
    const { generation } = newest;
    store.transaction(() => {
      const foreignRoundId = seen && learn(store, of, { seen, isForeign: isForced || wasTaking });
      this.#save(of, { status: 'HELD', newest, comment: '', foreignRoundId, isNews: learns || generation === 1 });
    });
    this.#refusals.delete(keyOf(of));
    this.#retired.delete(keyOf(of));
    const taken: Taken = { of, generation, lost: undefined };
    this.#taken.set(keyOf(of), taken);
    return taken;
  }

  #checkRefusal(of: LeaseOf): void {
    const refusal = this.#refusals.get(keyOf(of));
    if (refusal && this.#deps.clock.monotonicMs() < refusal.untilMs) throw refusal.error;
  }

  async #refuse(destination: Destination, of: LeaseOf, newest: FoundLease | undefined): Promise<HoldfastError> {
    const { clock, store } = this.#deps;
    const holder = `${describeHolder(newest)}${await this.#signOfLife(destination, of)}`;
    const error = fail('DESTINATION_HELD', { uri: of.uri, holder });
    this.#refusals.set(keyOf(of), { error, untilMs: clock.monotonicMs() + REFUSAL_MS });
    // What was lost stays lost, whoever has it by now.
    const before = store.leases.get({ tenantId: of.tenantId, uri: of.uri })?.status;
    const status = before === 'LOST' || before === 'TAKING' ? before : 'REFUSED';
    this.#save(of, { status, newest: newest ?? { generation: 0, file: null }, comment: holder });
    return error;
  }

  /** When the holder wrote last, where that is known. */
  async #signOfLife(destination: Destination, of: LeaseOf): Promise<string> {
    const { store, log } = this.#deps;
    try {
      const { scn } = await lookAround(destination, of, { clusterUuid: store.cluster.uuid, log });
      return scn > SCN_NONE ? `; the newest commit there is of ${timeText(scn)}` : '';
    } catch (error) {
      log.warn('what the holder of a destination wrote last was not found', { ...of, because: messageOf(error) });
      return '';
    }
  }

  #saveTaking(
    of: LeaseOf,
    { row, generation, isForced }: { row: StoredLease | undefined; generation: number; isForced: boolean },
  ): void {
    const { store, me } = this.#deps;
    const foreignRoundId = isForced ? store.currentRound(of.tenantId)?.roundId : row?.foreignRoundId;
    const newest = { generation, file: { ...me, acquiredNs: null } };
    store.transaction(() => this.#save(of, { status: 'TAKING', newest, comment: '', foreignRoundId }));
  }

  /** @param to.foreignRoundId left out: as it was */
  #save(
    of: LeaseOf,
    to: {
      status: LeaseStatus;
      newest: {
        generation: number;
        file: (Pick<LeaseHolder, 'hostName' | 'dataDir'> & { acquiredNs: bigint | null }) | null;
      };
      comment: string;
      foreignRoundId?: number | undefined;
      isNews?: boolean;
    },
  ): void {
    const { store, clock, log } = this.#deps;
    const { tenantId, uri, destKind: destType } = of;
    const before = store.leases.get({ tenantId, uri });
    const { hostName = '', dataDir = '', acquiredNs = null } = to.newest.file ?? {};
    const { generation } = to.newest;
    const { status, comment } = to;
    const foreignRoundId = to.foreignRoundId ?? before?.foreignRoundId ?? 0;
    store.transaction(() => {
      store.leases.remove({ tenantId, uri });
      const holder = { generation, hostName, dataDir, acquiredNs };
      store.leases.insert({ tenantId, uri, destType, status, ...holder, foreignRoundId, comment });
      if (!(to.isNews ?? before?.status !== status)) return;
      store.recordEvent(clock.nowNs(), {
        module: destType === 'archive_log' ? 'log_archive' : 'backup_data',
        event: 'change_lease',
        facts: { tenant_id: tenantId, path: uri, status, generation, host: hostName, data_dir: dataDir },
        extraInfo: comment,
      });
      log.info('lease of a destination', { tenantId, uri, status, generation, hostName, dataDir });
    });
  }
}

/** Who holds a destination, for people. */
function describeHolder(newest: FoundLease | undefined): string {
  if (!newest) return 'nobody can be told to hold it';
  const { file, generation } = newest;
  if (!file) return `its lease ${generation} is damaged`;
  const { hostName, dataDir, acquiredNs } = file;
  return `since ${timeText(acquiredNs)} that is the server on host '${hostName}' with the data directory '${dataDir}' (lease ${generation})`;
}

/** UTC, to the second. */
function timeText(ns: bigint): string {
  return `${new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19)}Z`;
}
