// Writing objects of an object store: small ones at once, large ones in parts that go up while the next is filled.
import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { fail, HoldfastError } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import type { ObjectWriter } from './destination.ts';
import type { S3Calls } from './s3-calls.ts';
import { answerOf, isMissing, isNotImplemented, isPreconditionFailed, s3Failure } from './s3-errors.ts';
import { listVersions, lockObject, PUT_ID, statObject } from './s3-objects.ts';
import { abortUpload, removeObject } from './s3-remove.ts';

/** One part: stores take at least 5 MiB and 10000 parts, so that an object may have 80 GB. */
const PART_BYTES = 8 * MIB;
const PARTS_MAX = 10_000;
/** Parts of one object on their way: with the one that is filled, 40 MiB of memory. */
const PARTS_AT_ONCE = 4;
/** What is put at once; more goes in parts. */
const PUT_BYTES_MAX = 2 * PART_BYTES;
/** Nobody takes longer from the beginning of an upload, when its lock is reckoned, to its end. */
const LOCK_LATE_MS_MAX = 24 * 3_600_000;
const PUT_RIGHT = 's3:PutObject';

/** How objects of a destination are written. */
export interface WriteFacts {
  checksum: 'md5' | 'crc32' | 'no_checksum';
  /** The store is known to heed "only if there is none". */
  isConditional: boolean;
  /** Until when an object that is written now may not be deleted; undefined: no lock of its own. */
  lockUntil(): Date | undefined;
  /** Set when the store answered that it does not know conditions. */
  hasNoConditions: boolean;
}

function checksumOf(bytes: Uint8Array, type: WriteFacts['checksum']): { ContentMD5?: string; ChecksumCRC32?: string } {
  if (type === 'no_checksum') return {};
  if (type === 'md5') return { ContentMD5: createHash('md5').update(bytes).digest('base64') };
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return { ChecksumCRC32: sum.toString('base64') };
}

const taken = (calls: S3Calls, name: string) => fail('ENTRY_EXISTS', { what: calls.showObject(name) });

/** One object that is being written: what its requests say of it. */
class NewObject {
  readonly calls: S3Calls;
  readonly name: string;
  readonly facts: WriteFacts;
  readonly #putId = randomBytes(16).toString('hex');

  constructor(calls: S3Calls, name: string, facts: WriteFacts) {
    this.calls = calls;
    this.name = name;
    this.facts = facts;
  }

  get key() {
    return { ...this.calls.bucket, Key: this.calls.key(this.name) };
  }

  get headers() {
    const until = this.facts.lockUntil();
    const lock = until ? { ObjectLockMode: 'COMPLIANCE' as const, ObjectLockRetainUntilDate: until } : {};
    return { Metadata: { [PUT_ID]: this.#putId }, ContentType: 'application/octet-stream', ...lock };
  }

  /** @throws ENTRY_EXISTS when the name is taken */
  async checkFree(): Promise<void> {
    if (await statObject(this.calls, this.name)) throw taken(this.calls, this.name);
  }

  async isMine(sizeBytes: number): Promise<boolean> {
    const found = await statObject(this.calls, this.name);
    return found !== undefined && found.putId === this.#putId && found.sizeBytes === sizeBytes;
  }

  /**
   * Gives the object its name.
   * @param publish with the condition that nothing has the name, where the store knows conditions; resolves to the version
   * @returns the version, in a bucket that keeps them, when the store has told it
   * @throws ENTRY_EXISTS when the name is taken
   */
  async publish(
    sizeBytes: number,
    publish: (condition: { IfNoneMatch?: '*' }) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const { facts, calls, name } = this;
    // A store may take a condition and pass it over.
    if (!facts.isConditional) await this.checkFree();
    let version: string | undefined;
    try {
      version = await publish(facts.hasNoConditions ? {} : { IfNoneMatch: '*' });
    } catch (error) {
      if (isNotImplemented(error) && !facts.hasNoConditions) {
        facts.hasNoConditions = true;
        return this.publish(sizeBytes, publish);
      }
      if (isNotImplemented(error) && facts.checksum === 'crc32')
        throw fail('CHECKSUM_TYPE_NOT_SUPPORTED', { type: facts.checksum });
      if (isNotImplemented(error))
        throw s3Failure(error, { uri: calls.shown, what: `write ${name}`, right: PUT_RIGHT });
      if (!isPreconditionFailed(error) && !isMissing(error)) throw error;
      // The answer to a success may get lost; its repeat then finds the name taken, or the upload gone.
      if (await this.isMine(sizeBytes)) return undefined;
      if (isPreconditionFailed(error)) throw taken(calls, name);
      const because = `write ${name}: ${answerOf(error)!.code}: its upload was ended by somebody else`;
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri: calls.shown, because });
    }
    if (!facts.isConditional && version !== undefined) await this.#checkFirst(version);
    return version;
  }

