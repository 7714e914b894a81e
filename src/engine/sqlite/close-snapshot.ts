// Lets go of a state that a capture host holds, and tells whether it was held all the time.
import type { Child } from '../../base/child-process.ts';
import { fail, HoldfastError, messageOf } from '../../base/errors.ts';

/** @throws ENGINE when the state was not held to the end: what was copied may be a mixture */
export async function closeSnapshot(
  child: Child | undefined,
  of: { captureId: number; snapshotId: number },
): Promise<void> {
  const lost = (because: string) =>
    fail('ENGINE', { message: `the snapshot was lost while it was read, because ${because}; the copy is of no use` });
  try {
    if (await child?.call<boolean>('closeSnapshot', of)) return;
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw lost(messageOf(error));
  }
  throw lost('the log capture ended');
}
