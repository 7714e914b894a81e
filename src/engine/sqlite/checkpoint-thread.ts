// Thread of a capture host that does the bulk of checkpoints, copying pages and fsync, while writers run and the host
// itself stays quick. One call at a time is worked on, the others wait their turn. It opens a connection per call; SQLite
// keeps its locks straight across the threads of a process. PASSIVE only, ever.
import { Worker } from 'node:worker_threads';
import { sqliteBindingPath } from '../../base/sqlite.ts';
import type { CheckpointResult } from './capture-connections.ts';

// Kept as text: it runs without any module of ours, from source and from the build alike.
const CHECKPOINT = `
const { parentPort, workerData } = require('node:worker_threads');
const { DatabaseSync } = require(workerData.bindingPath);
parentPort.on('message', ({ id, path }) => {
  const answer = { id };
  try {
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec('PRAGMA wal_autocheckpoint = 0');
      const row = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
      answer.result = { isBusy: row.busy !== 0, log: Number(row.log), checkpointed: Number(row.checkpointed) };
    } finally {
      database.close();
    }
  } catch (error) {
    answer.result = undefined;
    answer.error = String(error);
  }
  // Only when it is closed: whoever hears may close descriptors of the file, which drops locks of this connection, and
  // SQLite would give the next one a lock that it only believes to have.
  parentPort.postMessage(answer);
});
`;

interface Answer {
  id: number;
  result?: CheckpointResult;
  error?: string;
}

export class CheckpointThread {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, (answer: Answer) => void>();

  /** One PASSIVE checkpoint without holding the write lock. @throws Error when SQLite refuses it */
  async run(path: string): Promise<CheckpointResult> {
    const id = this.#nextId++;
    const worker = this.#start();
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      worker.postMessage({ id, path });
    });
    if (!answer.result) throw new Error(`checkpoint: ${answer.error}`);
    return answer.result;
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const workerData = { bindingPath: sqliteBindingPath };
    const worker = new Worker(CHECKPOINT, { eval: true, execArgv: [], workerData });
    worker.on('message', (answer: Answer) => this.#answer(answer));
    worker.on('error', (error) => {
      this.#worker = undefined;
      for (const id of [...this.#waiting.keys()]) this.#answer({ id, error: error.message });
    });
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #answer(answer: Answer): void {
    const resolve = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    resolve?.(answer);
  }
}
