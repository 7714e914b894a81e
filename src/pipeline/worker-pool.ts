// Worker processes: started when first needed, kept a while for the next job, killed when a job fails or is cancelled.
import { setPriority } from 'node:os';
import { ChannelClosed, type Child, forkChild } from '../base/child-process.ts';
import { fail } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** A worker costs some 60 MB; one that had nothing to do for this long is ended. */
const IDLE_MS = 10_000;
/** A worker of low priority gets what no application on the same core wants, which is the whole core when none runs. */
const LOW_NICENESS = 19;
/**
 * A worker makes a MiB of garbage with each block, and its few objects live for one chunk: a young generation of 1 MiB
 * instead of 16 gives it back at once, which takes 35 MB off each worker and nothing off its speed. The bodies of an
 * object store's answers are garbage of another kind, which V8 collects with four threads, while every core has a worker
 * already: with one thread a restore of 1 GB takes 1.5 instead of 1.75 s of each core.
 */
const EXEC_ARGV = ['--max-semi-space-size=1', '--single-threaded-gc'];
/** An ended worker has nothing to write any more; then it is killed. */
const STOP_GRACE_MS = 1_000;

/** Of a job's processes: low makes way for whatever else runs on the machine. It can not be raised again by an ordinary user. */
export type Priority = 'low' | 'normal';

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
  readonly priority: Priority;
  readonly #child: Child;
  #job: JobVerbs | undefined;

  constructor(priority: Priority, onExit: (worker: Worker, reason: string) => void) {
    this.priority = priority;
    const verbs = {
      nextPackNo: () => {
        if (!this.#job) throw new Error('no job holds this worker');
        return this.#job.nextPackNo();
      },
    };
    this.#child = forkChild('./worker', import.meta.url, verbs, { execArgv: EXEC_ARGV });
    if (priority === 'low') lowerPriority(this.#child.pid);
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

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, LOW_NICENESS);
  } catch {
    // It has ended already, which its job hears of; or the machine does not let us, and it works as others do.
  }
}

export interface WorkersWanted {
  /** At most; one at least is waited for. */
  wanted: number;
  job: JobVerbs;
  priority: Priority;
}

interface Waiter extends WorkersWanted {
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
  acquire(of: WorkersWanted, signal: AbortSignal): Promise<HeldWorker[]> {
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
        ...of,
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
  prepare(count: number, priority: Priority): void {
    if (this.#isClosed) return;
    let ready = [...this.#idle.keys()].filter((worker) => worker.priority === priority).length;
    for (; ready < count && this.#all.size < this.#workersMax; ready++) this.#rest(this.#start(priority));
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
      waiter.resolve(Array.from({ length: Math.min(free, waiter.wanted) }, () => this.#hold(waiter)));
    }
  }

  #hold({ job, priority }: WorkersWanted): HeldWorker {
    const worker = this.#take(priority);
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

  /** One that rests, else a new one, for which another that rests makes room. */
  #take(priority: Priority): Worker {
    const resting = [...this.#idle.keys()];
    const fit = resting.find((worker) => worker.priority === priority);
    if (fit) {
      this.#wake(fit);
      return fit;
    }
    const [other] = resting;
    if (other && this.#all.size >= this.#workersMax) {
      this.#wake(other);
      this.#all.delete(other);
      void other.kill();
    }
    return this.#start(priority);
  }

  #wake(worker: Worker): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
  }

  #start(priority: Priority): Worker {
    const worker = new Worker(priority, (gone, reason) => this.#onExit(gone, reason));
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
    this.#wake(worker);
    this.#all.delete(worker);
    this.#log.debug('pipeline worker ended', { pid: worker.pid, reason });
    this.#serve();
  }
}
