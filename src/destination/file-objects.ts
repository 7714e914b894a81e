// Open objects of a file destination: one being written, one being appended to, one being read.
import type { FileHandle } from 'node:fs/promises';
import { rm } from 'node:fs/promises';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { GIB, MIB } from '../base/limits.ts';
import type { ObjectAppender, ObjectReader, ObjectWriter } from './destination.ts';

/** Written bytes after which the kernel is asked to store them, so that the final fsync of a large object is short. */
const BACKGROUND_SYNC_BYTES = 32 * MIB;

/** One read stands in memory whole; larger objects are read in ranges. */
const READ_BYTES_MAX = 1 * GIB;

/** Writes all bytes at the end of what was written so far; the kernel may take fewer at a time. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, null);
    assert(bytesWritten > 0, 'a write takes bytes or fails');
    done += bytesWritten;
  }
}

/**
 * @param of.into where the bytes go; memory of their own when absent
 * @throws BACKUP_DATA_CORRUPT when the object is shorter than asked
 */
export async function readExactly(
  handle: FileHandle,
  of: { name: string; offset: number; length: number; into?: Uint8Array | undefined },
): Promise<Uint8Array> {
  const { name, offset, length, into } = of;
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  assert(valid, 'a range has an offset and a length');
  if (length > READ_BYTES_MAX)
    throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `${length} bytes are too many to read at once` });
  const bytes = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
  assert(bytes.length === length, 'there is room for the range');
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0)
      throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `it ends before byte ${offset + length}` });
    done += bytesRead;
  }
  return bytes;
}

type MapError = (error: unknown) => unknown;

export class FileWriter implements ObjectWriter {
  readonly #handle: FileHandle;
  readonly #temporary: string;
  readonly #publish: () => Promise<void>;
  readonly #map: MapError;
  #state: 'open' | 'broken' | 'ended' = 'open';
  #isHandleOpen = true;
  #unsyncedBytes = 0;
  #backgroundSync: Promise<unknown> | undefined;

  constructor(handle: FileHandle, of: { temporary: string; publish: () => Promise<void>; map: MapError }) {
    this.#handle = handle;
    this.#temporary = of.temporary;
    this.#publish = of.publish;
    this.#map = of.map;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#doing(async () => {
      await writeAll(this.#handle, bytes);
      this.#unsyncedBytes += bytes.length;
      if (this.#unsyncedBytes >= BACKGROUND_SYNC_BYTES && this.#backgroundSync === undefined) this.#syncBehind();
    });
  }

  finish(): Promise<void> {
    return this.#doing(async () => {
      await this.#joinBackgroundSync();
      await this.#handle.sync();
      await this.#closeHandle();
      await this.#publish();
      this.#state = 'ended';
    });
  }

  async abort(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    // Its result no longer matters, but the handle must stay open until it is over.
    await this.#backgroundSync;
    await this.#closeHandle();
    await rm(this.#temporary, { force: true });
  }

  /** Starts an fdatasync beside the writing. Its failure is kept: the kernel reports a lost write only once. */
  #syncBehind(): void {
    this.#unsyncedBytes = 0;
    this.#backgroundSync = this.#handle.datasync().then(
      () => {
        this.#backgroundSync = undefined;
      },
      (error: unknown) => error,
    );
  }

  async #joinBackgroundSync(): Promise<void> {
    const error = await this.#backgroundSync;
    if (error !== undefined) throw error;
  }

  async #closeHandle(): Promise<void> {
    if (!this.#isHandleOpen) return;
    this.#isHandleOpen = false;
    await this.#handle.close();
  }

  async #doing(work: () => Promise<void>): Promise<void> {
    assert(this.#state === 'open', 'an object is written only while it is open and whole');
    try {
      await work();
    } catch (error) {
      this.#state = 'broken';
      throw this.#map(error);
    }
  }
}

export class FileAppender implements ObjectAppender {
  readonly #handle: FileHandle;
  readonly #map: MapError;
  #sizeBytes = 0;
  #state: 'open' | 'appending' | 'broken' | 'closed' = 'open';

  constructor(handle: FileHandle, map: MapError) {
    this.#handle = handle;
    this.#map = map;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    assert(this.#state === 'open', `an object is appended to one at a time and while it is whole, not ${this.#state}`);
    this.#state = 'appending';
    try {
      await writeAll(this.#handle, bytes);
      await this.#handle.datasync();
      this.#sizeBytes += bytes.length;
      this.#state = 'open';
    } catch (error) {
      // What reached the disk is unknown, and a later fsync would not tell: never write behind such a hole.
      this.#state = 'broken';
      throw this.#map(error);
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    await this.#handle.close();
  }
}

export class FileReader implements ObjectReader {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #name: string;
  readonly #map: MapError;
  #isOpen = true;

  constructor(handle: FileHandle, of: { name: string; sizeBytes: number }, map: MapError) {
    this.#handle = handle;
    this.#name = of.name;
    this.sizeBytes = of.sizeBytes;
    this.#map = map;
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    assert(this.#isOpen, 'an object is read while it is open');
    try {
      return await readExactly(this.#handle, { name: this.#name, offset, length, into });
    } catch (error) {
      throw this.#map(error);
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close();
  }
}
