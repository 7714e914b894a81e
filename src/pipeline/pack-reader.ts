// Reads blocks of one backup set out of its packs, keeping a few packs open.
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import type { Destination, ObjectReader } from '../destination/destination.ts';
import { BLOCK_OVERHEAD_BYTES, type BlockContext, blockContext, openBlock } from '../format/block.ts';
import { packName } from '../format/layout.ts';
import { objectKey } from '../format/object-key.ts';
import { decodePackHeader, PACK_HEADER_BYTES } from '../format/pack.ts';
import type { BlockEntry, RestoreRequest } from './pipeline.ts';

/** Open packs of one set in one worker: a bound on file descriptors. */
const OPEN_PACKS_MAX = 16;

export type SetSource = RestoreRequest['sets'][number];

interface OpenPack {
  reader: ObjectReader;
  context: BlockContext;
}

export class PackReader {
  readonly #destination: Destination;
  readonly #set: SetSource;
  /** In the order of last use. */
  readonly #open = new Map<number, Promise<OpenPack>>();

  constructor(destination: Destination, set: SetSource) {
    this.#destination = destination;
    this.#set = set;
  }

  /** Reads a stored block; `open` then checks and unpacks it. */
  async read(block: BlockEntry): Promise<{ stored: Uint8Array; open: () => Uint8Array }> {
    const { reader, context } = await this.#openPack(block.packNo);
    const { offset, storedBytes } = block;
    const isInside = storedBytes >= 0 && offset >= PACK_HEADER_BYTES && offset + storedBytes <= reader.sizeBytes;
    // Checked before memory is taken: the entry may come from a destination that nobody can vouch for.
    if (!isInside || storedBytes > BLOCK_PLAIN_BYTES + BLOCK_OVERHEAD_BYTES) {
      const because = `it has ${reader.sizeBytes} bytes; block ${block.blockNo} lies at ${offset} + ${storedBytes}`;
      throw fail('BACKUP_DATA_CORRUPT', { object: context.object, because });
    }
    const stored = await reader.read(offset, storedBytes);
    return { stored, open: () => openBlock(context, block, stored, block.checksum) };
  }

  async close(): Promise<void> {
    const packs = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const pack of packs) if (pack.status === 'fulfilled') await pack.value.reader.close();
  }

  async #openPack(packNo: number): Promise<OpenPack> {
    const found = this.#open.get(packNo) ?? this.#startOpening(packNo);
    this.#open.delete(packNo);
    this.#open.set(packNo, found);
    if (this.#open.size > OPEN_PACKS_MAX) {
      const [oldestNo, oldest] = this.#open.entries().next().value!;
      this.#open.delete(oldestNo);
      await (await oldest).reader.close();
    }
    return found;
  }

  async #startOpening(packNo: number): Promise<OpenPack> {
    const { directory, owner, dataKey } = this.#set;
    const object = `${directory}/${packName(packNo)}`;
    const reader = await this.#destination.openRead(object);
    try {
      const bytes = await reader.read(0, Math.min(PACK_HEADER_BYTES, reader.sizeBytes));
      const header = decodePackHeader(bytes, { object, owner, packNo, isEncrypted: dataKey !== null });
      const { setUuid } = owner;
      const key = dataKey && objectKey(dataKey, { kind: 'pack', setUuid, objectNo: packNo, salt: header.salt });
      return { reader, context: blockContext({ object, owner, packNo, key }) };
    } catch (error) {
      await reader.close();
      throw error;
    }
  }
}
