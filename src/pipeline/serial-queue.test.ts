import { describe, expect, it } from 'vitest';
import { SerialQueue } from './serial-queue.ts';

describe('serial queue', () => {
  it('runs one piece of work after the other in the order asked for', async () => {
    const queue = new SerialQueue();
    const seen: string[] = [];
    const work = (name: string) => async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ends`);
      return name;
    };
    expect(await Promise.all([queue.run(work('a')), queue.run(work('b'))])).toEqual(['a', 'b']);
    expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('does no work after a failure and tells everyone of it', async () => {
    const queue = new SerialQueue();
    let worked = 0;
    const failed = queue.run(async () => {
      throw new Error('first');
    });
    const next = queue.run(async () => worked++);
    await expect(failed).rejects.toThrowError('first');
    await expect(next).rejects.toThrowError('first');
    await expect(queue.run(async () => worked++)).rejects.toThrowError('first');
    expect(worked).toBe(0);
  });

  it('waits at its end for what runs, and refuses what waits', async () => {
    const queue = new SerialQueue();
    const seen: string[] = [];
    const running = queue.run(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push('ran');
    });
    const waiting = queue.run(async () => seen.push('waited'));
    const refused = waiting.catch((error: unknown) => seen.push(String(error)));
    await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
    await queue.end(new Error('over'));
    seen.push('ended');
    await Promise.all([running, refused]);
    expect(seen).toEqual(['ran', 'Error: over', 'ended']);
  });
});
