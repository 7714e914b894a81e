// The server's end of a host process that runs clients' SQL: one call at a time, so that it is always known which
// statement is inside SQLite, and only that one's owner can cost the process its life.

import { ChannelClosed, type Child } from '../base/child-process.ts';
import { fail } from '../base/errors.ts';

/** How long an aborted statement may take to come back by itself before its process is killed. */
const ABORT_GRACE_MS = 100;

/** The process went away. The caller decides what that means for its session. */
export class HostGone extends Error {
  override readonly name = 'HostGone';
  readonly because: string;
  /** The call had reached the process: it may or may not have taken effect. */
  readonly hasStarted: boolean;

  constructor(because: string, hasStarted: boolean) {
    super(because);
    this.because = because;
    this.hasStarted = hasStarted;
  }
}

interface Call {
  verb: string;
  argument: unknown;
  signal: AbortSignal | undefined;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  /** Set when the process is killed for this call's sake. */
  isVictim: boolean;
  stopListening: () => void;
}

export class HostLink {
  readonly #child: Child;
  readonly #queue: Call[] = [];
  #active: Call | null = null;
  #gone: string | null = null;
  readonly exited: Promise<string>;

  constructor(child: Child) {
    this.#child = child;
    this.exited = child.exited.then((reason) => {
      this.#end(reason);
      return reason;
    });
  }

  get isAlive(): boolean {
    return this.#gone === null;
  }

  /** Why it is not alive; '' while it is. */
  get goneBecause(): string {
    return this.#gone ?? '';
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Calls a verb of the host when all earlier calls have been answered.
   * Aborting `signal` takes a waiting call out of the queue, and kills the process of a running one that does not
   * come back in time.
   * @throws QUERY_INTERRUPTED (1317) when aborted; HostGone when the process went for another reason
   */
  run<T>(verb: string, argument: unknown, signal?: AbortSignal): Promise<T> {
    if (this.#gone !== null) return Promise.reject(new HostGone(this.#gone, false));
    if (signal?.aborted) return Promise.reject(fail('QUERY_INTERRUPTED', {}));
    return new Promise<T>((resolve, reject) => {
      const call: Call = {
        ...{ verb, argument, signal, reject, isVictim: false },
        resolve: resolve as (value: unknown) => void,
        stopListening: () => {},
      };
      if (signal) {
        const onAbort = () => this.#abort(call);
        signal.addEventListener('abort', onAbort, { once: true });
        call.stopListening = () => signal.removeEventListener('abort', onAbort);
      }
      this.#queue.push(call);
      this.#pump();
    });
  }

  /** Ends the process at once. @param because what callers are told */
  kill(because: string): void {
    this.#end(because);
    this.#child.kill();
  }

  #pump(): void {
    if (this.#active !== null || this.#gone !== null) return;
    const call = this.#queue.shift();
    if (!call) return;
    this.#active = call;
    this.#child.call(call.verb, call.argument).then(
      (value) => this.#settle(call, () => call.resolve(value)),
      (error: unknown) => {
        // The end of the process is told once, with its reason, by `exited`.
        if (error instanceof ChannelClosed) this.#end(error.message);
        else this.#settle(call, () => call.reject(error));
      },
    );
  }

  #settle(call: Call, tell: () => void): void {
    if (this.#active !== call) return;
    this.#active = null;
    call.stopListening();
    tell();
    this.#pump();
  }

  #abort(call: Call): void {
    const place = this.#queue.indexOf(call);
    if (place >= 0) {
      this.#queue.splice(place, 1);
      call.reject(fail('QUERY_INTERRUPTED', {}));
      return;
    }
    setTimeout(() => {
      if (this.#active !== call) return;
      call.isVictim = true;
      this.kill('a statement that was running in it was killed');
    }, ABORT_GRACE_MS);
  }

  #end(because: string): void {
    if (this.#gone !== null) return;
    this.#gone = because;
    const active = this.#active;
    this.#active = null;
    active?.stopListening();
    active?.reject(active.isVictim ? fail('QUERY_INTERRUPTED', {}) : new HostGone(because, true));
    for (const call of this.#queue.splice(0)) {
      call.stopListening();
      call.reject(new HostGone(because, false));
    }
  }
}
