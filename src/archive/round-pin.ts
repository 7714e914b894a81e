// Holds a tenant's log while its round waits to be attached: what its destination has not got yet stays where it is,
// however long the destination is away.
import type { LogPin, LogPinStatus } from '../engine/engine-driver.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import type { ArchiveContext } from './archive-context.ts';

/** A log that is held. */
export interface PinFigures extends LogPinStatus {
  /** Since when, ns since 1970. */
  sinceNs: bigint;
  /** For how long. */
  heldMs: number;
}

/** A round that has nothing at its destination yet begins at the log's present end whenever it can: nothing is lost. */
function isToGoOn(round: ArchiveRound): boolean {
  if (round.status === 'DOING') return true;
  const isWhole = !round.baseRoundId || Boolean(round.repairedScn);
  return round.status === 'BEGINNING' && isWhole && round.checkpointScn > round.startScn;
}

export class RoundPin {
  readonly #context: ArchiveContext;
  #pin: { held: LogPin; sinceNs: bigint; sinceMs: number } | undefined;
  /** Changes with each letting go: a pin that comes afterwards is not wanted any more. */
  #releases = 0;

  constructor(context: ArchiveContext) {
    this.#context = context;
  }

  get figures(): PinFigures | undefined {
    if (!this.#pin) return undefined;
    const { held, sinceNs, sinceMs } = this.#pin;
    return { ...held.status(), sinceNs, heldMs: this.#context.clock.monotonicMs() - sinceMs };
  }

  /** Holds the log of a round that is to go on. When that fails, attaching it will tell what is wrong. */
  async hold(round: ArchiveRound): Promise<void> {
    const { store, clock, log } = this.#context;
    const { tenantId } = round;
    const tenant = store.tenants.get({ tenantId });
    if (this.#pin || !tenant || !isToGoOn(round)) return;
    const releases = this.#releases;
    try {
      const held = await this.#context.driver(tenant.engine).pinLog(this.#context.engineTenant(tenant));
      this.#pin = { held, sinceNs: clock.nowNs(), sinceMs: clock.monotonicMs() };
    } catch (error) {
      log.warn('log not pinned', { tenantId, error });
    }
    if (this.#releases !== releases) await this.release();
  }

  /** Lets go, unless a capture has taken the log over. */
  async release(): Promise<void> {
    this.#releases++;
    const held = this.#pin?.held;
    this.#pin = undefined;
    await held?.release();
  }
}
