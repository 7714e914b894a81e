// A destination that is asked for no more than its limits allow, which may change while it is open.
import type { Destination, ObjectAppender, ObjectReader, ObjectWriter } from './destination.ts';
import { lockVerbs } from './locks.ts';
import type { Throttle } from './throttle.ts';

/** Every call takes its turn at the throttle; ending something is never held up. */
export function throttledDestination(inner: Destination, throttle: Throttle): Destination {
  const turn = async <T>(call: () => Promise<T>, bytes = 0): Promise<T> => {
    await throttle.pass(bytes);
    return await call();
  };
  const writer = (of: ObjectWriter): ObjectWriter => ({
    write: (bytes) => turn(() => of.write(bytes), bytes.length),
    finish: () => of.finish(),
    abort: () => of.abort(),
  });
  const reader = (of: ObjectReader): ObjectReader => ({
    sizeBytes: of.sizeBytes,
    read: (offset, length, into) => turn(() => of.read(offset, length, into), length),
    close: () => of.close(),
  });
  const appender = (of: ObjectAppender): ObjectAppender => ({
    get sizeBytes() {
      return of.sizeBytes;
    },
    append: (bytes) => turn(() => of.append(bytes), bytes.length),
    close: () => of.close(),
  });
  return {
    uri: inner.uri,
    can: inner.can,
    get spec() {
      const { spec } = inner;
      return spec.kind === 'file' || spec.kind === 'objectStore' ? { ...spec, limits: throttle.limits } : spec;
    },
    put: (name, bytes) => turn(() => inner.put(name, bytes), bytes.length),
    get: async (name, range) => {
      const bytes = range?.length ?? (throttle.limits && (await inner.size(name))) ?? 0;
      return await turn(() => inner.get(name, range), bytes);
    },
    sync: (name) => turn(() => inner.sync(name)),
    size: (name) => turn(() => inner.size(name)),
    list: (prefix) => turn(() => inner.list(prefix)),
    remove: (name) => turn(() => inner.remove(name)),
    removeAll: (prefix, keep) => turn(() => inner.removeAll(prefix, keep)),
    ...lockVerbs(inner, turn),
    create: async (name) => writer(await turn(() => inner.create(name))),
    openRead: async (name) => reader(await turn(() => inner.openRead(name))),
    openAppend: async (name) => appender(await turn(() => inner.openAppend(name))),
    sweep: () => turn(async () => await inner.sweep?.()),
    [Symbol.asyncDispose]: async () => await inner[Symbol.asyncDispose](),
  };
}
