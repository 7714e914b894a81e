// Goal: objects come in the order of the list, some are opened ahead where that is a request to a store, none stays open, and
// one that can not be opened fails whoever reads it. Method: memory destinations that count.
import { afterEach, describe, expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { dropMemoryDestination, MemoryDestination } from './memory-destination.ts';
import { OpenAhead } from './open-ahead.ts';

const ID = `open-ahead-${process.pid}`;
const NAMES = Array.from({ length: 12 }, (_, n) => `object-${n}`);

class Counting extends MemoryDestination {
  readonly opened: string[] = [];
  open = 0;

  override async openRead(name: string) {
    this.opened.push(name);
    const reader = await super.openRead(name);
    this.open++;
    const close = async () => {
      this.open--;
      await reader.close();
    };
    return { sizeBytes: reader.sizeBytes, read: reader.read.bind(reader), close };
  }
}

async function filled(append: boolean): Promise<Counting> {
  const destination = new Counting(ID, { append });
  for (const [index, name] of NAMES.entries()) await destination.put(name, Uint8Array.of(index));
  return destination;
}

async function readOne(ahead: OpenAhead, at: number): Promise<number> {
  const reader = await ahead.open(at);
  const [byte] = await reader.read(0, 1);
  await reader.close();
  return byte!;
}

afterEach(() => dropMemoryDestination(ID));

describe('objects of a list', () => {
  test('are opened ahead in a store, and each is the one that was asked for, also when some are left out', async () => {
    const destination = await filled(false);
    {
      await using ahead = new OpenAhead(destination, NAMES);
      expect(await readOne(ahead, 0)).toBe(0);
      expect(destination.opened).toEqual(NAMES.slice(0, 9));
      expect(await readOne(ahead, 3)).toBe(3);
      expect(await readOne(ahead, 11)).toBe(11);
      expect(destination.opened).toEqual(NAMES);
      expect(destination.open).toBe(9);
    }
    expect(destination.open).toBe(0);
  });

  test('are opened one by one where they can be appended to', async () => {
    const destination = await filled(true);
    await using ahead = new OpenAhead(destination, NAMES);
    expect(await readOne(ahead, 0)).toBe(0);
    expect(await readOne(ahead, 1)).toBe(1);
    expect(destination.opened).toEqual(NAMES.slice(0, 2));
  });

  test('that are gone fail when it is their turn, and close what was opened behind them', async () => {
    const destination = await filled(false);
    await destination.remove(NAMES[2]!);
    {
      await using ahead = new OpenAhead(destination, NAMES);
      expect(await readOne(ahead, 0)).toBe(0);
      expect(await readOne(ahead, 1)).toBe(1);
      const failure = await ahead.open(2).catch((error: unknown) => error);
      expect(isFailure(failure, 'BACKUP_FILE_NOT_EXIST')).toBe(true);
    }
    expect(destination.open).toBe(0);
  });
});
