// Destination in memory, for simulations and tests: same contract, objects found by an id within this process.
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { type DestinationUri, formatObject } from '../model/destination-uri.ts';
import type {
  Destination,
  DestinationCan,
  DestinationSpec,
  ObjectAppender,
  ObjectInfo,
  ObjectReader,
  ObjectWriter,
} from './destination.ts';
import { lockEndText } from './locks.ts';
import { checkObjectName, checkPrefix } from './object-name.ts';

/** A bucket that locks what is put into it, and in which a name is spent for ever. */
export interface MemoryLocks {
  clock: Pick<Clock, 'nowNs'>;
  /** How long an object is locked. */
  retainMs: number;
}

/** What lies at a memory destination: survives the closing of it, as a disk does. */
interface Kept {
  objects: Map<string, Uint8Array>;
  locks: MemoryLocks | undefined;
  lockedUntilNs: Map<string, bigint>;
}

const stores = new Map<string, Kept>();
const NS_PER_MS = 1_000_000;

/** Forgets everything of a memory destination. */
export function dropMemoryDestination(id: string): void {
  stores.delete(id);
}

export class MemoryDestination implements Destination {
  readonly uri: DestinationUri;
  readonly can: DestinationCan;
  readonly spec: DestinationSpec;
  readonly #kept: Kept;

  /**
   * @param options.append false to behave like an object store
   * @param options.worm locks objects; what the first to open the destination says holds for all who open it
   * @param options.tagsRemoved removing leaves an object where it is
   */
  constructor(id: string, options: { append?: boolean; worm?: MemoryLocks; tagsRemoved?: boolean } = {}) {
    this.uri = { scheme: 'file', path: `/memory/${id}`, options: {} };
    this.can = { append: options.append ?? true, tagsRemoved: options.tagsRemoved ?? false };
    this.#kept = stores.get(id) ?? { objects: new Map(), locks: options.worm, lockedUntilNs: new Map() };
    stores.set(id, this.#kept);
    this.spec = { kind: 'memory', id, retainMs: this.#kept.locks?.retainMs };
  }

  get #objects(): Map<string, Uint8Array> {
    return this.#kept.objects;
  }

  async lockedUntilNs(name: string): Promise<bigint | undefined> {
    const untilNs = this.#objects.has(name) ? this.#kept.lockedUntilNs.get(name) : undefined;
    return untilNs !== undefined && untilNs > this.#kept.locks!.clock.nowNs() ? untilNs : undefined;
  }

  async extendLock(name: string): Promise<void> {
    const { locks } = this.#kept;
    if (locks && this.#objects.has(name)) this.#lock(name, locks);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#add(name, bytes);
  }

  async get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    const bytes = this.#find(name);
    return sliceOf(name, bytes, range ?? { offset: 0, length: bytes.length });
  }

  async openRead(name: string): Promise<ObjectReader> {
    const bytes = this.#find(name);
    return {
      sizeBytes: bytes.length,
      read: async (offset, length) => sliceOf(name, bytes, { offset, length }),
      close: async () => {},
    };
  }

  async sync(name: string): Promise<void> {
    this.#find(name);
  }

  async size(name: string): Promise<number | undefined> {
    checkObjectName(name);
    return this.#objects.get(name)?.length;
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    const directory = checkPrefix(prefix);
    return [...this.#objects]
      .filter(([name]) => isBelow(name, directory))
      .map(([name, bytes]) => ({ name, sizeBytes: bytes.length }));
  }

  async remove(name: string): Promise<void> {
    checkObjectName(name);
    const untilNs = await this.lockedUntilNs(name);
    if (untilNs !== undefined)
      throw fail('OBJECT_LOCKED_BY_WORM', { object: formatObject(this.uri, name), until: lockEndText(untilNs) });
    if (!this.can.tagsRemoved) this.#objects.delete(name);
  }

  async removeAll(prefix: string, keep?: ReadonlySet<string>): Promise<void> {
    const directory = checkPrefix(prefix);
    for (const name of [...this.#objects.keys()])
      if ((isBelow(name, directory) || name === directory) && !keep?.has(name)) await this.remove(name);
  }

  async create(name: string): Promise<ObjectWriter> {
    checkObjectName(name);
    if (this.#objects.has(name)) throw this.#taken(name);
    const parts: Uint8Array[] = [];
    let isOpen = true;
    return {
      write: async (bytes) => {
        assert(isOpen, 'an object is written while it is open');
        // A copy: `slice` of a Buffer is none.
        parts.push(new Uint8Array(bytes));
      },
      finish: async () => {
        assert(isOpen, 'an object is finished once');
        isOpen = false;
        this.#add(name, Buffer.concat(parts));
      },
      abort: async () => {
        isOpen = false;
      },
    };
  }

  async openAppend(name: string): Promise<ObjectAppender> {
    assert(this.can.append, 'the destination can append');
    this.#add(name, new Uint8Array(0));
    let sizeBytes = 0;
    let isOpen = true;
    return {
      get sizeBytes() {
        return sizeBytes;
      },
      append: async (bytes) => {
        assert(isOpen, 'an object is appended to while it is open');
        this.#objects.set(name, new Uint8Array(Buffer.concat([this.#find(name), bytes])));
        sizeBytes += bytes.length;
      },
      close: async () => {
        isOpen = false;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #taken(name: string): Error {
    return fail('ENTRY_EXISTS', { what: formatObject(this.uri, name) });
  }

  #add(name: string, bytes: Uint8Array): void {
    checkObjectName(name);
    const { locks, lockedUntilNs } = this.#kept;
    // Code that would write a name again after it was removed would write over what a bucket with versions still holds.
    assert(!locks || this.#objects.has(name) || !lockedUntilNs.has(name), `the name ${name} is written once`);
    if (this.#objects.has(name)) throw this.#taken(name);
    if (locks) this.#lock(name, locks);
    this.#objects.set(name, new Uint8Array(bytes));
  }

  #lock(name: string, { clock, retainMs }: MemoryLocks): void {
    const untilNs = clock.nowNs() + BigInt(retainMs * NS_PER_MS);
    const beforeNs = this.#kept.lockedUntilNs.get(name) ?? 0n;
    this.#kept.lockedUntilNs.set(name, untilNs > beforeNs ? untilNs : beforeNs);
  }

  #find(name: string): Uint8Array {
    checkObjectName(name);
    const bytes = this.#objects.get(name);
    if (!bytes) throw fail('BACKUP_FILE_NOT_EXIST', { file: formatObject(this.uri, name) });
    return bytes;
  }
}

function isBelow(name: string, directory: string): boolean {
  return directory === '' || name.startsWith(`${directory}/`);
}

function sliceOf(name: string, bytes: Uint8Array, { offset, length }: { offset: number; length: number }): Uint8Array {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  assert(valid, 'a range has an offset and a length');
  if (offset + length > bytes.length)
    throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `it ends before byte ${offset + length}` });
  return bytes.slice(offset, offset + length);
}
