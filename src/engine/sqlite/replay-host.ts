// A child process that replays archived commits into the database of one tenant. It ends by SIGKILL only, as the SQL hosts
// do: a graceful close would take away locks that others count on.
import { assert } from '../../base/assert.ts';
import { endByKillOnly, serveParent } from '../../base/child-process.ts';
import type { ReplayState, ReplayStep } from '../engine-driver.ts';
import { ReplayLog } from './replay-log.ts';

let log: ReplayLog | null = null;

endByKillOnly();
serveParent({
  open({ location }: { location: string }): ReplayState {
    assert(log === null, 'one process replays one tenant');
    log = new ReplayLog(location);
    return log.readState();
  },
  apply(step: ReplayStep): void {
    assert(log, 'the database is open');
    log.apply(step);
  },
});
