// A replay as the server holds it: one child process for as long as it is open.
import { ChannelClosed, forkChild } from '../../base/child-process.ts';
import { fail } from '../../base/errors.ts';
import type { EngineTenant, Replay, ReplayState, ReplayStep } from '../engine-driver.ts';
import { guardHost } from '../host-guard.ts';

/** @throws ENGINE (5099), HOST_LOST when the process died */
export async function openSqliteReplay({ location }: EngineTenant, onClose: (closed: Replay) => void): Promise<Replay> {
  const child = forkChild('./replay-host', import.meta.url, {});
  guardHost(child);
  const call = async <T>(verb: string, argument: unknown): Promise<T> => {
    try {
      return await child.call<T>(verb, argument);
    } catch (error) {
      if (!(error instanceof ChannelClosed)) throw error;
      throw fail('HOST_LOST', { because: error.message }, { cause: error });
    }
  };
  const end = async () => {
    child.kill();
    await child.exited;
  };
  try {
    const found = await call<ReplayState>('open', { location });
    const replay: Replay = {
      found,
      apply: (step: ReplayStep) => call<void>('apply', step),
      async close() {
        await end();
        onClose(replay);
      },
    };
    return replay;
  } catch (error) {
    await end();
    throw error;
  }
}
