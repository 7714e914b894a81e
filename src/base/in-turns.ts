// Long computations written once, as generators that stop between slices: run at once, or so that others have their turn.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Yields where it may be left for a while; returns the result. */
export type Slices<T> = Generator<void, T, void>;

/** For processes in which nobody else waits, and for small work. */
export function runAtOnce<T>(work: Slices<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** The first slice runs before this returns; what it copies is what was there at the call. */
export async function runInTurns<T>(work: Slices<T>): Promise<T> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    await nextTurn();
  }
}
