// Death at a chosen effect: counts the effects of a simulated server (a write to a destination, a change of the store, a
// job of the pipeline) and lets everything end at one of them. Whatever a dead server still wants to do is nothing.
import type { Clock } from '../../src/base/clock.ts';
import { fail } from '../../src/base/errors.ts';
import type { Destination, ObjectAppender } from '../../src/destination/destination.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Store } from '../../src/store/store.ts';

/** Time that moves only when told to, but for one microsecond with every look at it. */
export class ManualClock implements Clock {
  #ns = 1_740_790_800_000_000_000n;

  nowNs(): bigint {
    this.#ns += 1000n;
    return this.#ns;
  }

  monotonicMs(): number {
    return performance.now();
  }

  advanceUs(us: bigint): void {
    this.#ns += us * 1000n;
  }
}

/** Thrown by everything that a dead server still tries; nobody is left to catch it. */
export class SimulatedDeath extends Error {
  override readonly name = 'SimulatedDeath';
}

/** Decides which effects fail, and when everything dies. */
export class Fate {
  effects = 0;
  /** The effect that is the last: nothing happens after it. */
  diesAt = Number.POSITIVE_INFINITY;
  /** Dies after having done the last effect instead of before. */
  diesAfter = false;
  isDead = false;
  /** Writes that fail before one succeeds. */
  failures = 0;
  /** Writes to objects of such names fail. */
  away: RegExp | undefined;
  /** Of a failing append, or of the one that it dies in: how much of it lands all the same. */
  landsOnFailure: 'nothing' | 'half' | 'all' = 'nothing';
  /** While there is one, no call is answered; what was asked for happens when it resolves. */
  hanging: Promise<void> | undefined;

  /** The next effect is the one that it dies at, undone. */
  get isLast(): boolean {
    return !this.isDead && !this.diesAfter && this.effects + 1 >= this.diesAt;
  }

  /** Counts an effect of a call that returns at once. */
  now<T>(work: () => T): T {
    this.#begin();
    const value = work();
    this.#end();
    return value;
  }

  /** Counts an effect of a call that answers later; a dead one never does. */
  async later<T>(work: () => Promise<T>): Promise<T> {
    if (this.isDead) return await new Promise<never>(() => {});
    if (this.hanging) await this.hanging;
    try {
      this.#begin();
      const value = await work();
      this.#end();
      return value;
    } catch (error) {
      if (this.isDead) return await new Promise<never>(() => {});
      throw error;
    }
  }

  #begin(): void {
    if (this.isDead) throw new SimulatedDeath('dead');
    this.effects++;
    if (this.effects >= this.diesAt && !this.diesAfter) this.isDead = true;
    if (this.isDead) throw new SimulatedDeath('dead');
  }

  #end(): void {
    if (this.effects >= this.diesAt) this.isDead = true;
    if (this.isDead) throw new SimulatedDeath('dead');
  }
}

const away = (destination: Destination) =>
  fail('BACKUP_DEST_NOT_CONNECT', { uri: `file://${destination.uri.path}`, because: 'it is away' });

/** A destination whose writes fail as its fate says, and whose every call is an effect. */
export class MortalDestination implements Destination {
  readonly #inner: Destination;
  readonly #fate: Fate;
  readonly uri: Destination['uri'];
  readonly can: Destination['can'];
  readonly spec: Destination['spec'];

  constructor(inner: Destination, fate: Fate) {
    this.#inner = inner;
    this.#fate = fate;
    this.uri = inner.uri;
    this.can = inner.can;
    this.spec = inner.spec;
  }

