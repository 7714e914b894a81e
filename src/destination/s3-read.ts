// Reading objects of an object store: ranges, large ones in parallel, all of one reading from the same object.
import type { Readable } from 'node:stream';
import { assert } from '../base/assert.ts';
import { fail, isFailure } from '../base/errors.ts';
import { GIB, KIB, MIB } from '../base/limits.ts';
import type { ObjectReader } from './destination.ts';
import type { S3Calls } from './s3-calls.ts';
import { BodyMismatch, isBehindEnd, isMissing, isPreconditionFailed } from './s3-errors.ts';

/** One request of a large read: long enough that its answer's delay is small beside it, and few enough fill a connection each. */
const PIECE_BYTES = 4 * MIB;
/** What opening an object brings along: its size, and the header that is asked for next. */
const OPENING_BYTES = 16 * KIB;
/** First request of a whole object: most are smaller, and then it is the only one. */
const FIRST_BYTES = 1 * MIB;
/** One read stands in memory whole; larger objects are read in ranges. */
const READ_BYTES_MAX = 1 * GIB;
/** Memory for what was asked for ahead of its reading, of one object. */
const AHEAD_BYTES_MAX = 32 * MIB;
const READ_RIGHT = 's3:GetObject';

interface Range {
  offset: number;
  length: number;
}

interface Found {
  /** Size of the whole object. */
  sizeBytes: number;
  /** Tells this object from any other that has its name later. */
  etag: string | undefined;
}

const isRange = ({ offset, length }: Range) =>
  Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;

const endsBefore = (object: string, { offset, length }: Range) =>
  fail('BACKUP_DATA_CORRUPT', { object, because: `it ends before byte ${offset + length}` });

function checkReadable(object: string, length: number): void {
  if (length <= READ_BYTES_MAX) return;
  throw fail('BACKUP_DATA_CORRUPT', { object, because: `${length} bytes are too many to read at once` });
}

/** Reads exactly what `into` has room for. */
function readBody(body: Readable, into: Uint8Array, object: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let filled = 0;
    body.on('data', (chunk: Uint8Array) => {
      if (filled + chunk.length > into.length) {
        body.destroy();
        reject(new BodyMismatch(object, 'the store sent more than was asked for'));
        return;
      }
      into.set(chunk, filled);
      filled += chunk.length;
    });
    const end = () => {
      if (filled === into.length) resolve();
      else reject(new BodyMismatch(object, `the store sent ${filled} of ${into.length} bytes`));
    };
    body.once('end', end);
    body.once('error', reject);
    body.once('close', end);
  });
}

/**
 * One request for at most `into.length` bytes.
 * @param of.etag of the object that is meant
 * @returns what was found, and how many bytes it gave: fewer than asked only at its end
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) for one that begins after the end or is another object
 */
async function readPiece(
  calls: S3Calls,
  of: { name: string; offset: number; into: Uint8Array; etag?: string | undefined; signal?: AbortSignal },
): Promise<Found & { length: number }> {
  const { name, offset, into, etag, signal } = of;
  const object = calls.showObject(name);
  const range = { offset, length: into.length };
  assert(into.length > 0, 'a request asks for bytes');
  const input = {
    ...{ ...calls.bucket, Key: calls.key(name), Range: `bytes=${offset}-${offset + into.length - 1}` },
    ...(etag === undefined ? {} : { IfMatch: etag }),
  };
  try {
    return await calls.call(
      async (s3, options) => {
        const { Body, ContentRange, ContentLength, ETag } = await s3.getObject(input, options);
        const body = Body as Readable;
        const [, from, sizeText] = /^bytes (\d+)-\d+\/(\d+)$/.exec(ContentRange ?? '') ?? [];
        // A store that has no ranges answers with everything; of a small object that is the same.
        const isWhole = sizeText === undefined && offset === 0;
        const sizeBytes = isWhole ? Number(ContentLength) : Number(sizeText);
        const length = Math.min(into.length, sizeBytes - offset);
        const isAsked = isWhole ? sizeBytes <= into.length : Number(from) === offset && length > 0;
        if (!isAsked || ContentLength !== length) {
          body.destroy();
          throw new BodyMismatch(object, `the store sent another range than ${offset} + ${into.length}`);
        }
        await readBody(body, into.subarray(0, length), object);
        return { sizeBytes, etag: ETag, length };
      },
      {
        ...{ what: `read ${name}`, right: READ_RIGHT, bytes: into.length, signal },
        expected: (error) => isMissing(error) || isBehindEnd(error) || isPreconditionFailed(error),
      },
    );
  } catch (error) {
    if (isMissing(error)) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
    if (isBehindEnd(error)) throw endsBefore(object, range);
    if (isPreconditionFailed(error))
      throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it was replaced while it was read' });
    throw error;
  }
}

