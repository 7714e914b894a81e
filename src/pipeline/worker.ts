// A pipeline worker process: one lane of one job at a time. SQLite is never loaded here.
import { assert } from '../base/assert.ts';
import { type Channel, serveParent } from '../base/child-process.ts';
import type { Lane } from './lane.ts';
import { keysOf, type LaneRequest, openLane } from './lane-kinds.ts';
import { SerialQueue } from './serial-queue.ts';

let lane: Lane<unknown, unknown, unknown> | undefined;
let keys: Uint8Array[] = [];
// Requests overlap, so that there is always one waiting; the work is done one by one.
const queue = new SerialQueue();

const parent: Channel = serveParent({
  open: (request: LaneRequest) =>
    queue.run(async () => {
      assert(!lane, 'a worker has one lane at a time');
      keys = keysOf(request);
      lane = openLane(request, () => parent.call<number>('nextPackNo'));
    }),
  work: (chunk: unknown) => {
    const announced = lane?.announce?.(chunk);
    // Its failure is that of the work.
    announced?.catch(() => {});
    return queue.run(async () => {
      assert(lane, 'the lane is open');
      await announced;
      return lane.work(chunk);
    });
  },
  finish: () =>
    queue.run(async () => {
      assert(lane, 'the lane is open');
      const rest = await lane.finish();
      lane = undefined;
      for (const key of keys) key.fill(0);
      keys = [];
      return rest;
    }),
});
