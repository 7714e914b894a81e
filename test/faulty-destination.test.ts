// The destination that fails on purpose: keeps the contract while healthy, fails exactly where it was told to.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fail } from '../src/base/errors.ts';
import { dropMemoryDestination, MemoryDestination } from '../src/destination/memory-destination.ts';
import { testDestination } from './contract/destination.ts';
import { faultyDestination } from './faulty-destination.ts';

testDestination('faulty, without a fault', async () => {
  const id = randomUUID();
  return { open: () => faultyDestination(new MemoryDestination(id)), cleanUp: async () => dropMemoryDestination(id) };
});

describe('a fault', () => {
  const error = fail('BACKUP_DEVICE_OUT_OF_SPACE', { uri: 'x' });
  const full = expect.objectContaining({ errorName: 'BACKUP_DEVICE_OUT_OF_SPACE' });
  const open = () => faultyDestination(new MemoryDestination(randomUUID()));

  it('hits the n-th operation of its kind and name, then no more', async () => {
    const destination = open();
    destination.inject({ on: ['put'], name: /^a/, nth: 2, error });
    await destination.put('a1', new Uint8Array(1));
    await destination.put('b1', new Uint8Array(1));
    await destination.list('');
    await expect(destination.put('a2', new Uint8Array(1))).rejects.toThrowError(full);
    expect(await destination.size('a2')).toBeUndefined();
    await destination.put('a2', new Uint8Array(1));
    expect(destination.seen.map(({ operation }) => operation)).toEqual(['put', 'put', 'list', 'put', 'size', 'put']);
  });

  it('lasts as long as it is told to, or until healed', async () => {
    const destination = open();
    destination.inject({ on: ['append'], nth: 1, times: Number.POSITIVE_INFINITY, error });
    const appender = await destination.openAppend('log');
    for (let i = 0; i < 3; i++) await expect(appender.append(new Uint8Array(1))).rejects.toThrowError(full);
    destination.heal();
    await appender.append(new Uint8Array(1));
    expect(appender.sizeBytes).toBe(1);
  });

  it('can come after the effect, as when an answer gets lost', async () => {
    const destination = open();
    destination.inject({ on: ['finish'], nth: 1, error, afterEffect: true });
    const writer = await destination.create('a');
    await writer.write(Buffer.from('x'));
    await expect(writer.finish()).rejects.toThrowError(full);
    expect(await destination.size('a')).toBe(1);
  });
});
