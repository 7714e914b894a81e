// Destination in an object store that speaks S3: s3://, and oss://, cos:// by their S3 interface.
import { assert } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { limitsOf } from '../model/destination-options.ts';
import type { ObjectStoreUri } from '../model/destination-uri.ts';
import type {
  Destination,
  DestinationCan,
  DestinationSpec,
  ObjectAppender,
  ObjectInfo,
  ObjectReader,
  ObjectWriter,
} from './destination.ts';
import { checkObjectName, checkPrefix } from './object-name.ts';
import { S3Calls } from './s3-calls.ts';
import { hasConditionalWrites, type ReadAccess } from './s3-client.ts';
import { checkBucket, listObjects, lockObject, statObject } from './s3-objects.ts';
import { getObject, openObject } from './s3-read.ts';
import { type RemoveMode, removeObject, removeObjects, sweepUploads } from './s3-remove.ts';
import { putObject, S3Writer, type WriteFacts } from './s3-upload.ts';

const NS_PER_MS = 1_000_000n;
const NONE: ReadonlySet<string> = new Set();

export class S3Destination implements Destination {
  readonly uri: ObjectStoreUri;
  readonly can: DestinationCan;
  readonly #calls: S3Calls;
  readonly #clock: Clock;
  readonly #writing: WriteFacts;
  readonly #removing: RemoveMode;
  readonly #retainMs: () => number | undefined;
  /** The bucket is there. */
  #isReached = false;

  /**
   * @param uri with the access key; without one the environment or the role of the machine gives it
   * @param options.access the key as it is at each request; left out: that of the uri
   * @param options.retainMs how long objects are locked from when they are written, as it is at each write; without
   *        `enable_worm=true` they are not
   */
  constructor(
    uri: ObjectStoreUri,
    options: { retainMs?: () => number | undefined; clock?: Clock; access?: ReadAccess | undefined } = {},
  ) {
    const { retainMs = () => undefined, clock = systemClock, access } = options;
    const { delete_mode: deleteMode, enable_worm: worm, checksum_type: checksumType = 'md5' } = uri.options;
    const isLocking = worm === 'true';
    this.uri = uri;
    this.#retainMs = isLocking ? retainMs : () => undefined;
    this.can = { append: false, tagsRemoved: deleteMode === 'tagging' };
    this.#clock = clock;
    this.#calls = new S3Calls(uri, access);
    this.#removing = deleteMode === 'tagging' ? 'tag' : isLocking ? 'deleteVersions' : 'delete';
    const checksum = checksumType as WriteFacts['checksum'];
    this.#writing = {
      // A store takes an object with a lock only with a checksum.
      checksum: isLocking && checksum === 'no_checksum' ? 'md5' : checksum,
      isConditional: hasConditionalWrites(uri),
      hasNoConditions: false,
      lockUntil: () => {
        const lockMs = this.#retainMs();
        return lockMs === undefined ? undefined : new Date(this.#nowMs() + lockMs);
      },
    };
  }

  async extendLock(name: string): Promise<void> {
    checkObjectName(name);
    const until = this.#writing.lockUntil();
    const found = until && (await statObject(this.#calls, name));
    if (found && (found.lockedUntilMs ?? 0) < until.getTime()) await lockObject(this.#calls, name, until);
  }

  get spec(): DestinationSpec {
    const { uri } = this;
    return { kind: 'objectStore', uri, limits: limitsOf(uri), retainMs: this.#retainMs() };
  }

  /** A legal hold has no end: that it is held, a deletion tells. */
  async lockedUntilNs(name: string): Promise<bigint | undefined> {
    checkObjectName(name);
    const untilMs = (await statObject(this.#calls, name))?.lockedUntilMs;
    if (untilMs === undefined || !Number.isFinite(untilMs) || untilMs <= this.#nowMs()) return undefined;
    return BigInt(untilMs) * NS_PER_MS;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkObjectName(name);
    await putObject(this.#calls, name, bytes, this.#writing);
  }

  async get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    checkObjectName(name);
    return await getObject(this.#calls, name, range, (object) => this.size(object));
  }

  async sync(name: string): Promise<void> {
    // What a store has answered for is durable.
    if ((await this.size(name)) === undefined)
      throw fail('BACKUP_FILE_NOT_EXIST', { file: this.#calls.showObject(name) });
  }

  async size(name: string): Promise<number | undefined> {
    checkObjectName(name);
    const found = await statObject(this.#calls, name);
    if (!found && !this.#isReached) await checkBucket(this.#calls);
    this.#isReached = true;
    return found?.sizeBytes;
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    const objects = await listObjects(this.#calls, checkPrefix(prefix));
    this.#isReached = true;
    return objects;
  }

  async remove(name: string): Promise<void> {
    checkObjectName(name);
    await removeObject(this.#calls, name, this.#removing);
  }

  async removeAll(prefix: string, keep: ReadonlySet<string> = NONE): Promise<void> {
    await removeObjects(this.#calls, { directory: checkPrefix(prefix), keep, mode: this.#removing });
  }

  async create(name: string): Promise<ObjectWriter> {
    if ((await this.size(name)) !== undefined) throw fail('ENTRY_EXISTS', { what: this.#calls.showObject(name) });
    return new S3Writer(this.#calls, name, this.#writing);
  }

  async openRead(name: string): Promise<ObjectReader> {
    checkObjectName(name);
    return await openObject(this.#calls, name, (object) => this.size(object));
  }

  async openAppend(): Promise<ObjectAppender> {
    assert(this.can.append, 'the destination can append');
    throw fail('NOT_SUPPORTED', { what: 'appending to an object of a store' });
  }

  async sweep(): Promise<void> {
    await sweepUploads(this.#calls, this.#nowMs());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls.close();
  }

  #nowMs(): number {
    return Number(this.#clock.nowNs() / NS_PER_MS);
  }
}
