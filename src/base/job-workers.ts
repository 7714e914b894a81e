// A bounded number of workers for the jobs of a room: who has waited longest comes next, and ending a cancelled job waits
// for nobody. What the jobs are, and what is durable of them, is the room's.
import type { Log } from './log.ts';
import { ServerStopping } from './server-stopping.ts';

export interface JobWorker {
  /** Works until the job has ended or the server stops. */
  run(): Promise<void>;
  /** The reason decides what becomes of the job. */
  abort(reason: Error): void;
}

export interface JobWorkersOptions<J, W extends JobWorker> {
  workersMax: number;
  /** For the log: what the jobs are. */
  noun: string;
  log: Log;
  /** Jobs that have not ended, in their turn. */
  open(): Iterable<J>;
  /** Jobs of one key do not run at once. */
  keyOf(job: J): number;
  isCanceling(job: J): boolean;
  isOpen(job: J): boolean;
  newWorker(job: J): W;
  /** A job has come to its end. */
  onEnd?(job: J): void;
}

export class JobWorkers<J, W extends JobWorker> {
  readonly #options: JobWorkersOptions<J, W>;
  readonly #running = new Map<number, { worker: W; ended: Promise<void> }>();
  #isStarted = false;

  constructor(options: JobWorkersOptions<J, W>) {
    this.#options = options;
  }

  start(): void {
    this.#isStarted = true;
    this.pump();
  }

  /** Stops workers; unfinished jobs are taken up at the next start. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    const running = [...this.#running.values()];
    for (const { worker } of running) worker.abort(new ServerStopping());
    await Promise.all(running.map(({ ended }) => ended));
  }

  /** The worker of the job with a key; undefined while that waits. */
  of(key: number): W | undefined {
    return this.#running.get(key)?.worker;
  }

  /** Resolves when no worker works for a key. */
  async ended(key: number): Promise<void> {
    while (this.#running.has(key)) await this.#running.get(key)?.ended;
  }

  /** Starts workers for waiting jobs while there is room. */
  pump(): void {
    if (!this.#isStarted) return;
    const { open, keyOf, isCanceling, workersMax } = this.#options;
    for (const job of open()) {
      if (this.#running.has(keyOf(job))) continue;
      if (this.#running.size < workersMax || isCanceling(job)) this.#run(job);
    }
  }

  #run(job: J): void {
    const { noun, log, newWorker, isOpen, keyOf, onEnd } = this.#options;
    const worker = newWorker(job);
    const ended = worker
      .run()
      .catch((error: unknown) => log.error(`${noun} worker broke`, { job: keyOf(job), error }))
      .then(() => {
        this.#running.delete(keyOf(job));
        // A worker that broke left its job unfinished: taken up again with the next job or start, not in a tight loop.
        if (isOpen(job)) return;
        onEnd?.(job);
        this.pump();
      });
    this.#running.set(keyOf(job), { worker, ended });
  }
}
