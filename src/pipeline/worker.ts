// A pipeline worker process: one lane of one backup or restore at a time. SQLite is never loaded here.
import { assert } from '../base/assert.ts';
import { type Channel, serveParent } from '../base/child-process.ts';
import { createBlockPacker, type PackJob, type PackLane } from './block-packer.ts';
import { createBlockPlacer, type PlaceJob, type PlaceLane, type RestoreItem } from './block-placer.ts';
import { SerialQueue } from './serial-queue.ts';

let packLane: PackLane | undefined;
let placeLane: PlaceLane | undefined;
let keys: Uint8Array[] = [];
// Requests overlap, so that there is always one waiting; the work is done one by one.
const queue = new SerialQueue();

function forgetKeys(): void {
  for (const key of keys) key.fill(0);
  keys = [];
}

const parent: Channel = serveParent({
  openBackup: (job: PackJob) =>
    queue.run(async () => {
      assert(!packLane && !placeLane, 'a worker has one lane at a time');
      keys = job.dataKey ? [job.dataKey] : [];
      packLane = createBlockPacker(job, () => parent.call<number>('nextPackNo'));
    }),
  pack: (blockNos: number[]) =>
    queue.run(async () => {
      assert(packLane, 'the backup is open');
      return packLane.pack(blockNos);
    }),
  finishBackup: () =>
    queue.run(async () => {
      assert(packLane, 'the backup is open');
      const rest = await packLane.finish();
      packLane = undefined;
      forgetKeys();
      return rest;
    }),
  openRestore: (job: PlaceJob) =>
    queue.run(async () => {
      assert(!packLane && !placeLane, 'a worker has one lane at a time');
      keys = job.sets.flatMap(({ dataKey }) => (dataKey ? [dataKey] : []));
      placeLane = createBlockPlacer(job);
    }),
  place: (items: RestoreItem[]) =>
    queue.run(async () => {
      assert(placeLane, 'the restore is open');
      return placeLane.place(items);
    }),
  finishRestore: () =>
    queue.run(async () => {
      assert(placeLane, 'the restore is open');
      await placeLane.finish();
      placeLane = undefined;
      forgetKeys();
    }),
});
