// Reads stored blocks of backup sets out of their packs, and stored image blocks of the log out of its segments.
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES, KIB } from '../base/limits.ts';
import type { Destination, ObjectReader } from '../destination/destination.ts';
import { mayLieElsewhere } from '../destination/fall-over.ts';
import { openDestinationSpec } from '../destination/open-destination.ts';
import { BLOCK_STORED_BYTES_MAX, type BlockContext, blockContext, openBlock } from '../format/block.ts';
import { packName } from '../format/layout.ts';
import { decodeImageBlock, storedBytesMax } from '../format/log-batch-table.ts';
import { objectKey } from '../format/object-key.ts';
import { decodePackHeader, PACK_HEADER_BYTES } from '../format/pack.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import { OpenReaders } from './open-readers.ts';
import type { LogBlockItem, RestoreRequest, SetBlockItem } from './pipeline.ts';

/** Room for any stored block. The numbers come from a destination that nobody can vouch for: no more is read at once. */
const STORED_BYTES_MAX = Math.max(BLOCK_STORED_BYTES_MAX, storedBytesMax(BLOCK_PLAIN_BYTES));

/** What is read along between two blocks rather than asked for apart: a request takes as long as some hundred KiB. */
const GAP_BYTES_MAX = 128 * KIB;

interface OpenPack {
  reader: ObjectReader;
  context: BlockContext;
}

/** A set that blocks are taken from. */
export type RestoredSet = RestoreRequest['sets'][number];

export class BlockReader {
  readonly #sets: Array<{ set: RestoredSet; places: Destination[] }>;
  /** Which place each pack is read from, where it is not the first. */
  readonly #placeOf = new Map<string, number>();
  readonly #remarks = new Set<string>();
  readonly #logDestination: Destination | null;
  readonly #packs = new OpenReaders<OpenPack>();
  readonly #segments = new OpenReaders<{ reader: ObjectReader }>();
  /** One is read into while the block in the other is opened. Memory of their own would cost each block a page fault per 4 KiB. */
  #stored = Buffer.allocUnsafeSlow(STORED_BYTES_MAX);
  #other = Buffer.allocUnsafeSlow(STORED_BYTES_MAX);
  readonly #plain = Buffer.allocUnsafeSlow(BLOCK_PLAIN_BYTES);

