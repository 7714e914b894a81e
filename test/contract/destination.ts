// Goal: every destination keeps the same promises. Method: one suite of sentences, run against each kind.
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KIB, MIB } from '../../src/base/limits.ts';
import type { Destination } from '../../src/destination/destination.ts';
import { isLocalSpec } from '../../src/destination/open-destination.ts';
import { killWriter } from './kill-writer.ts';

export interface DestinationFixture {
  /** Opens the same, at first empty, destination each time. */
  open(): Destination;
  cleanUp(): Promise<void>;
  /** Whatever lies there: objects, and what listings do not show, as temporary files and parts. */
  residue?(): Promise<string[]>;
  /** The same place for somebody who may neither read nor write there. */
  openDenied?(): Destination;
  /** A place that nothing answers from. */
  openAway?(): Destination;
  /** A place without room for `FULL_BYTES`. */
  openFull?(): Destination;
  /** What no error may show. */
  secrets?: string[];
  /**
   * False where the store does not heed "only if there is none" at the end of an upload in parts: of writers that end at
   * the same moment more than one may be told that it has the name. Names are never shared: each attempt has its own.
   */
  isAtomicInParts?: boolean;
  /** Answers get lost: what was begun may be unknown to whoever began it, until everything there is removed. */
  losesAnswers?: boolean;
}

/** What has no room at a destination that is full. */
export const FULL_BYTES = 4 * MIB;
/** Objects are streamed and read in pieces of a size that divides no part. */
const PIECE_BYTES = 1000 * KIB + 1;
const LARGE_BYTES = 64 * MIB;
/** Several pages of a store that lists few at once. */
const CROWD = 130;
const CROWD_PUTS_AT_ONCE = 24;

const named = (errorName: string) => expect.objectContaining({ errorName });
const MISSING = named('BACKUP_FILE_NOT_EXIST');
const TAKEN = named('ENTRY_EXISTS');
const CORRUPT = named('BACKUP_DATA_CORRUPT');
const names = async (destination: Destination, prefix = '') =>
  (await destination.list(prefix)).map((object) => object.name).sort();

/** Streams an object in pieces. */
async function stream(destination: Destination, name: string, bytes: Uint8Array): Promise<void> {
  const writer = await destination.create(name);
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) await writer.write(bytes.subarray(at, at + PIECE_BYTES));
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Reads an object in pieces, several at once. */
async function readInPieces(destination: Destination, name: string): Promise<Buffer> {
  const reader = await destination.openRead(name);
  const pieces: Promise<Uint8Array>[] = [];
  for (let at = 0; at < reader.sizeBytes; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, reader.sizeBytes - at);
    // Every other piece into memory that is handed in.
    const into = pieces.length % 2 === 0 ? { into: Buffer.alloc(length) } : {};
    pieces.push(reader.read(at, length, into.into));
  }
  const bytes = Buffer.concat(await Promise.all(pieces));
  await reader.close();
  return bytes;
}

/** Every call that a destination without an answer refuses. */
const CALLS: ReadonlyArray<[name: string, call: (destination: Destination) => Promise<unknown>]> = [
  ['put', (destination) => destination.put('a/b', new Uint8Array(1))],
  ['stream', (destination) => stream(destination, 'a/b', new Uint8Array(1))],
  ['get', (destination) => destination.get('a/b')],
  ['openRead', (destination) => destination.openRead('a/b')],
  ['sync', (destination) => destination.sync('a/b')],
  ['size', (destination) => destination.size('a/b')],
  ['list', (destination) => destination.list('')],
  ['remove', (destination) => destination.remove('a/b')],
  ['removeAll', (destination) => destination.removeAll('a')],
];

/**
 * Runs the contract of `Destination` against one kind of it.
 * @param of.partBytes what the destination sends at once of a long object
 */
