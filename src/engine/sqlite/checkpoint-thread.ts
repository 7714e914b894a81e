// The host's side of the checkpoint worker: one call at a time is worked on, the others wait their turn.
import { Worker } from 'node:worker_threads';
import type { CheckpointResult } from './capture-connections.ts';

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
    const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const worker = new Worker(new URL(`./checkpoint-worker${ending}`, import.meta.url));
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
