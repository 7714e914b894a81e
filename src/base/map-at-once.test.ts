// Goal: results come in order whatever order the work ends in, no more of it is under way than said, and a failure leaves
// nothing behind that still works. Method: work that ends when the test says so.
import { expect, test } from 'vitest';
import { mapAtOnce } from './map-at-once.ts';

class Gate {
  readonly begun: number[] = [];
  readonly #ends = new Map<number, { resolve(value: string): void; reject(error: Error): void }>();

  work = (item: number): Promise<string> => {
    this.begun.push(item);
    return new Promise((resolve, reject) => this.#ends.set(item, { resolve, reject }));
  };

  async end(item: number): Promise<void> {
    this.#ends.get(item)!.resolve(`did ${item}`);
    await new Promise(setImmediate);
  }

  async fail(item: number): Promise<void> {
    this.#ends.get(item)!.reject(new Error(`no ${item}`));
    await new Promise(setImmediate);
  }
}

test('results are in the order of the items, with so many under way', async () => {
  const gate = new Gate();
  const results = mapAtOnce([1, 2, 3, 4], 2, gate.work);
  expect(gate.begun).toEqual([1, 2]);
  await gate.end(2);
  expect(gate.begun).toEqual([1, 2, 3]);
  await gate.end(3);
  await gate.end(4);
  await gate.end(1);
  expect(await results).toEqual(['did 1', 'did 2', 'did 3', 'did 4']);
});

test('nothing is nothing', async () => {
  expect(await mapAtOnce([], 3, new Gate().work)).toEqual([]);
});

test('a failure is told once what is under way has ended, and begins nothing more', async () => {
  const gate = new Gate();
  let told: unknown;
  const results = mapAtOnce([1, 2, 3], 2, gate.work).catch((error: unknown) => {
    told = error;
  });
  await gate.fail(2);
  expect([told, gate.begun]).toEqual([undefined, [1, 2]]);
  await gate.end(1);
  await results;
  expect(told).toEqual(new Error('no 2'));
});