  constructor({ sets, logDestination }: Pick<RestoreRequest, 'sets' | 'logDestination'>) {
    this.#sets = sets.map((set) => {
      return { set, places: [set.destination, ...(set.elsewhere ?? [])].map(openDestinationSpec) };
    });
    this.#logDestination = logDestination && openDestinationSpec(logDestination);
  }

  /** Asks ahead for what will be read next, where that helps: neighbours in one request. */
  async willRead(items: ReadonlyArray<SetBlockItem | LogBlockItem>): Promise<void> {
    let run: { reader: ObjectReader; from: number; to: number } | undefined;
    const ask = () => run?.reader.willRead?.(run.from, run.to - run.from);
    for (const item of items) {
      const { offset, storedBytes } = item.kind === 'set' ? item.block : item;
      const reader = await this.#opened(item);
      if (!reader) continue;
      const end = offset + storedBytes;
      // Numbers that can not be true are told when they are read.
      if (!(storedBytes > 0 && storedBytes <= STORED_BYTES_MAX && end <= reader.sizeBytes)) continue;
      if (run?.reader === reader && offset >= run.to && offset - run.to <= GAP_BYTES_MAX) run.to = end;
      else {
        ask();
        run = { reader, from: offset, to: end };
      }
    }
    ask();
  }

  /** What an item is read from; undefined where it can not be opened: that is told when it is read, perhaps elsewhere. */
  async #opened(item: SetBlockItem | LogBlockItem): Promise<ObjectReader | undefined> {
    try {
      return (await (item.kind === 'set' ? this.#openSet(item) : this.#openLog(item))).reader;
    } catch (error) {
      if (mayLieElsewhere(error)) return undefined;
      throw error;
    }
  }

  /**
   * Reads the stored bytes of an item, one item at a time.
   * @returns what checks and unpacks them: to be called before the item after the next is read; its result holds until it
   *          is called for the next item
   */
  read(item: SetBlockItem | LogBlockItem): Promise<() => Uint8Array> {
    [this.#stored, this.#other] = [this.#other, this.#stored];
    return item.kind === 'set' ? this.#readSet(item) : this.#readLog(item);
  }

  async close(): Promise<void> {
    await this.#packs.close();
    await this.#segments.close();
    for (const { places } of this.#sets) for (const place of places) await place[Symbol.asyncDispose]();
    await this.#logDestination?.[Symbol.asyncDispose]();
  }

  /** @param of the place that the pack is read from; left out: that which gave it last */
  #openSet(
    { setIndex, block: { packNo } }: Pick<SetBlockItem, 'setIndex' | 'block'>,
    of?: number | undefined,
  ): Promise<OpenPack> {
    const found = this.#sets[setIndex];
    assert(found, `the restore has a set ${setIndex}`);
    const place = of ?? this.#placeOf.get(`${setIndex}/${packNo}`) ?? 0;
    return this.#packs.get(`${setIndex}/${packNo}/${place}`, () => openPack(found.places[place]!, found.set, packNo));
  }

  #openLog({ object }: Pick<LogBlockItem, 'object'>): Promise<{ reader: ObjectReader }> {
    const destination = this.#logDestination;
    assert(destination, 'a restore with log has a log destination');
    return this.#segments.get(object, async () => ({ reader: await destination.openRead(object) }));
  }

  /** What was read elsewhere, and why. */
  get remarks(): string[] {
    return [...this.#remarks];
  }

  /**
   * Reads an item from another place than before, because it was not what it should be there.
   * @returns its bytes; they hold until the next call
   * @throws the failure itself when no other place has it
   */
  async readElsewhere(item: SetBlockItem | LogBlockItem, failure: unknown): Promise<Uint8Array> {
    const places = item.kind === 'set' ? (this.#sets[item.setIndex]?.places ?? []) : [];
    if (item.kind !== 'set' || places.length < 2 || !mayLieElsewhere(failure)) throw failure;
    const key = `${item.setIndex}/${item.block.packNo}`;
    const before = this.#placeOf.get(key) ?? 0;
    for (const place of places.keys()) {
      if (place === before) continue;
      try {
        const open = await this.#readSet(item, { place, into: Buffer.allocUnsafeSlow(STORED_BYTES_MAX) });
        const plain = open();
        this.#placeOf.set(key, place);
        this.#remarks.add(`${failure.message}; it was read from ${formatDestinationUri(places[place]!.uri)}`);
        return plain;
      } catch (error) {
        if (!mayLieElsewhere(error)) throw error;
      }
    }
    throw failure;
  }

  async #readSet(
    { setIndex, block }: SetBlockItem,
    of: { place?: number; into: Buffer } = { into: this.#stored },
  ): Promise<() => Uint8Array> {
    const { offset, storedBytes } = block;
    const { reader, context } = await this.#openSet({ setIndex, block }, of.place);
    const isInside = storedBytes >= 0 && offset >= PACK_HEADER_BYTES && offset + storedBytes <= reader.sizeBytes;
    if (!isInside || storedBytes > BLOCK_STORED_BYTES_MAX) {
      const because = `it has ${reader.sizeBytes} bytes; block ${block.blockNo} lies at ${offset} + ${storedBytes}`;
      throw fail('BACKUP_DATA_CORRUPT', { object: context.object, because });
    }
    const stored = await reader.read(offset, storedBytes, of.into);
    return () => openBlock(context, block, stored, block.checksum, this.#plain);
  }

  async #readLog(item: LogBlockItem): Promise<() => Uint8Array> {
    const { object, offset, storedBytes, plainBytes } = item;
    const because = `an image block of ${storedBytes} stored and ${plainBytes} plain bytes`;
    if (!(plainBytes > 0 && plainBytes <= BLOCK_PLAIN_BYTES && storedBytes <= storedBytesMax(plainBytes)))
      throw fail('BACKUP_DATA_CORRUPT', { object, because });
    const { reader } = await this.#openLog(item);
    const stored = await reader.read(offset, storedBytes, this.#stored);
    return () => decodeImageBlock(stored, item, object, this.#plain);
  }
}

/** What opens the blocks of a pack, by its header. @throws BACKUP_DATA_CORRUPT (9010) for a header of another pack */
export function packContext(
  headerBytes: Uint8Array,
  of: { object: string; packNo: number; set: Pick<RestoredSet, 'owner' | 'dataKey'> },
): BlockContext {
  const { object, packNo } = of;
  const { owner, dataKey } = of.set;
  const header = decodePackHeader(headerBytes, { object, owner, packNo, isEncrypted: dataKey !== null });
  const { setUuid } = owner;
  const key = dataKey && objectKey(dataKey, { kind: 'pack', setUuid, objectNo: packNo, salt: header.salt });
  return blockContext({ object, owner, packNo, key });
}

async function openPack(destination: Destination, set: RestoredSet, packNo: number): Promise<OpenPack> {
  const object = `${set.directory}/${packName(packNo)}`;
  const reader = await destination.openRead(object);
  try {
    const bytes = await reader.read(0, Math.min(PACK_HEADER_BYTES, reader.sizeBytes));
    return { reader, context: packContext(bytes, { object, packNo, set }) };
  } catch (error) {
    await reader.close();
    throw error;
  }
}
