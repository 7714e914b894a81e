// A second thread in a host process that ends it when its own thread cannot: stuck inside SQLite it would neither hear
// that the server has gone (and would keep its locks for ever) nor stop growing.

import { Worker } from 'node:worker_threads';

const LOOK_MS = 500;

// Kept as text: it runs without any module of ours, from source and from the build alike.
const WATCH = `
const { workerData } = require('node:worker_threads');
const parent = process.ppid;
setInterval(() => {
  if (process.ppid === parent && process.memoryUsage.rss() <= workerData.rssBytesMax) return;
  process.kill(process.pid, 'SIGKILL');
}, workerData.lookMs);
`;

/**
 * Ends this process, closing nothing, when its parent has gone or it holds more memory than `rssBytesMax`, whatever
 * it is doing. Also when it ends for any other reason: Node would close databases on the way out, and closing the last
 * connection of a file deletes the log that the archive needs.
 */
export function startWatchdog({ rssBytesMax }: { rssBytesMax: number }): void {
  process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
  const worker = new Worker(WATCH, {
    eval: true,
    execArgv: [],
    workerData: { lookMs: LOOK_MS, rssBytesMax },
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  worker.unref();
}