  /**
   * Looks at what was put together of parts: some stores lose parts, and some let a later writer have the name as well.
   * @throws BACKUP_DATA_CORRUPT, ENTRY_EXISTS
   */
  async checkWhole(sizeBytes: number, version: string | undefined): Promise<void> {
    const { calls, name } = this;
    const found = await statObject(calls, name, version);
    if (found?.putId === this.#putId && found.sizeBytes === sizeBytes) return this.#lock(found.lockedUntilMs, version);
    if (found && found.putId !== this.#putId) throw taken(calls, name);
    const because = `it does not have the ${sizeBytes} bytes that were written`;
    throw fail('BACKUP_DATA_CORRUPT', { object: calls.showObject(name), because });
  }

  /** Some stores take the lock of an upload and forget it. */
  async #lock(lockedUntilMs: number | undefined, version: string | undefined): Promise<void> {
    const until = this.facts.lockUntil();
    if (!until || (lockedUntilMs ?? 0) > until.getTime() - LOCK_LATE_MS_MAX) return;
    await lockObject(this.calls, this.name, until, version);
  }

  /**
   * In a bucket with versions a store that passes conditions over lets two writers have one name: the first of them has it.
   * @throws ENTRY_EXISTS for the other, whose version is removed
   */
  async #checkFirst(version: string): Promise<void> {
    const versions = await listVersions(this.calls, this.name);
    const deletedMs = Math.max(...versions.map(({ isMarker, writtenMs }) => (isMarker ? writtenMs : -1)));
    const mine = versions.findIndex(({ versionId }) => versionId === version);
    for (const { versionId, isMarker, writtenMs } of versions.slice(mine + 1)) {
      if (isMarker || writtenMs <= deletedMs) continue;
      const older = await statObject(this.calls, this.name, versionId);
      if (older === undefined || older.putId === this.#putId) continue;
      await this.calls.call((s3, how) => s3.deleteObject({ ...this.key, VersionId: version }, how), {
        ...{ what: `remove ${this.name}`, right: 's3:DeleteObjectVersion' },
      });
      throw taken(this.calls, this.name);
    }
  }
}

const isAnswer = (error: unknown) => isPreconditionFailed(error) || isNotImplemented(error);

/** @see Destination.put */
export async function putObject(calls: S3Calls, name: string, bytes: Uint8Array, facts: WriteFacts): Promise<void> {
  if (bytes.length > PUT_BYTES_MAX) {
    const writer = new S3Writer(calls, name, facts);
    try {
      await writer.write(bytes);
      await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    return;
  }
  await putWhole(new NewObject(calls, name, facts), bytes);
}

async function putWhole(object: NewObject, bytes: Uint8Array): Promise<void> {
  const { calls, name, facts } = object;
  const sum = checksumOf(bytes, facts.checksum);
  const Body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  await object.publish(bytes.length, (condition) =>
    calls.call(
      async (s3, how) => {
        const input = { ...object.key, ...object.headers, ...sum, ...condition, Body };
        return (await s3.putObject(input, how)).VersionId;
      },
      { what: `write ${name}`, right: PUT_RIGHT, bytes: bytes.length, expected: isAnswer },
    ),
  );
}

interface Part {
  PartNumber: number;
  ETag: string;
  ChecksumCRC32?: string;
}

export class S3Writer implements ObjectWriter {
  readonly #object: NewObject;
  readonly #stopping = new AbortController();
  #state: 'open' | 'broken' | 'ended' = 'open';
  #isPublishing = false;
  #sizeBytes = 0;
  /** What is not yet on its way. */
  #part: Buffer | undefined;
  #filled = 0;
  /** Memory of parts that arrived. */
  readonly #free: Buffer[] = [];
  #upload: Promise<string> | undefined;
  readonly #underWay = new Set<Promise<void>>();
  readonly #parts: Part[] = [];
  #failure: unknown;

  constructor(calls: S3Calls, name: string, facts: WriteFacts) {
    this.#object = new NewObject(calls, name, facts);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#doing(async () => {
      for (let at = 0; at < bytes.length; ) {
        if (this.#filled === PART_BYTES) await this.#sendPart();
        this.#part ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(PART_BYTES);
        const taken = bytes.subarray(at, at + PART_BYTES - this.#filled);
        this.#part.set(taken, this.#filled);
        this.#filled += taken.length;
        at += taken.length;
      }
      this.#sizeBytes += bytes.length;
    });
  }

  finish(): Promise<void> {
    return this.#doing(async () => {
      const rest = (this.#part ?? Buffer.alloc(0)).subarray(0, this.#filled);
      if (!this.#upload) {
        this.#isPublishing = true;
        await putWhole(this.#object, rest);
      } else {
        if (rest.length > 0) await this.#sendPart();
        await Promise.all(this.#underWay);
        if (this.#failure !== undefined) throw this.#failure;
        this.#isPublishing = true;
        await this.#complete(await this.#upload);
      }
      this.#state = 'ended';
    });
  }

  async abort(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#stopping.abort();
    const { calls, name } = this.#object;
    // A part that arrives behind the end of its upload would stay, and cost.
    await Promise.allSettled(this.#underWay);
    try {
      const uploadId = await this.#upload;
      if (uploadId !== undefined) await abortUpload(calls, { name, uploadId });
      // Whoever was told of a failure must not find the object later.
      if (this.#isPublishing && (await this.#object.isMine(this.#sizeBytes)))
        await removeObject(calls, name, this.#object.facts.lockUntil() ? 'deleteVersions' : 'delete');
    } catch (error) {
      // The store is away, or keeps it: a later removeAll or sweep ends the upload.
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  /** Begins to send the part that is full, once there is room on the way. */
  async #sendPart(): Promise<void> {
    const bytes = this.#part!.subarray(0, this.#filled);
    const memory = this.#part!;
    this.#upload ??= this.#begin();
    const uploadId = await this.#upload;
    while (this.#underWay.size >= PARTS_AT_ONCE) await Promise.race(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    this.#part = undefined;
    this.#filled = 0;
    const PartNumber = this.#parts.length + 1;
    assert(PartNumber <= PARTS_MAX, 'an object has as many parts as a store takes');
    const sum = checksumOf(bytes, this.#object.facts.checksum);
    const part: Part = { PartNumber, ETag: '', ...(sum.ChecksumCRC32 ? { ChecksumCRC32: sum.ChecksumCRC32 } : {}) };
    this.#parts.push(part);
    const sending = this.#send(part, { uploadId, bytes, sum }).then(
      () => {
        this.#free.push(memory);
      },
      (error: unknown) => {
        this.#failure ??= error;
      },
    );
    this.#underWay.add(sending);
    void sending.then(() => this.#underWay.delete(sending));
  }

  async #begin(): Promise<string> {
    const { calls, name, key, headers, facts } = this.#object;
    const algorithm = facts.checksum === 'crc32' ? { ChecksumAlgorithm: 'CRC32' as const } : {};
    const input = { ...key, ...headers, ...algorithm };
    const { UploadId } = await calls.call((s3, how) => s3.createMultipartUpload(input, how), {
      ...{ what: `begin ${name}`, right: PUT_RIGHT },
    });
    assert(UploadId, 'an upload has an id');
    return UploadId;
  }

  async #send(part: Part, of: { uploadId: string; bytes: Buffer; sum: object }): Promise<void> {
    const { calls, name, key } = this.#object;
    const { uploadId: UploadId, bytes: Body, sum } = of;
    const input = { ...key, UploadId, PartNumber: part.PartNumber, Body, ...sum };
    const { ETag } = await calls.call((s3, how) => s3.uploadPart(input, how), {
      ...{ what: `write ${name}`, right: PUT_RIGHT, bytes: Body.length, signal: this.#stopping.signal },
    });
    assert(ETag, 'a part that is stored has a tag');
    part.ETag = ETag;
  }

  async #complete(UploadId: string): Promise<void> {
    const { calls, name, key } = this.#object;
    const input = { ...key, UploadId, MultipartUpload: { Parts: this.#parts } };
    const version = await this.#object.publish(this.#sizeBytes, (condition) =>
      calls.call(async (s3, how) => (await s3.completeMultipartUpload({ ...input, ...condition }, how)).VersionId, {
        ...{ what: `finish ${name}`, right: PUT_RIGHT, expected: (error) => isAnswer(error) || isMissing(error) },
      }),
    );
    await this.#object.checkWhole(this.#sizeBytes, version);
  }

  async #doing(work: () => Promise<void>): Promise<void> {
    assert(this.#state === 'open', 'an object is written only while it is open and whole');
    try {
      await work();
    } catch (error) {
      this.#state = this.#state === 'open' ? 'broken' : this.#state;
      throw error;
    }
  }
}
