// Goal: batches become durable in order, several at once; what fails is delivered again from there, first one alone; and
// nobody waits for ever.
import { describe, expect, test } from 'vitest';
import type { CapturedBatch } from '../engine-driver.ts';
import { DeliveryLine } from './delivery-line.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));
const batch = (batchNo: number) => ({ batchNo }) as CapturedBatch;

/** A line whose sends end when the test says so. */
function line(attemptsMax = Number.POSITIVE_INFINITY) {
  const open = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  const sent: number[] = [];
  const durable: number[] = [];
  const failed: number[] = [];
  const made = new DeliveryLine({
    send: ({ batchNo }) => {
      sent.push(batchNo);
      return new Promise((resolve, reject) => open.set(batchNo, { resolve, reject }));
    },
    onDurable: ({ batchNo }) => durable.push(batchNo),
    onFailed: ({ batchNo }) => failed.push(batchNo),
    isLast: (attempt) => attempt >= attemptsMax,
    sleep: async () => {},
  });
  const outcomes: string[] = [];
  const deliver = (batchNo: number) =>
    made.deliver(batch(batchNo)).then(
      () => outcomes.push(`${batchNo}`),
      () => outcomes.push(`${batchNo} failed`),
    );
  return { made, open, sent, durable, failed, outcomes, deliver };
}

describe('batches on their way', () => {
  test('are durable in order, whichever is answered first', async () => {
    const { made, open, sent, durable, outcomes, deliver } = line();
    for (const no of [1, 2, 3]) void deliver(no);
    expect(sent).toEqual([1, 2, 3]);
    open.get(2)!.resolve();
    await settle();
    expect(durable).toEqual([]);
    open.get(1)!.resolve();
    await settle();
    expect(outcomes).toEqual(['1', '2']);
    open.get(3)!.resolve();
    await made.settled();
    expect(durable).toEqual([1, 2, 3]);
  });

  test('go again from the failed one on, which goes alone until the destination takes it', async () => {
    const { made, open, sent, durable, failed, outcomes, deliver } = line();
    for (const no of [1, 2, 3]) void deliver(no);
    open.get(1)!.resolve();
    open.get(2)!.reject(new Error('away'));
    await settle();
    void deliver(4);
    expect(sent).toEqual([1, 2, 3]);
    open.get(3)!.reject(new Error('an earlier one has failed'));
    await settle();
    expect(sent.slice(3)).toEqual([2]);
    void deliver(5);
    open.get(2)!.reject(new Error('away still'));
    await settle();
    expect(sent.slice(4)).toEqual([2]);
    expect(failed).toEqual([2, 2]);
    open.get(2)!.resolve();
    await settle();
    expect(sent.slice(5)).toEqual([3, 4, 5]);
    for (const no of [3, 4, 5]) open.get(no)!.resolve();
    await made.settled();
    expect(durable).toEqual([1, 2, 3, 4, 5]);
    expect(outcomes).toEqual(['1', '2', '3', '4', '5']);
  });

  test('are all given up with the one that is, and the line goes on afterwards', async () => {
    const { made, open, durable, outcomes, deliver } = line(1);
    for (const no of [1, 2]) void deliver(no);
    open.get(2)!.reject(new Error('away'));
    open.get(1)!.reject(new Error('away'));
    await made.settled();
    await settle();
    expect(outcomes).toEqual(['1 failed', '2 failed']);
    void deliver(1);
    open.get(1)!.resolve();
    await made.settled();
    expect(durable).toEqual([1]);
  });
});
