// Assertions: a broken invariant is a bug, stops the job it happened in, and is reported to a client as 4016.

/** Thrown by `assert`; the client sees error 4016, the log has the stack. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/**
 * Stops the current work when an invariant does not hold.
 * @throws AssertionFailure with the sentence that should have been true
 */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new AssertionFailure(`assertion failed: ${sentence}`);
}

/** Marks a branch that the compiler proves unreachable. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value: ${String(value)}`);
}
