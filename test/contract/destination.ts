// Goal: every destination keeps the same promises. Method: one suite of sentences, run against each kind.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Destination } from '../../src/destination/destination.ts';

export interface DestinationFixture {
  /** Opens the same, at first empty, destination each time. */
  open(): Destination;
  cleanUp(): Promise<void>;
}

const named = (errorName: string) => expect.objectContaining({ errorName });
const MISSING = named('BACKUP_FILE_NOT_EXIST');
const TAKEN = named('ENTRY_EXISTS');
const CORRUPT = named('BACKUP_DATA_CORRUPT');
const names = async (destination: Destination, prefix = '') =>
  (await destination.list(prefix)).map((object) => object.name).sort();

/** Runs the contract of `Destination` against one kind of it. */
export function testDestination(name: string, makeFixture: () => Promise<DestinationFixture>): void {
  describe(`destination: ${name}`, () => {
    let fixture: DestinationFixture;
    let destination: Destination;

    beforeEach(async () => {
      fixture = await makeFixture();
      destination = fixture.open();
    });
    afterEach(async () => {
      await destination[Symbol.asyncDispose]();
      await fixture.cleanUp();
    });

    it('gives back what was put, also to another opening of it', async () => {
      const bytes = randomBytes(100_000);
      await destination.put('backup_set_1_full/pack_1.obbak', bytes);
      await using other = fixture.open();
      expect(Buffer.compare(await other.get('backup_set_1_full/pack_1.obbak'), bytes)).toBe(0);
      expect(await other.size('backup_set_1_full/pack_1.obbak')).toBe(100_000);
    });

    it('keeps an empty object', async () => {
      await destination.put('rounds/x', new Uint8Array(0));
      expect(await destination.size('rounds/x')).toBe(0);
      expect((await destination.get('rounds/x')).length).toBe(0);
    });

    it('keeps its own copy: later changes of the given bytes change nothing', async () => {
      const bytes = Buffer.from('before');
      await destination.put('x', bytes);
      bytes.fill(0);
      expect(Buffer.from(await destination.get('x')).toString()).toBe('before');
    });

    it('reads ranges, and refuses ranges past the end', async () => {
      await destination.put('x', Buffer.from('0123456789'));
      expect(Buffer.from(await destination.get('x', { offset: 3, length: 4 })).toString()).toBe('3456');
      expect((await destination.get('x', { offset: 10, length: 0 })).length).toBe(0);
      await expect(destination.get('x', { offset: 8, length: 3 })).rejects.toThrowError(CORRUPT);
      await expect(destination.get('x', { offset: 11, length: 1 })).rejects.toThrowError(CORRUPT);
    });

    it('reads many ranges of an opened object', async () => {
      await destination.put('x', Buffer.from('0123456789'));
      const reader = await destination.openRead('x');
      expect(reader.sizeBytes).toBe(10);
      const parts = await Promise.all([reader.read(0, 2), reader.read(8, 2), reader.read(4, 1)]);
      expect(parts.map((part) => Buffer.from(part).toString())).toEqual(['01', '89', '4']);
      await expect(reader.read(9, 2)).rejects.toThrowError(CORRUPT);
      await reader.close();
      await reader.close();
    });

    it('says of a missing object that it does not exist', async () => {
      expect(await destination.size('missing/x')).toBeUndefined();
      await expect(destination.get('missing/x')).rejects.toThrowError(MISSING);
      await expect(destination.openRead('x')).rejects.toThrowError(MISSING);
      await destination.put('file', new Uint8Array(1));
      expect(await destination.size('file/x')).toBeUndefined();
      await expect(destination.get('file/x')).rejects.toThrowError(MISSING);
    });

    it('never overwrites', async () => {
      await destination.put('x', Buffer.from('first'));
      await expect(destination.put('x', Buffer.from('second'))).rejects.toThrowError(TAKEN);
      await expect(destination.create('x')).rejects.toThrowError(TAKEN);
      if (destination.can.append) await expect(destination.openAppend('x')).rejects.toThrowError(TAKEN);
      expect(Buffer.from(await destination.get('x')).toString()).toBe('first');
      expect(await names(destination)).toEqual(['x']);
    });

    it('lets exactly one of many puts of one name win', async () => {
      const puts = Array.from({ length: 8 }, (_, i) => destination.put('x', Buffer.from(`put ${i}`)));
      const results = await Promise.allSettled(puts);
      const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []));
      expect(won).toHaveLength(1);
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toEqual(TAKEN);
      expect(Buffer.from(await destination.get('x')).toString()).toBe(`put ${won[0]}`);
    });

    it('lists objects below a prefix directory only', async () => {
      for (const object of ['a/1', 'a/b/2', 'ab/3', 'c']) await destination.put(object, Buffer.from(object));
      expect(await names(destination)).toEqual(['a/1', 'a/b/2', 'ab/3', 'c']);
      expect(await names(destination, 'a')).toEqual(['a/1', 'a/b/2']);
      expect(await names(destination, 'a/')).toEqual(['a/1', 'a/b/2']);
      expect(await names(destination, 'nothing')).toEqual([]);
      expect(await destination.list('ab')).toEqual([{ name: 'ab/3', sizeBytes: 4 }]);
    });

    it('removes an object, and what is not there', async () => {
      await destination.put('a/1', new Uint8Array(1));
      await destination.remove('a/1');
      await destination.remove('a/1');
      await destination.remove('b/1');
      expect(await destination.size('a/1')).toBeUndefined();
      await destination.put('a/1', new Uint8Array(2));
      expect(await destination.size('a/1')).toBe(2);
    });

    it('removes everything below a prefix directory and nothing beside it', async () => {
      for (const object of ['a/1', 'a/b/2', 'ab/3']) await destination.put(object, new Uint8Array(1));
      await destination.removeAll('a');
      await destination.removeAll('nothing');
      await destination.removeAll('nothing', new Set(['nothing/1']));
      expect(await names(destination)).toEqual(['ab/3']);
      await destination.put('a/1', new Uint8Array(1));
      await destination.removeAll('');
      expect(await names(destination)).toEqual([]);
    });

    it('keeps what is to stay when everything else below a prefix directory is removed', async () => {
      for (const object of ['a/1', 'a/2', 'a/b/3', 'a/b/4', 'a/c/5', 'ab/6'])
        await destination.put(object, Buffer.from(object));
      const unfinished = await destination.create('a/7');
      await unfinished.write(Buffer.from('one'));
      await destination.removeAll('a', new Set(['a/2', 'a/b/4', 'a/8']));
      expect(await names(destination)).toEqual(['a/2', 'a/b/4', 'ab/6']);
      expect(Buffer.from(await destination.get('a/b/4')).toString()).toBe('a/b/4');
      await destination.removeAll('', new Set(['a/2']));
      expect(await names(destination)).toEqual(['a/2']);
      await unfinished.abort();
    });

    it('streams an object that appears whole when it is finished', async () => {
      const writer = await destination.create('a/1');
      const memory = Buffer.from('one ');
      await writer.write(memory);
      memory.fill('?');
      await writer.write(Buffer.from('two'));
      expect(await names(destination)).toEqual([]);
      expect(await destination.size('a/1')).toBeUndefined();
      await writer.finish();
      expect(Buffer.from(await destination.get('a/1')).toString()).toBe('one two');
      await writer.abort();
      expect(await names(destination)).toEqual(['a/1']);
    });

    it('leaves nothing of an aborted stream', async () => {
      const writer = await destination.create('a/1');
      await writer.write(Buffer.from('one'));
      await writer.abort();
      await writer.abort();
      expect(await names(destination)).toEqual([]);
      await destination.put('a/1', new Uint8Array(0));
    });

    it('does not overwrite when a streamed name was taken in the meantime', async () => {
      const writer = await destination.create('x');
      await writer.write(Buffer.from('streamed'));
      await destination.put('x', Buffer.from('put'));
      await expect(writer.finish()).rejects.toThrowError(TAKEN);
      await writer.abort();
      expect(Buffer.from(await destination.get('x')).toString()).toBe('put');
    });

    it('clears unfinished streams with removeAll', async () => {
      const writer = await destination.create('a/1');
      await writer.write(Buffer.from('one'));
      await destination.removeAll('a');
      await writer.abort();
      expect(await names(destination)).toEqual([]);
    });

    it('appends to an object that is visible at once', async ({ skip }) => {
      if (!destination.can.append) skip('it cannot append');
      const appender = await destination.openAppend('a/log');
      expect(await destination.size('a/log')).toBe(0);
      await appender.append(Buffer.from('one '));
      expect(appender.sizeBytes).toBe(4);
      expect(Buffer.from(await destination.get('a/log')).toString()).toBe('one ');
      await appender.append(Buffer.from('two'));
      expect(appender.sizeBytes).toBe(7);
      await appender.close();
      await appender.close();
      expect(Buffer.from(await destination.get('a/log')).toString()).toBe('one two');
      await expect(destination.openAppend('a/log')).rejects.toThrowError(TAKEN);
    });

    it('makes durable what is there, while it grows too, and refuses what is not', async () => {
      await destination.put('a/x', Buffer.from('whole'));
      await destination.sync('a/x');
      expect(Buffer.from(await destination.get('a/x')).toString()).toBe('whole');
      await expect(destination.sync('a/y')).rejects.toThrowError(MISSING);
      if (!destination.can.append) return;
      const appender = await destination.openAppend('a/log');
      await appender.append(Buffer.from('one'));
      await destination.sync('a/log');
      await appender.append(Buffer.from(' two'));
      await appender.close();
      expect(Buffer.from(await destination.get('a/log')).toString()).toBe('one two');
    });

    it.each([
      '',
      '/x',
      '../x',
      'a/../x',
      'a//x',
      'a/',
      './x',
      '.tmp-x',
      'a/.x',
      'x y',
      'x\n',
      'x\0',
      'ü',
      'x'.repeat(300),
    ])('refuses the name %j', async (bad) => {
      await expect(destination.get(bad)).rejects.toThrowError('is an object name');
      await expect(destination.put(bad, new Uint8Array(1))).rejects.toThrowError('is an object name');
      await expect(destination.remove(bad)).rejects.toThrowError('is an object name');
    });
  });
}
