// State machines as data: which state may follow which. One function moves; an unlisted move is a bug.
import { assert } from '../base/assert.ts';

export type Moves<S extends string> = { readonly [from in S]: readonly S[] };

/** @throws AssertionFailure when the table does not list the move */
export function checkMove<S extends string>(noun: string, moves: Moves<S>, from: S, to: S): S {
  assert(moves[from].includes(to), `${noun} may move from ${from} to ${to}`);
  return to;
}

/** True for a state that nothing follows. */
export function isFinal<S extends string>(moves: Moves<S>, state: S): boolean {
  return moves[state].length === 0;
}

/** The states that something follows. */
export function unfinished<S extends string>(moves: Moves<S>): S[] {
  return (Object.keys(moves) as S[]).filter((state) => !isFinal(moves, state));
}
