// The side of a worker that reads objects again: whole objects against their checksums, the blocks of packs, the log of
// pieces. Knows nothing of processes, and writes nothing.
import { sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES, MIB } from '../base/limits.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import type { Destination, DestinationSpec, ObjectReader } from '../destination/destination.ts';
import { openDestinationSpec } from '../destination/open-destination.ts';
import { BLOCK_STORED_BYTES_MAX, openBlock } from '../format/block.ts';
import { PACK_HEADER_BYTES } from '../format/pack.ts';
import { Xxh3 } from '../format/xxh3.ts';
import { packContext } from './block-reader.ts';
import type { Lane } from './lane.ts';
import type { VerifiedLog, VerifyItem, VerifyObject, VerifyPack, VerifyPiece, VerifyRequest } from './pipeline.ts';

/** Read at once of what is only hashed. */
const STEP_BYTES = 1 * MIB;
/** How far ahead of the reading a store is asked, and how much at once. */
const AHEAD_BYTES = 16 * MIB;
const AHEAD_STEP_BYTES = 4 * MIB;

/** What a worker needs to know; crosses to it in one message. */
export interface VerifyJob {
  destination: DestinationSpec;
  set: VerifyRequest['set'];
}

/** What came of one item, and how many bytes were looked at. */
export interface VerifyDone {
  bytes: number;
  log: VerifiedLog | null;
}

export type VerifyLane = Lane<VerifyItem, VerifyDone>;

/** A reader that is read from its beginning to its end. */
function readingAhead(reader: ObjectReader): ObjectReader {
  const { sizeBytes } = reader;
  let askedTo = 0;
  return {
    sizeBytes,
    read(offset, length, into) {
      for (; askedTo < Math.min(sizeBytes, offset + AHEAD_BYTES); askedTo += AHEAD_STEP_BYTES)
        reader.willRead?.(askedTo, Math.min(AHEAD_STEP_BYTES, sizeBytes - askedTo));
      return reader.read(offset, length, into);
    },
    close: () => reader.close(),
  };
}

class ObjectVerifier implements VerifyLane {
  readonly #destination: Destination;
  readonly #set: VerifyJob['set'];
  readonly #stored = Buffer.allocUnsafeSlow(Math.max(STEP_BYTES, BLOCK_STORED_BYTES_MAX));
  readonly #plain = Buffer.allocUnsafeSlow(BLOCK_PLAIN_BYTES);

  constructor({ destination, set }: VerifyJob) {
    this.#destination = openDestinationSpec(destination);
    this.#set = set;
  }

  async work(item: VerifyItem): Promise<VerifyDone> {
    if (item.kind !== 'piece') return { bytes: await this.#readObject(item), log: null };
    const bytes = item.piece.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { bytes, log: await this.#walk(item) };
  }

  async finish(): Promise<void> {
    await this.#destination[Symbol.asyncDispose]();
  }

  abort(): Promise<void> {
    return this.finish();
  }

  /** @returns its bytes */
  async #readObject(item: VerifyObject | VerifyPack): Promise<number> {
    const { object, sizeBytes, checksum } = item;
    const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
    const reader = readingAhead(await this.#destination.openRead(object));
    try {
      if (reader.sizeBytes !== sizeBytes) throw damaged(`it has ${reader.sizeBytes} bytes instead of ${sizeBytes}`);
      const hash = new Xxh3();
      const at = item.kind === 'pack' ? await this.#readBlocks(item, reader, hash) : 0;
      await this.#hashRange(reader, { from: at, to: sizeBytes }, hash);
      if (!sameBytes(hash.digest(), checksum)) throw damaged('its checksum is not the one in the manifest');
      return sizeBytes;
    } finally {
      await reader.close();
    }
  }

  /** Hashes a pack up to the end of its last block and opens each. @returns where that end is */
  async #readBlocks(item: VerifyPack, reader: ObjectReader, hash: Xxh3): Promise<number> {
    const { object, packNo, blocks, sizeBytes } = item;
    const header = await reader.read(0, Math.min(PACK_HEADER_BYTES, sizeBytes), this.#stored);
    const context = packContext(header, { object, packNo, set: this.#set! });
    hash.update(header);
    let at = header.length;
    for (const block of blocks.toSorted((a, b) => a.offset - b.offset)) {
      const { offset, storedBytes, blockNo } = block;
      if (offset < at || offset + storedBytes > sizeBytes || storedBytes > BLOCK_STORED_BYTES_MAX)
        throw fail('BACKUP_DATA_CORRUPT', { object, because: `block ${blockNo} lies at ${offset} + ${storedBytes}` });
      await this.#hashRange(reader, { from: at, to: offset }, hash);
      const stored = await reader.read(offset, storedBytes, this.#stored);
      hash.update(stored);
      openBlock(context, block, stored, block.checksum, this.#plain);
      at = offset + storedBytes;
    }
    return at;
  }

  async #hashRange(reader: ObjectReader, { from, to }: { from: number; to: number }, hash: Xxh3): Promise<void> {
    for (let at = from; at < to; at += STEP_BYTES)
      hash.update(await reader.read(at, Math.min(STEP_BYTES, to - at), this.#stored));
  }

  async #walk({ piece, owner, isWithImages, logKeys }: VerifyPiece): Promise<VerifiedLog> {
    const verified: VerifiedLog = { batchCount: 0, lastScn: null, checkpointScn: null, tornBecause: '' };
    const walk = walkPiece(this.#destination, piece, undefined, {
      owner: { ...owner, findKey: (keyId) => logKeys.find((known) => sameBytes(known.keyId, keyId))?.key },
      acceptsClosed: true,
      verifyImages: isWithImages ? 'all' : 'last',
    });
    for (;;) {
      const step = await walk.next();
      if (step.done) {
        const { torn } = step.value;
        return { ...verified, tornBecause: torn ? `${torn.object} at ${torn.offset}: ${torn.because}` : '' };
      }
      const { header } = step.value;
      verified.batchCount++;
      if (header.commitCount > 0) verified.lastScn = header.lastScn;
      verified.checkpointScn = header.checkpointScn;
    }
  }
}

export function createObjectVerifier(job: VerifyJob): VerifyLane {
  return new ObjectVerifier(job);
}
