// A destination that fails on purpose: wraps another one and lets chosen operations fail, before or after their effect.
import type { Destination, ObjectAppender, ObjectReader, ObjectWriter } from '../src/destination/destination.ts';

export type DestinationOperation =
  | 'put'
  | 'get'
  | 'sync'
  | 'size'
  | 'list'
  | 'remove'
  | 'removeAll'
  | 'create'
  | 'write'
  | 'finish'
  | 'openRead'
  | 'read'
  | 'openAppend'
  | 'append';

export interface Fault {
  /** Only these operations are counted; default: all. */
  on?: DestinationOperation[];
  /** Only objects whose name matches are counted; default: all. */
  name?: RegExp;
  /** Counting from 1: the first operation that fails. */
  nth: number;
  /** How many fail from there; default 1, Infinity until healed. */
  times?: number;
  error: Error;
  /** True: the operation takes effect and then fails, as when an answer gets lost. */
  afterEffect?: boolean;
}

/** @param seen every operation in order, for choosing `nth` and for asserting what was tried */
export interface FaultyDestination extends Destination {
  readonly seen: Array<{ operation: DestinationOperation; name: string }>;
  /** Adds a fault; counting starts now. */
  inject(fault: Fault): void;
  heal(): void;
}

/** Wraps a destination; it behaves as before until a fault is injected. */
export function faultyDestination(inner: Destination): FaultyDestination {
  const seen: FaultyDestination['seen'] = [];
  let faults: Array<Fault & { count: number }> = [];

  function dueFault(operation: DestinationOperation, name: string): Fault | undefined {
    seen.push({ operation, name });
    let due: Fault | undefined;
    for (const fault of faults) {
      if ((fault.on && !fault.on.includes(operation)) || (fault.name && !fault.name.test(name))) continue;
      fault.count++;
      if (fault.count >= fault.nth && fault.count < fault.nth + (fault.times ?? 1)) due ??= fault;
    }
    return due;
  }

  async function run<T>(operation: DestinationOperation, name: string, work: () => Promise<T>): Promise<T> {
    const fault = dueFault(operation, name);
    if (fault && !fault.afterEffect) throw fault.error;
    const result = await work();
    if (fault) throw fault.error;
    return result;
  }

  const wrapWriter = (name: string, writer: ObjectWriter): ObjectWriter => ({
    write: (bytes) => run('write', name, () => writer.write(bytes)),
    finish: () => run('finish', name, () => writer.finish()),
    abort: () => writer.abort(),
  });
  const wrapReader = (name: string, reader: ObjectReader): ObjectReader => ({
    sizeBytes: reader.sizeBytes,
    read: (offset, length) => run('read', name, () => reader.read(offset, length)),
    close: () => reader.close(),
  });
  const wrapAppender = (name: string, appender: ObjectAppender): ObjectAppender => ({
    get sizeBytes() {
      return appender.sizeBytes;
    },
    append: (bytes) => run('append', name, () => appender.append(bytes)),
    close: () => appender.close(),
  });

  return {
    uri: inner.uri,
    can: inner.can,
    spec: inner.spec,
    seen,
    inject: (fault) => void faults.push({ ...fault, count: 0 }),
    heal: () => {
      faults = [];
    },
    put: (name, bytes) => run('put', name, () => inner.put(name, bytes)),
    get: (name, range) => run('get', name, () => inner.get(name, range)),
    sync: (name) => run('sync', name, () => inner.sync(name)),
    size: (name) => run('size', name, () => inner.size(name)),
    list: (prefix) => run('list', prefix, () => inner.list(prefix)),
    remove: (name) => run('remove', name, () => inner.remove(name)),
    removeAll: (prefix, keep) => run('removeAll', prefix, () => inner.removeAll(prefix, keep)),
    create: (name) => run('create', name, async () => wrapWriter(name, await inner.create(name))),
    openRead: (name) => run('openRead', name, async () => wrapReader(name, await inner.openRead(name))),
    openAppend: (name) => run('openAppend', name, async () => wrapAppender(name, await inner.openAppend(name))),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
