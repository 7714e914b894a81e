// Goal: a lane's objects are opened once each, and every one that was opened is closed.
import { expect, it } from 'vitest';
import { OpenReaders } from './open-readers.ts';

/** Opens objects by name and keeps count. */
class Objects {
  readonly open = new Map<string, number>();
  opened = 0;

  async get(name: string) {
    this.opened++;
    await Promise.resolve();
    this.open.set(name, (this.open.get(name) ?? 0) + 1);
    const close = async () => {
      this.open.set(name, this.open.get(name)! - 1);
    };
    return { name, reader: { sizeBytes: 0, read: async () => new Uint8Array(0), close } };
  }

  get openNames(): string[] {
    return [...this.open].filter(([, count]) => count > 0).map(([name]) => name);
  }
}

it('opens an object once, also for two who ask at once', async () => {
  const objects = new Objects();
  const readers = new OpenReaders<Awaited<ReturnType<Objects['get']>>>();
  const [one, other] = await Promise.all([1, 2].map(() => readers.get('a', () => objects.get('a'))));
  expect(one).toBe(other);
  expect(objects.opened).toBe(1);
  await readers.close();
  expect(objects.openNames).toEqual([]);
});

it('closes the object that was not asked for the longest, and opens it anew', async () => {
  const objects = new Objects();
  const readers = new OpenReaders<Awaited<ReturnType<Objects['get']>>>();
  const names = Array.from({ length: 40 }, (_, i) => `object ${i}`);
  for (const name of names) {
    await readers.get('first', () => objects.get('first'));
    await readers.get(name, () => objects.get(name));
  }
  expect(objects.openNames).toEqual(['first', ...names.slice(-31)]);
  expect((await readers.get(names[0]!, () => objects.get(names[0]!))).name).toBe(names[0]);
  await readers.close();
  expect(objects.openNames).toEqual([]);
});

it('tells a failure to whoever asks, and tries again for the next', async () => {
  const objects = new Objects();
  const readers = new OpenReaders<Awaited<ReturnType<Objects['get']>>>();
  const fails = () => readers.get('a', () => Promise.reject(new Error('away')));
  await Promise.all([expect(fails()).rejects.toThrow('away'), expect(fails()).rejects.toThrow('away')]);
  expect((await readers.get('a', () => objects.get('a'))).name).toBe('a');
  await readers.close();
  await expect(fails()).rejects.toThrow('away');
  await readers.close();
  expect(objects.openNames).toEqual([]);
});
