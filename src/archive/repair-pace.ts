// How soon another round follows one that was interrupted: at once, unless rounds keep breaking soon after they began.
// Each repair reads the whole database, so what lasts must not cost one scan after another.
import type { Clock } from '../base/clock.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import type { ArchiveTiming } from './archive-context.ts';

/** So many short-lived rounds in a row are replaced at once; then what breaks them is taken to last. */
export const BARREN_UNPACED_MAX = 3;

const NS_PER_MS = 1_000_000n;

type Timing = Pick<
  ArchiveTiming,
  'barrenMsMax' | 'repairPauseMsMin' | 'repairPauseMsMax' | 'retryMsMin' | 'retryMsMax'
>;

/** Rounds in a row that did not live long, the one that has just ended among them. @param livedMs how long that one did */
export function countBarren(before: number, livedMs: number, timing: Pick<Timing, 'barrenMsMax'>): number {
  return livedMs < timing.barrenMsMax ? before + 1 : 0;
}

/**
 * How long the next round waits.
 * @param of.barren rounds in a row that did not live long
 * @param of.hasBegun the last one came to archive anything: what broke it was not its beginning
 */
export function repairPauseMs(of: { barren: number; hasBegun: boolean }, timing: Timing): number {
  const { retryMsMin, retryMsMax, repairPauseMsMin, repairPauseMsMax } = timing;
  const doubled = (ms: number, times: number, msMax: number) => Math.min(ms * 2 ** times, msMax);
  const beyond = of.barren - BARREN_UNPACED_MAX;
  const lasting = beyond >= 0 ? doubled(repairPauseMsMin, beyond, repairPauseMsMax) : 0;
  return of.hasBegun ? lasting : Math.max(lasting, doubled(retryMsMin, of.barren, retryMsMax));
}

export class RepairPace {
  readonly #clock: Clock;
  readonly #timing: Timing;
  #barren = 0;
  /** When the round was first attached in this life of the server. */
  #attachedMs: number | undefined;
  #nextMs = 0;
  #because = '';

  constructor(of: { clock: Clock; timing: Timing }) {
    this.#clock = of.clock;
    this.#timing = of.timing;
  }

  noteAttached(): void {
    this.#attachedMs ??= this.#clock.monotonicMs();
  }

  /** A new round begins by somebody's wish: nothing is known against it. */
  reset(): void {
    this.#barren = 0;
    this.#attachedMs = undefined;
    this.#nextMs = 0;
    this.#because = '';
  }

  /** @param round as it was when it was interrupted, with its last figures */
  noteInterrupted(round: Pick<ArchiveRound, 'status' | 'startScn' | 'checkpointScn'>): void {
    const nowMs = this.#clock.monotonicMs();
    const hasBegun = round.status !== 'BEGINNING';
    // The checkpoint of an idle round stands, and a restart forgets when it was attached: either may prove its age.
    const archivedMs = Number((round.checkpointScn - round.startScn) / NS_PER_MS);
    const attachedMs = this.#attachedMs === undefined ? 0 : nowMs - this.#attachedMs;
    this.#attachedMs = undefined;
    this.#barren = countBarren(this.#barren, hasBegun ? Math.max(archivedMs, attachedMs) : 0, this.#timing);
    const pauseMs = this.#barren === 0 ? 0 : repairPauseMs({ barren: this.#barren, hasBegun }, this.#timing);
    this.#nextMs = nowMs + pauseMs;
    const withinS = Math.ceil(this.#timing.barrenMsMax / 1000);
    this.#because =
      this.#barren < BARREN_UNPACED_MAX
        ? ''
        : `the last ${this.#barren} rounds were interrupted within ${withinS} s each, so it waits for ${Math.ceil(pauseMs / 1000)} s`;
  }

  /** How long the next round still waits; 0 or less when it may begin. */
  get waitMs(): number {
    return this.#nextMs - this.#clock.monotonicMs();
  }

  /** Why it waits; '' for no reason that anybody need know. */
  get because(): string {
    return this.#because;
  }
}