  #write<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#fate.later(async () => {
      if (this.#fate.failures > 0) {
        this.#fate.failures--;
        throw away(this);
      }
      if (this.#fate.away?.test(name)) throw away(this);
      return await work();
    });
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#write(name, () => this.#inner.put(name, bytes));
  }
  get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    return this.#fate.later(() => this.#inner.get(name, range));
  }
  openRead(name: string): ReturnType<Destination['openRead']> {
    return this.#fate.later(() => this.#inner.openRead(name));
  }
  sync(name: string): Promise<void> {
    return this.#fate.later(() => this.#inner.sync(name));
  }
  size(name: string): Promise<number | undefined> {
    return this.#fate.later(() => this.#inner.size(name));
  }
  list(prefix: string): ReturnType<Destination['list']> {
    return this.#fate.later(() => this.#inner.list(prefix));
  }
  remove(name: string): Promise<void> {
    return this.#write(name, () => this.#inner.remove(name));
  }
  removeAll(prefix: string, keep?: ReadonlySet<string>): Promise<void> {
    return this.#write(prefix, () => this.#inner.removeAll(prefix, keep));
  }
  create(name: string): ReturnType<Destination['create']> {
    return this.#inner.create(name);
  }
  lockedUntilNs(name: string): Promise<bigint | undefined> {
    return this.#fate.later(async () => await this.#inner.lockedUntilNs?.(name));
  }
  extendLock(name: string): Promise<void> {
    return this.#write(name, async () => await this.#inner.extendLock?.(name));
  }
  async openAppend(name: string): Promise<ObjectAppender> {
    const appender = await this.#write(name, () => this.#inner.openAppend(name));
    return {
      get sizeBytes() {
        return appender.sizeBytes;
      },
      append: (bytes) => this.#append(appender, bytes),
      close: () => appender.close(),
    };
  }
  async [Symbol.asyncDispose](): Promise<void> {}

  async #append(appender: ObjectAppender, bytes: Uint8Array): Promise<void> {
    if (this.#fate.isLast && this.#fate.landsOnFailure === 'half')
      await appender.append(bytes.subarray(0, bytes.length >> 1));
    await this.#fate.later(async () => {
      if (this.#fate.failures === 0) return await appender.append(bytes);
      this.#fate.failures--;
      const lands = { nothing: 0, half: bytes.length >> 1, all: bytes.length }[this.#fate.landsOnFailure];
      if (lands > 0) await appender.append(bytes.subarray(0, lands));
      throw away(this);
    });
  }
}

const CHANGES = new Set(['insert', 'update', 'change', 'remove']);

/** The store as a process sees it that may die at any of its changes; one transaction is one effect. */
export function mortalStore(store: Store, fate: Fate): Store {
  let depth = 0;
  const effect = <T>(work: () => T): T => (depth > 0 ? work() : fate.now(work));
  const bound = (target: object, name: string | symbol) => {
    const value = Reflect.get(target, name, target) as unknown;
    return typeof value === 'function' ? (value.bind(target) as (...args: never[]) => unknown) : value;
  };
  const isTable = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && 'insert' in value && 'change' in value;
  const table = (of: object) =>
    new Proxy(of, {
      get(target, name) {
        const value = bound(target, name);
        if (fate.isDead) throw new SimulatedDeath('dead');
        if (typeof value !== 'function' || !CHANGES.has(String(name))) return value;
        return (...args: never[]) => effect(() => value(...args));
      },
    });
  return new Proxy(store, {
    get(target, name) {
      if (fate.isDead) throw new SimulatedDeath('dead');
      if (name === 'transaction') {
        return <T>(work: () => T): T =>
          effect(() => {
            depth++;
            try {
              return target.transaction(work);
            } finally {
              depth--;
            }
          });
      }
      const value = bound(target, name);
      return isTable(value) ? table(value) : value;
    },
  });
}

/** The pipeline as a process sees it that may die before or after each of its jobs. */
export function mortalPipeline(pipeline: Pipeline, fate: Fate): Pipeline {
  return {
    backup: (request) => fate.later(() => pipeline.backup(request)),
    restore: (request) => fate.later(() => pipeline.restore(request)),
    hashPages: (request) => fate.later(() => pipeline.hashPages(request)),
    verify: (request) => fate.later(() => pipeline.verify(request)),
    prepare: (workers, work) => pipeline.prepare(workers, work),
    async [Symbol.asyncDispose]() {},
  };
}