export function testDestination(
  name: string,
  makeFixture: () => Promise<DestinationFixture>,
  { partBytes = 8 * MIB }: { partBytes?: number } = {},
): void {
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

    /** The error of work that must fail, which shows no secret. */
    async function failureOf(work: Promise<unknown>): Promise<unknown> {
      const error = await work.then(
        () => 'nothing failed',
        (reason: unknown) => reason,
      );
      const shown = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
      expect((fixture.secrets ?? []).filter((secret) => shown.includes(secret))).toEqual([]);
      return error;
    }

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

    it.each([0, 1, partBytes - 1, partBytes, partBytes + 1, LARGE_BYTES])(
      'keeps a stream of %i bytes',
      async (size) => {
        const bytes = randomBytes(size);
        await stream(destination, 'set/pack', bytes);
        await using other = fixture.open();
        expect(await other.size('set/pack')).toBe(size);
        expect(await other.list('set')).toEqual([{ name: 'set/pack', sizeBytes: size }]);
        expect(bytes.equals(await other.get('set/pack'))).toBe(true);
        expect(bytes.equals(await readInPieces(other, 'set/pack'))).toBe(true);
        if (size === 0) return;
        const offset = Math.max(0, partBytes - 10) % size;
        const length = Math.min(20, size - offset);
        const edge = await other.get('set/pack', { offset, length });
        expect(bytes.subarray(offset, offset + length).equals(edge)).toBe(true);
      },
    );

    it.each([1, partBytes + 1])('keeps a put of %i bytes', async (size) => {
      const bytes = randomBytes(size);
      await destination.put('set/pack', bytes);
      expect(bytes.equals(await destination.get('set/pack'))).toBe(true);
    });

    it('takes names of every allowed character, and lists them as they are', async () => {
      const all = [
        'ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz/0123456789',
        '-a/_b/c.d_e-f/g..',
        `${'x'.repeat(200)}/${'y'.repeat(200)}/${'z'.repeat(110)}`,
        'a/b',
        'a/b-c',
        'a/b.c',
        'a/B',
      ];
      for (const object of all) await destination.put(object, Buffer.from(object));
      expect(await names(destination)).toEqual([...all].sort());
      for (const object of all) expect(Buffer.from(await destination.get(object)).toString()).toBe(object);
      expect(await names(destination, 'a')).toEqual(['a/B', 'a/b', 'a/b-c', 'a/b.c']);
      expect(await names(destination, 'a/b')).toEqual([]);
      for (const object of all) await destination.remove(object);
      expect(await names(destination)).toEqual([]);
    });

    it('lists and removes many objects', async () => {
      const all = Array.from({ length: CROWD }, (_, i) => `crowd/${String(i).padStart(5, '0')}`);
      for (let at = 0; at < all.length; at += CROWD_PUTS_AT_ONCE)
        await Promise.all(
          all.slice(at, at + CROWD_PUTS_AT_ONCE).map((object) => destination.put(object, Buffer.from('x'))),
        );
      await destination.put('beside', new Uint8Array(1));
      expect(await names(destination, 'crowd')).toEqual(all);
      await destination.removeAll('crowd', new Set([all.at(-5)!]));
      expect(await names(destination)).toEqual(['beside', all.at(-5)]);
    });

    it.each([100, partBytes + 1])('lets exactly one of many streams of %i bytes and one name win', async (size) => {
      const contents = Array.from({ length: 8 }, () => randomBytes(size));
      const results = await Promise.allSettled(contents.map((bytes) => stream(destination, 'a/1', bytes)));
      const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []));
      if (size <= partBytes || (fixture.isAtomicInParts ?? true)) expect(won).toHaveLength(1);
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toEqual(TAKEN);
      const there = await destination.get('a/1');
      expect(won.filter((i) => contents[i]!.equals(there))).toHaveLength(1);
      if (fixture.losesAnswers) await destination.removeAll('a', new Set(['a/1']));
      if (fixture.residue) expect(await fixture.residue()).toEqual(['a/1']);
    });

    it('never gives a reader bytes of an object that took the place of its own', async () => {
      await destination.put('a/1', Buffer.from('before'));
      const reader = await destination.openRead('a/1');
      await destination.remove('a/1');
      await destination.put('a/1', Buffer.from('behind'));
      const read = await reader.read(0, 6).then(
        (bytes) => Buffer.from(bytes).toString(),
        (error: { errorName: string }) => error.errorName,
      );
      expect(['before', 'BACKUP_FILE_NOT_EXIST', 'BACKUP_DATA_CORRUPT']).toContain(read);
      await reader.close();
    });

    it('leaves nothing behind an aborted stream of several parts, nor behind removeAll', async ({ skip }) => {
      if (!fixture.residue) skip('nothing can be hidden there');
      const aborted = await destination.create('a/1');
      const left = await destination.create('a/2');
      for (const writer of [aborted, left])
        for (let part = 0; part < 3; part++) await writer.write(randomBytes(partBytes));
      await aborted.abort();
      await destination.put('b', new Uint8Array(1));
      await destination.removeAll('a');
      expect(await fixture.residue!()).toEqual(['b']);
      await left.abort();
      expect(await fixture.residue!()).toEqual(['b']);
    });

    it('shows nothing half of a writer that was killed, and clears what it left', async ({ skip }) => {
      if (isLocalSpec(destination.spec)) skip('it is in this process only');
      await killWriter(destination.spec, { mode: 'stream', bytes: 3 * partBytes });
      expect(await names(destination)).toEqual([]);
      expect(await destination.size('killed/stream')).toBeUndefined();
      await stream(destination, 'killed/stream', Buffer.from('whole'));
      expect(Buffer.from(await destination.get('killed/stream')).toString()).toBe('whole');
      await killWriter(destination.spec, { mode: 'puts', bytes: MIB });
      const put = await destination.list('killed/puts');
      expect(put.length).toBeGreaterThan(0);
      for (const { name: object, sizeBytes } of put) {
        expect(sizeBytes).toBe(MIB);
        const bytes = Buffer.from(await destination.get(object));
        expect([object, bytes.every((byte) => byte === bytes[0])]).toEqual([object, true]);
      }
      await destination.removeAll('killed');
      expect(await names(destination)).toEqual([]);
      if (fixture.residue) expect(await fixture.residue()).toEqual([]);
    });

    it('says of each call that it is not allowed, and does nothing', async ({ skip }) => {
      if (!fixture.openDenied) skip('whoever runs the tests may do everything there');
      await destination.put('a/b', Buffer.from('kept'));
      await using denied = fixture.openDenied!();
      const failures = await Promise.all(CALLS.map(async ([what, call]) => [what, await failureOf(call(denied))]));
      expect(failures).toEqual(CALLS.map(([what]) => [what, named('BACKUP_PERMISSION_DENIED')]));
      expect(Buffer.from(await destination.get('a/b')).toString()).toBe('kept');
    });

    it('says of each call that nothing is there to answer', async ({ skip }) => {
      if (!fixture.openAway) skip('it is never away');
      await using away = fixture.openAway!();
      // At once: each takes as long as its tries do.
      const failures = await Promise.all(CALLS.map(async ([what, call]) => [what, await failureOf(call(away))]));
      expect(failures).toEqual(CALLS.map(([what]) => [what, named('BACKUP_DEST_NOT_CONNECT')]));
    });

    it('says that there is no room, and leaves nothing', async ({ skip }) => {
      if (!fixture.openFull) skip('it is never full');
      await using full = fixture.openFull!();
      const bytes = randomBytes(FULL_BYTES);
      const fails = named('BACKUP_DEVICE_OUT_OF_SPACE');
      expect(await failureOf(full.put('a/1', bytes))).toEqual(fails);
      expect(await failureOf(stream(full, 'a/2', Buffer.concat(Array(8).fill(bytes))))).toEqual(fails);
      expect(await names(full)).toEqual([]);
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