/** Pieces of a range, in parallel. @param into as long as the range */
async function readRange(
  calls: S3Calls,
  of: { name: string; offset: number; into: Uint8Array; etag: string | undefined; signal?: AbortSignal },
): Promise<void> {
  const { offset, into } = of;
  const pieces: Promise<void>[] = [];
  for (let at = 0; at < into.length; at += PIECE_BYTES) {
    const piece = into.subarray(at, at + PIECE_BYTES);
    const read = async () => {
      const { length } = await readPiece(calls, { ...of, offset: offset + at, into: piece });
      if (length < piece.length) throw endsBefore(calls.showObject(of.name), { offset, length: into.length });
    };
    pieces.push(read());
  }
  // Nobody writes into the caller's memory any more when the first failure is told.
  await Promise.allSettled(pieces);
  await Promise.all(pieces);
}

/** The beginning of an object; an empty one has none that could be asked for. */
async function readFirst(
  calls: S3Calls,
  name: string,
  into: Buffer,
  sizeOf: SizeOf,
): Promise<Found & { first: Buffer }> {
  try {
    const { length, ...found } = await readPiece(calls, { name, offset: 0, into });
    return { ...found, first: into.subarray(0, length) };
  } catch (error) {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') || (await sizeOf(name)) !== 0) throw error;
    return { sizeBytes: 0, etag: undefined, first: into.subarray(0, 0) };
  }
}

type SizeOf = (name: string) => Promise<number | undefined>;

/** @see Destination.get */
export async function getObject(
  calls: S3Calls,
  name: string,
  range: Range | undefined,
  sizeOf: SizeOf,
): Promise<Uint8Array> {
  const object = calls.showObject(name);
  if (!range) {
    const { first, sizeBytes, etag } = await readFirst(calls, name, Buffer.allocUnsafeSlow(FIRST_BYTES), sizeOf);
    if (first.length === sizeBytes) return new Uint8Array(first);
    checkReadable(object, sizeBytes);
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    bytes.set(first);
    await readRange(calls, { name, offset: first.length, into: bytes.subarray(first.length), etag });
    return bytes;
  }
  assert(isRange(range), 'a range has an offset and a length');
  const { offset, length } = range;
  checkReadable(object, length);
  if (length === 0) {
    const sizeBytes = await sizeOf(name);
    if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
    if (offset > sizeBytes) throw endsBefore(object, range);
    return new Uint8Array(0);
  }
  const bytes = Buffer.allocUnsafeSlow(length);
  const first = bytes.subarray(0, PIECE_BYTES);
  const { length: got, etag } = await readPiece(calls, { name, offset, into: first });
  if (got < first.length) throw endsBefore(object, range);
  await readRange(calls, { name, offset: offset + got, into: bytes.subarray(got), etag });
  return bytes;
}

/** A range that was asked for ahead of its reading. */
interface Ahead extends Range {
  /** A whole piece; only the beginning of it may be in use. */
  memory: Buffer;
  whenRead: Promise<void>;
  /** Reads that copy out of it. */
  users: number;
}

