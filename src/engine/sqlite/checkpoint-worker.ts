// Thread of a capture host that does the bulk of checkpoints: copying pages and fsync, while writers run and the host
// itself stays quick. It opens a connection per call; SQLite, not this process, keeps its locks straight across threads.
import { parentPort } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { openConnection, passiveCheckpoint } from './capture-connections.ts';

assert(parentPort, 'this module runs as a worker thread');
const port = parentPort;

port.on('message', ({ id, path }: { id: number; path: string }) => {
  try {
    const database = openConnection(path, { readOnly: false });
    try {
      port.postMessage({ id, result: passiveCheckpoint(database) });
    } finally {
      database.close();
    }
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
