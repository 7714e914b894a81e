// Worker processes: started when first needed, kept a while for the next job, killed when a job fails or is cancelled.
import { ChannelClosed, type Child, forkChild } from '../base/child-process.ts';
import { fail } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** A worker costs some 60 MB; one that had nothing to do for this long is ended. */
const IDLE_MS = 10_000;
/** An ended worker has nothing to write any more; then it is killed. */
const STOP_GRACE_MS = 1_000;

/** A worker as one job holds it: given back whole, or killed. */
export interface HeldWorker {
  call<T>(verb: string, argument?: unknown): Promise<T>;
  /** The worker has finished its lane and may take another job. */
  release(): void;
  /** The worker is in the middle of something: kills it, unless it was released. Nothing of it runs afterwards. */
  discard(): Promise<void>;
}

/** What a worker may ask of the job that holds it. */
export interface JobVerbs {
  nextPackNo(): number;
}

/** For jobs that answer no questions of their workers. */
export const NO_VERBS: JobVerbs = {
  nextPackNo() {
    throw new Error('only a backup makes packs');
  },
};

class Worker {
  readonly #child: Child;
  #job: JobVerbs | undefined;

  constructor(onExit: (worker: Worker, reason: string) => void) {
    this.#child = forkChild('./worker', import.meta.url, {
      nextPackNo: () => {
        if (!this.#job) throw new Error('no job holds this worker');
        return this.#job.nextPackNo();
      },
    });
    void this.#child.exited.then((reason) => onExit(this, reason));
  }

  get pid(): number {
    return this.#child.pid;
  }

  assign(job: JobVerbs | undefined): void {
    this.#job = job;
  }

  /** @throws WORKER_LOST (4123) when the process is gone */
  async call<T>(verb: string, argument?: unknown): Promise<T> {
    try {
      return await this.#child.call<T>(verb, argument);
    } catch (error) {
      if (error instanceof ChannelClosed) throw fail('WORKER_LOST', { because: error.message }, { cause: error });
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.#child.stop(STOP_GRACE_MS);
  }

  /** When it resolves, nothing of the worker's runs any more. */
  async kill(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}

interface Waiter {
  wanted: number;
  job: JobVerbs;
  resolve: (workers: HeldWorker[]) => void;
  reject: (error: unknown) => void;
}

export class WorkerPool {
  readonly #log: Log;
  readonly #workersMax: number;
  readonly #all = new Set<Worker>();
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  #waiting: Waiter[] = [];
  #isClosed = false;

  constructor(log: Log, workersMax: number) {
    this.#log = log;
    this.#workersMax = workersMax;
  }

  /** Waits for at least one worker, first come first served; takes what is free up to `wanted`. */
  acquire(wanted: number, job: JobVerbs, signal: AbortSignal): Promise<HeldWorker[]> {
    return new Promise((resolve, reject) => {
      if (signal.aborted || this.#isClosed) {
        reject(fail('CANCELED', {}));
        return;
      }
      const cancel = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(fail('CANCELED', {}));
      };
      const waiter: Waiter = {
        wanted,
        job,
        resolve: (workers) => {
          signal.removeEventListener('abort', cancel);
          resolve(workers);
        },
        reject: (error) => {
          signal.removeEventListener('abort', cancel);
          reject(error);
        },
      };
      signal.addEventListener('abort', cancel, { once: true });
      this.#waiting.push(waiter);
      this.#serve();
    });
  }

  /** Starts workers that will be wanted soon, unless there are as many that have nothing to do. */
  prepare(count: number): void {
    while (!this.#isClosed && this.#idle.size < count && this.#all.size < this.#workersMax) this.#rest(this.#start());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(fail('CANCELED', {}));
    await Promise.all([...this.#all].map((worker) => worker.kill()));
  }

  #serve(): void {
    for (;;) {
      const [waiter] = this.#waiting;
      const free = this.#idle.size + this.#workersMax - this.#all.size;
      if (!waiter || free <= 0) return;
      this.#waiting.shift();
      waiter.resolve(Array.from({ length: Math.min(free, waiter.wanted) }, () => this.#hold(waiter.job)));
    }
  }

  #hold(job: JobVerbs): HeldWorker {
    const worker = this.#take();
    worker.assign(job);
    // Once given back it may be in the hands of another job.
    let isHeld = true;
    return {
      call: (verb, argument) => worker.call(verb, argument),
      release: () => {
        isHeld = false;
        worker.assign(undefined);
        if (!this.#all.has(worker)) return;
        this.#rest(worker);
        this.#serve();
      },
      discard: async () => {
        if (isHeld) await worker.kill();
      },
    };
  }

  #take(): Worker {
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(worker);
      return worker;
    }
    return this.#start();
  }

  #start(): Worker {
    const worker = new Worker((gone, reason) => this.#onExit(gone, reason));
    this.#all.add(worker);
    this.#log.debug('pipeline worker started', { pid: worker.pid });
    return worker;
  }

  /** Keeps a worker for the next job, for a while. */
  #rest(worker: Worker): void {
    const timer = setTimeout(() => void this.#retire(worker), IDLE_MS);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  async #retire(worker: Worker): Promise<void> {
    this.#idle.delete(worker);
    await worker.stop();
  }

  #onExit(worker: Worker, reason: string): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    this.#all.delete(worker);
    this.#log.debug('pipeline worker ended', { pid: worker.pid, reason });
    this.#serve();
  }
}
