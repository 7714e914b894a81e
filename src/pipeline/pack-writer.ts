// Writes sealed blocks into pack objects, one pack after the other, each up to a size.
import { randomBytes } from 'node:crypto';
import type { Destination, ObjectWriter } from '../destination/destination.ts';
import {
  BLOCK_OVERHEAD_BYTES,
  BLOCK_STORED_BYTES_MAX,
  type BlockContext,
  blockContext,
  sealBlock,
} from '../format/block.ts';
import { packName } from '../format/layout.ts';
import { OBJECT_SALT_BYTES, objectKey } from '../format/object-key.ts';
import { encodePackHeader } from '../format/pack.ts';
import { Xxh3 } from '../format/xxh3.ts';
import type { BackupRequest, BlockEntry, PackEntry } from './pipeline.ts';

export type PackFacts = Pick<
  BackupRequest,
  'directory' | 'owner' | 'dataKey' | 'compressionLevel' | 'packBytesMax' | 'destination'
>;

interface OpenPack {
  packNo: number;
  name: string;
  writer: ObjectWriter;
  context: BlockContext;
  hash: Xxh3;
  sizeBytes: number;
  blockCount: number;
}

export class PackWriter {
  readonly #destination: Destination;
  readonly #facts: PackFacts;
  readonly #nextPackNo: () => Promise<number>;
  #pack: OpenPack | undefined;
  /** Where blocks are sealed: in one of them while the other is being written. */
  #buffer = Buffer.allocUnsafeSlow(BLOCK_STORED_BYTES_MAX);
  #other = Buffer.allocUnsafeSlow(BLOCK_STORED_BYTES_MAX);
  /** The write of the last block goes on while the next one is being compressed. */
  #pendingWrite: Promise<void> = Promise.resolve();
  #finished: PackEntry[] = [];

  constructor(destination: Destination, facts: PackFacts, nextPackNo: () => Promise<number>) {
    this.#destination = destination;
    this.#facts = facts;
    this.#nextPackNo = nextPackNo;
  }

  /** Seals one block and begins to write it; `plain` may be reused at once. */
  async add(blockNo: number, plain: Buffer): Promise<BlockEntry> {
    const storedBytesMax = plain.length + BLOCK_OVERHEAD_BYTES;
    const isFull = (pack: OpenPack) =>
      pack.blockCount > 0 && pack.sizeBytes + storedBytesMax > this.#facts.packBytesMax;
    if (this.#pack && isFull(this.#pack)) await this.#finishPack(this.#pack);
    this.#pack ??= await this.#openPack();
    const pack = this.#pack;
    const offset = pack.sizeBytes;
    const { compressionLevel } = this.#facts;
    const { storedBytes, checksum } = sealBlock(
      pack.context,
      { blockNo, offset },
      plain,
      compressionLevel,
      this.#buffer,
    );
    await this.#append(pack, this.#buffer.subarray(0, storedBytes));
    [this.#buffer, this.#other] = [this.#other, this.#buffer];
    pack.blockCount++;
    return { blockNo, packNo: pack.packNo, offset, storedBytes, plainBytes: plain.length, checksum };
  }

  /** Packs that became complete since the last call. */
  takeFinished(): PackEntry[] {
    const finished = this.#finished;
    this.#finished = [];
    return finished;
  }

  /** Completes the last pack. */
  async finish(): Promise<void> {
    if (this.#pack) await this.#finishPack(this.#pack);
  }

  async abort(): Promise<void> {
    const pack = this.#pack;
    this.#pack = undefined;
    await Promise.allSettled([this.#pendingWrite]);
    await pack?.writer.abort();
  }

  async #openPack(): Promise<OpenPack> {
    const { directory, owner, dataKey } = this.#facts;
    const packNo = await this.#nextPackNo();
    const name = packName(packNo);
    const object = `${directory}/${name}`;
    const salt = randomBytes(OBJECT_SALT_BYTES);
    const key = dataKey && objectKey(dataKey, { kind: 'pack', setUuid: owner.setUuid, objectNo: packNo, salt });
    const writer = await this.#destination.create(object);
    const context = blockContext({ object, owner, packNo, key });
    const pack = { packNo, name, writer, context, hash: new Xxh3(), sizeBytes: 0, blockCount: 0 };
    this.#pack = pack;
    await this.#append(pack, encodePackHeader({ packNo, isEncrypted: key !== null, salt }, owner));
    return pack;
  }

  /** Begins to write once the write before has ended: then nobody reads that one's bytes any more. */
  async #append(pack: OpenPack, bytes: Uint8Array): Promise<void> {
    pack.hash.update(bytes);
    await this.#pendingWrite;
    this.#pendingWrite = pack.writer.write(bytes);
    // Whoever comes next awaits it and hears of its failure; until then it is not "unhandled".
    this.#pendingWrite.catch(() => {});
    pack.sizeBytes += bytes.length;
  }

  async #finishPack(pack: OpenPack): Promise<void> {
    await this.#pendingWrite;
    await pack.writer.finish();
    this.#pack = undefined;
    const { packNo, name, sizeBytes } = pack;
    this.#finished.push({ packNo, name, sizeBytes, checksum: pack.hash.digest() });
  }
}
