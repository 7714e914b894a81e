// The byte workers' service as the rooms above use it.
import { availableParallelism } from 'node:os';
import { assert } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import { runBackup } from './backup-run.ts';
import { runHash } from './hash-run.ts';
import type { Pipeline } from './pipeline.ts';
import { runRestore } from './restore-run.ts';
import { runVerify } from './verify-run.ts';
import { WorkerPool } from './worker-pool.ts';

/**
 * Makes a pipeline; its worker processes start when they are first needed.
 * @param options.workers most worker processes at once over all jobs; default: one per core (more are slower)
 */
export function createPipeline(options: { log: Log; workers?: number }): Pipeline {
  const workersMax = options.workers ?? availableParallelism();
  assert(workersMax >= 1, 'a pipeline has a worker');
  const pool = new WorkerPool(options.log, workersMax);
  return {
    backup(request) {
      assert(request.workers >= 1, 'a backup has a worker');
      return runBackup(pool, request);
    },
    restore(request) {
      assert(request.workers >= 1, 'a restore has a worker');
      return runRestore(pool, request);
    },
    hashPages(request) {
      assert(request.workers >= 1, 'reading a snapshot has a worker');
      return runHash(pool, request);
    },
    verify: (request) => runVerify(pool, request),
    prepare: (workers, work) => pool.prepare(workers, work === 'backup' ? 'low' : 'normal'),
    [Symbol.asyncDispose]: () => pool.close(),
  };
}
