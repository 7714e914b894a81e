// Destinations whose calls end in time: one that has no answer within a bound fails, as if the destination were away.
// A call on a dead network mount never ends by itself, and each holds a thread: until it has answered, the destination is
// asked nothing more. What was asked for may still happen late; who writes allows for that: nothing is ever overwritten,
// and nothing more goes into an object that a write failed in.
import { fail } from '../base/errors.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import type { Destination, ObjectAppender, ObjectReader, ObjectWriter } from './destination.ts';
import { lockVerbs } from './locks.ts';

/** Runs one call within the bound. @param onLate what to do with a value that comes when nobody waits any more */
type Bounded = <T>(what: string, call: () => Promise<T>, onLate?: (value: T) => Promise<void>) => Promise<T>;

export class DestinationDeadlines {
  readonly #callMs: number;
  /** By uri: resolves when every late call there has been answered. */
  readonly #late = new Map<string, Promise<void>>();

  /** @param callMs the longest that one call may take; it then fails with BACKUP_DEST_NOT_CONNECT (9070) naming the uri */
  constructor(callMs: number) {
    this.#callMs = callMs;
  }

  wrap(inner: Destination): Destination {
    const bounded: Bounded = (what, call, onLate) => this.#inTime(inner, { what, call, onLate });
    const whenAnswered = (work: () => Promise<void>) => this.#whenAnswered(inner, work);
    return {
      uri: inner.uri,
      can: inner.can,
      spec: inner.spec,
      put: (name, bytes) => bounded('put', () => inner.put(name, bytes)),
      get: (name, range) => bounded('get', () => inner.get(name, range)),
      sync: (name) => bounded('sync', () => inner.sync(name)),
      size: (name) => bounded('size', () => inner.size(name)),
      list: (prefix) => bounded('list', () => inner.list(prefix)),
      remove: (name) => bounded('remove', () => inner.remove(name)),
      removeAll: (prefix, keep) => bounded('removeAll', () => inner.removeAll(prefix, keep)),
      sweep: () => bounded('sweep', async () => await inner.sweep?.()),
      ...lockVerbs(inner, (call) => bounded('lock', call)),
      async create(name) {
        const call = () => inner.create(name);
        const writer = await bounded('create', call, (late) => late.abort());
        return boundedWriter(writer, bounded, whenAnswered);
      },
      async openRead(name) {
        const call = () => inner.openRead(name);
        const reader = await bounded('openRead', call, (late) => late.close());
        return boundedReader(reader, bounded, whenAnswered);
      },
      async openAppend(name) {
        const call = () => inner.openAppend(name);
        const appender = await bounded('openAppend', call, (late) => late.close());
        return boundedAppender(appender, bounded, whenAnswered);
      },
      async [Symbol.asyncDispose]() {
        await whenAnswered(async () => await inner[Symbol.asyncDispose]());
      },
    };
  }

  async #inTime<T>(
    inner: Destination,
    of: { what: string; call: () => Promise<T>; onLate: ((value: T) => Promise<void>) | undefined },
  ): Promise<T> {
    const uri = formatDestinationUri(inner.uri);
    if (this.#late.has(uri))
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because: 'an earlier call has no answer yet' });
    const work = of.call();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), this.#callMs).unref();
    });
    try {
      const first = await Promise.race([work.then((value) => ({ value })), late]);
      if (first !== 'late') return first.value;
    } finally {
      clearTimeout(timer);
    }
    this.#noteLate(uri, work.then(of.onLate));
    const because = `no answer to ${of.what} within ${this.#callMs / 1000} s`;
    throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because });
  }

  /** How a late call ends tells nothing new; that it ends does. */
  #noteLate(uri: string, work: Promise<unknown>): void {
    const before = this.#late.get(uri);
    const answered = work.then(
      () => {},
      () => {},
    );
    const settled = Promise.all([before, answered]).then(() => {
      if (this.#late.get(uri) === settled) this.#late.delete(uri);
    });
    this.#late.set(uri, settled);
  }

  /** Lets go of something. While the destination owes an answer nobody waits for that: it happens behind the answer. */
  async #whenAnswered(inner: Destination, work: () => Promise<void>): Promise<void> {
    const uri = formatDestinationUri(inner.uri);
    const late = this.#late.get(uri);
    if (late) {
      late.then(work).then(undefined, () => {});
      return;
    }
    await this.#inTime(inner, { what: 'close', call: work, onLate: undefined });
  }
}

type WhenAnswered = (work: () => Promise<void>) => Promise<void>;

function boundedWriter(writer: ObjectWriter, bounded: Bounded, whenAnswered: WhenAnswered): ObjectWriter {
  return {
    write: (bytes) => bounded('write', () => writer.write(bytes)),
    finish: () => bounded('finish', () => writer.finish()),
    abort: () => whenAnswered(() => writer.abort()),
  };
}

function boundedReader(reader: ObjectReader, bounded: Bounded, whenAnswered: WhenAnswered): ObjectReader {
  return {
    sizeBytes: reader.sizeBytes,
    // A read that is given up on may still write into memory: never into the caller's.
    read: (offset, length) => bounded('read', () => reader.read(offset, length)),
    close: () => whenAnswered(() => reader.close()),
  };
}

function boundedAppender(appender: ObjectAppender, bounded: Bounded, whenAnswered: WhenAnswered): ObjectAppender {
  return {
    get sizeBytes() {
      return appender.sizeBytes;
    },
    append: (bytes) => bounded('append', () => appender.append(bytes)),
    close: () => whenAnswered(() => appender.close()),
  };
}