/** @see Destination.openRead */
export async function openObject(calls: S3Calls, name: string, sizeOf: SizeOf): Promise<ObjectReader> {
  return new S3Reader(calls, name, await readFirst(calls, name, Buffer.allocUnsafeSlow(OPENING_BYTES), sizeOf));
}

class S3Reader implements ObjectReader {
  readonly sizeBytes: number;
  readonly #calls: S3Calls;
  readonly #name: string;
  readonly #etag: string | undefined;
  readonly #first: Buffer;
  readonly #closing = new AbortController();
  /** Not yet read to their ends, ascending as they were asked for. */
  #ahead: Ahead[] = [];
  /** Memory of pieces that were read to their ends: new one would cost a page fault per 4 KiB. */
  readonly #free: Buffer[] = [];

  constructor(calls: S3Calls, name: string, { sizeBytes, etag, first }: Found & { first: Buffer }) {
    this.#calls = calls;
    this.#name = name;
    this.sizeBytes = sizeBytes;
    this.#etag = etag;
    this.#first = first;
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const range = { offset, length };
    assert(!this.#closing.signal.aborted, 'an object is read while it is open');
    assert(isRange(range), 'a range has an offset and a length');
    const object = this.#calls.showObject(this.#name);
    checkReadable(object, length);
    if (offset + length > this.sizeBytes) throw endsBefore(object, range);
    const bytes = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    assert(bytes.length === length, 'there is room for the range');
    if (offset + length <= this.#first.length) bytes.set(this.#first.subarray(offset, offset + length));
    else if (!(await this.#takeAhead(range, bytes))) await this.#readInto(offset, bytes);
    return bytes;
  }

  willRead(offset: number, length: number): void {
    const held = this.#ahead.reduce((sum, ahead) => sum + ahead.length, 0);
    const isAsked = this.#ahead.some((ahead) => ahead.offset < offset + length && ahead.offset + ahead.length > offset);
    if (isAsked || held + length > AHEAD_BYTES_MAX || offset + length > this.sizeBytes) return;
    for (let at = 0; at < length; at += PIECE_BYTES) {
      const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
      const bytes = memory.subarray(0, Math.min(PIECE_BYTES, length - at));
      const whenRead = this.#readInto(offset + at, bytes);
      // Whoever reads it hears of its failure; until then it is not "unhandled".
      whenRead.catch(() => {});
      this.#ahead.push({ offset: offset + at, length: bytes.length, memory, whenRead, users: 0 });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const reads = this.#ahead.map(({ whenRead }) => whenRead);
    this.#ahead = [];
    await Promise.allSettled(reads);
  }

  #readInto(offset: number, into: Uint8Array): Promise<void> {
    const signal = this.#closing.signal;
    return readRange(this.#calls, { name: this.#name, offset, into, etag: this.#etag, signal });
  }

  /** Copies a range out of what was asked for ahead; one that was read to its end is let go. @returns whether it was there */
  async #takeAhead({ offset, length }: Range, into: Uint8Array): Promise<boolean> {
    const end = offset + length;
    const parts = this.#ahead.filter((ahead) => ahead.offset < end && ahead.offset + ahead.length > offset);
    const covered = parts.reduce(
      (sum, ahead) => sum + Math.min(end, ahead.offset + ahead.length) - Math.max(offset, ahead.offset),
      0,
    );
    if (covered !== length || length === 0) return false;
    for (const part of parts) part.users++;
    try {
      for (const part of parts) {
        await part.whenRead;
        const from = Math.max(offset, part.offset);
        const to = Math.min(end, part.offset + part.length);
        into.set(part.memory.subarray(from - part.offset, to - part.offset), from - offset);
      }
      return true;
    } finally {
      for (const part of parts) this.#leave(part, end);
    }
  }

  /** A piece is let go when it was read to its end, and nobody copies out of it any more. */
  #leave(part: Ahead, readTo: number): void {
    part.users--;
    if (readTo >= part.offset + part.length) this.#ahead = this.#ahead.filter((other) => other !== part);
    if (part.users === 0 && !this.#ahead.includes(part)) this.#free.push(part.memory);
  }
}
