// Request/response over the IPC channel of a forked child: how engine hosts and pipeline workers are driven.
// Messages use structured clone, so bigint and Uint8Array cross unharmed. Errors cross as expected errors
// (name + facts) when they are ours, as plain text otherwise.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { assert } from './assert.ts';
import { errorFromWire, errorToWire, type WireError } from './errors.ts';

interface Request {
  id: number;
  verb: string;
  argument: unknown;
}
interface Response {
  re: number;
  value?: unknown;
  error?: WireError;
}
interface Note {
  note: string;
  argument: unknown;
}

/** Verbs that one side answers. Each takes one argument and may be async. */
// biome-ignore lint/suspicious/noExplicitAny: the verb tables on both sides of a channel are typed by their rooms
export type Verbs = Record<string, (argument: any) => unknown>;

/** One end of a channel: call the other side's verbs, or tell it something without waiting. */
export interface Channel {
  call<T>(verb: string, argument?: unknown): Promise<T>;
  tell(note: string, argument?: unknown): void;
}

/** A forked child with its channel. */
export interface Child extends Channel {
  readonly pid: number;
  /** Resolves with a sentence when the process has gone, however it went. */
  readonly exited: Promise<string>;
  /** Asks the child to end by closing the channel, then kills it after `graceMs`. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL: nothing of the child's runs any more once `exited` resolves. */
  kill(): void;
}

type Send = (message: Request | Response | Note) => void;

/** Thrown by `call` when the other side is gone; the message says how it went. */
export class ChannelClosed extends Error {
  override readonly name = 'ChannelClosed';
}

class Endpoint implements Channel {
  #nextId = 1;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  readonly #send: Send;
  readonly #verbs: Verbs;
  #closed: string | undefined;

  constructor(send: Send, verbs: Verbs) {
    this.#send = send;
    this.#verbs = verbs;
  }

  call<T>(verb: string, argument?: unknown): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new ChannelClosed(`${verb}: ${this.#closed}`));
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#send({ id, verb, argument });
    });
  }

  tell(note: string, argument?: unknown): void {
    if (this.#closed === undefined) this.#send({ note, argument });
  }

  receive(message: Request | Response | Note): void {
    if ('re' in message) {
      const waiter = this.#waiting.get(message.re);
      this.#waiting.delete(message.re);
      if (message.error) waiter?.reject(errorFromWire(message.error));
      else waiter?.resolve(message.value);
    } else if ('note' in message) {
      this.#verbs[message.note]?.(message.argument);
    } else {
      void this.#answer(message);
    }
  }

  async #answer({ id, verb, argument }: Request): Promise<void> {
    try {
      const handler = this.#verbs[verb];
      assert(handler, `the other side knows the verb ${verb}`);
      this.#send({ re: id, value: await handler(argument) });
    } catch (error) {
      this.#send({ re: id, error: errorToWire(error) });
    }
  }

  close(reason: string): void {
    this.#closed = reason;
    for (const { reject } of this.#waiting.values()) reject(new ChannelClosed(reason));
    this.#waiting.clear();
  }
}

/**
 * Forks `entry` (a module beside the caller, without its ending) and opens a channel to it.
 * @param entry for example `'./capture-host'`
 * @param from `import.meta.url` of the caller; decides between source (.ts, run through tsx) and build (.js)
 * @param verbs what the child may call back
 */
export function forkChild(entry: string, from: string, verbs: Verbs, options: { execArgv?: string[] } = {}): Child {
  const isSource = from.endsWith('.ts');
  const path = fileURLToPath(new URL(`${entry}${isSource ? '.ts' : '.js'}`, from));
  const child: ChildProcess = fork(path, [], {
    serialization: 'advanced',
    execArgv: [...(isSource ? ['--import', 'tsx'] : []), ...(options.execArgv ?? [])],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const endpoint = new Endpoint((message) => {
    // A failed send means that the child is going: its exit, with the reason, is what callers hear.
    if (child.connected) child.send(message, () => {});
  }, verbs);
  child.on('message', (message) => endpoint.receive(message as Request | Response | Note));
  const exited = new Promise<string>((resolve) => {
    const end = (reason: string) => {
      endpoint.close(reason);
      resolve(reason);
    };
    child.once('exit', (code, signal) => end(`process ${child.pid} ended (${signal ?? `code ${code}`})`));
    // An error of a running child (a failed send or kill) is no end of it; one that never ran has no other event.
    child.on('error', (error) => {
      if (child.pid === undefined) end(`process could not run: ${error.message}`);
    });
  });
  return {
    pid: child.pid ?? 0,
    exited,
    call: (verb, argument) => endpoint.call(verb, argument),
    tell: (note, argument) => endpoint.tell(note, argument),
    async stop(graceMs) {
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}

/**
 * Makes this process end by SIGKILL also when it ends by itself: on the way out Node would close databases, and closing
 * the last connection of a file deletes the log that the archive needs.
 */
export function endByKillOnly(): void {
  process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
}

/**
 * The child's side: answers `verbs` on the channel to the parent.
 * When the parent goes away the child calls `onDisconnect` (default: ends at once, closing nothing).
 */
export function serveParent(
  verbs: Verbs,
  onDisconnect: () => void = () => process.kill(process.pid, 'SIGKILL'),
): Channel {
  assert(process.send, 'this module runs as a forked child');
  const endpoint = new Endpoint((message) => {
    if (process.connected) process.send?.(message);
  }, verbs);
  process.on('message', (message) => endpoint.receive(message as Request | Response | Note));
  process.once('disconnect', onDisconnect);
  // A terminal's Ctrl-C reaches the whole process group; only the parent decides when a host ends.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  return endpoint;
}
