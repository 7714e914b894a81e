// Goal: no call to a destination takes longer than its bound, and an answer that comes later does no harm.
import { expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { DestinationDeadlines } from './deadline-destination.ts';
import type { Destination } from './destination.ts';
import { dropMemoryDestination, MemoryDestination } from './memory-destination.ts';

const CALL_MS = 20;
const never = () => new Promise<never>(() => {});
const late = (error: unknown) =>
  isFailure(error, 'BACKUP_DEST_NOT_CONNECT') && /file:\/\/.*no answer to .* within 0.02 s/.test(error.message);

const withDeadline = (inner: Destination, callMs: number) => new DestinationDeadlines(callMs).wrap(inner);

/** A destination that answers nothing. */
function deaf(inner: Destination): Destination {
  return new Proxy(inner, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? never : value;
    },
  });
}

test('every call to a destination that does not answer fails in time', async () => {
  const memory = new MemoryDestination('deadline-1');
  const bytes = new Uint8Array(1);
  const asked: Array<(destination: Destination) => Promise<unknown>> = [
    (d) => d.put('a', bytes),
    (d) => d.get('a'),
    (d) => d.size('a'),
    (d) => d.list(''),
    (d) => d.remove('a'),
    (d) => d.removeAll('a'),
    (d) => d.create('a'),
    (d) => d.openRead('a'),
    (d) => d.openAppend('a'),
  ];
  const calls = asked.map((ask) => ask(withDeadline(deaf(memory), CALL_MS)));
  for (const call of await Promise.allSettled(calls)) {
    expect(call.status).toBe('rejected');
    expect(late((call as PromiseRejectedResult).reason)).toBe(true);
  }
  dropMemoryDestination('deadline-1');
});

test('an appender fails in time too, and is closed behind the answer that it waited for', async () => {
  const memory = new MemoryDestination('deadline-2');
  const done: string[] = [];
  let land: () => void = () => {};
  const append = async () => {
    await new Promise<void>((resolve) => {
      land = resolve;
    });
    done.push('landed');
  };
  const close = async () => {
    done.push('closed');
  };
  memory.openAppend = async () => ({ sizeBytes: 0, append, close });
  const destination = withDeadline(memory, CALL_MS);
  const opened = await destination.openAppend('b');
  await expect(opened.append(new Uint8Array(1))).rejects.toSatisfy(late);
  await opened.close();
  await destination[Symbol.asyncDispose]();
  expect(done).toEqual([]);
  land();
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toEqual(['landed', 'closed']);
  dropMemoryDestination('deadline-2');
});

test('a destination that owes an answer is asked nothing more, whoever asks, until it has answered', async () => {
  const memory = new MemoryDestination('deadline-5');
  const deadlines = new DestinationDeadlines(CALL_MS);
  let answer: () => void = () => {};
  let asked = 0;
  memory.size = async () => {
    asked++;
    if (asked > 1) return 7;
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return undefined;
  };
  const owing = /an earlier call has no answer yet/;
  await expect(deadlines.wrap(memory).size('a')).rejects.toSatisfy(late);
  await expect(deadlines.wrap(memory).size('a')).rejects.toThrow(owing);
  await expect(deadlines.wrap(memory).list('')).rejects.toThrow(owing);
  expect(asked).toBe(1);
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await deadlines.wrap(memory).size('a')).toBe(7);
  dropMemoryDestination('deadline-5');
});

test('what is opened too late is closed', async () => {
  const memory = new MemoryDestination('deadline-3');
  let isClosed = false;
  let open: () => void = () => {};
  memory.openAppend = () =>
    new Promise((resolve) => {
      const close = async () => {
        isClosed = true;
      };
      open = () => resolve({ sizeBytes: 0, append: never, close });
    });
  await expect(withDeadline(memory, CALL_MS).openAppend('a')).rejects.toSatisfy(late);
  open();
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(true);
  dropMemoryDestination('deadline-3');
});

test('what answers in time is as it was', async () => {
  const memory = new MemoryDestination('deadline-4');
  const destination = withDeadline(memory, 10_000);
  const appender = await destination.openAppend('x/a');
  await appender.append(Uint8Array.of(1, 2, 3));
  expect(appender.sizeBytes).toBe(3);
  await appender.close();
  const reader = await destination.openRead('x/a');
  expect([...(await reader.read(1, 2))]).toEqual([2, 3]);
  await reader.close();
  await expect(destination.put('x/a', new Uint8Array(1))).rejects.toSatisfy((error) =>
    isFailure(error, 'ENTRY_EXISTS'),
  );
  expect(await destination.list('x')).toEqual([{ name: 'x/a', sizeBytes: 3 }]);
  dropMemoryDestination('deadline-4');
});
