// Goal: a frozen piece opens few objects and gives back the very batches that were written, whatever dies on the way.
// Method: a real segment writer fills a piece; freezing is run with a death at every effect on the destination, and again
// on what is left; what a walk reads is compared with the batches that went in.
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLog } from '../base/log.ts';
import { listPiece } from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import { ROUND_START } from '../destination/batch-chain.ts';
import type { Destination, ObjectWriter } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import type { CapturedBatch } from '../engine/engine-driver.ts';
import type { SegmentInfo } from '../format/archive-info.ts';
import { compactedSegmentName, pieceInfoName, segmentName } from '../format/layout.ts';
import { type EncodedLogBatch, encodeLogBatch } from '../format/log-batch.ts';
import { pageHash } from '../format/page-map.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import { toScn } from '../model/scn.ts';
import { type PieceContent, readPieceContent, writePieceInfo } from './archive-files.ts';
import { compactPiece, planCompaction, removeReplaced } from './compact-piece.ts';
import { SegmentWriter } from './segment-writer.ts';

const PAGE_BYTES = 512;
const MIB = 1024 * 1024;
const uuid = '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11';
const owner = { clusterUuid: uuid, tenantId: 1002 };
const ref = { destId: 1001, roundId: 1, pieceId: 1 };
const DIRECTORY = 'piece_d1001r1p1';
const piece: ArchivePiece = {
  ...{ tenantId: 1002, ...ref, status: 'FREEZING', fileStatus: 'AVAILABLE', createdUs: 1n, uri: 'file:///x' },
  ...{ startScn: toScn(1n), checkpointScn: toScn(9n), maxScn: toScn(9n), endScn: toScn(1n << 60n) },
  ...{ inputBytes: 0n, outputBytes: 0n, lockedUntilNs: 0n },
};
const facts = {
  cluster: { name: 'c1', id: 1, uuid },
  tenant: { id: 1002, name: 't1', mode: 'mysql' as const, timeZone: '+08:00' },
  engine: { engine: 'fake', version: '1' },
};

const opened: string[] = [];
afterEach(() => {
  for (const id of opened.splice(0)) dropMemoryDestination(id);
});
function memory(append: boolean): MemoryDestination {
  const id = `compact-${randomBytes(8).toString('hex')}`;
  opened.push(id);
  return new MemoryDestination(id, { append });
}

function encode(before: { batchNo: number; hash: Uint8Array }, imageCount = 1): EncodedLogBatch {
  const batchNo = before.batchNo + 1;
  const images = Array.from({ length: imageCount }, () => randomBytes(PAGE_BYTES));
  const pages = Uint32Array.from(images, (_, i) => i + 1);
  const hashes = BigUint64Array.from(images, (image) => pageHash(image));
  const scn = toScn(BigInt(batchNo) * 1000n);
  return encodeLogBatch({
    owner: { ...owner, roundId: 1 },
    ...{ batchNo, prevHash: before.hash, checkpointScn: scn, pageSize: PAGE_BYTES, position: new Uint8Array(8) },
    commits: [{ scn, databasePages: imageCount, checksum: 0n, pages, hashes, images }],
    compressionLevel: 1,
  });
}

const captured = ({ bytes, header }: EncodedLogBatch) =>
  ({
    ...{ bytes, batchNo: header.batchNo, commitCount: 1 },
    position: { batchNo: header.batchNo, batchHash: header.hash },
  }) as unknown as CapturedBatch;

/** Fills the piece; a new writer, as after a restart of the server, at every batch that `isRestart` names. */
async function fill(
  destination: Destination,
  count: number,
  isRestart: (batchNo: number) => boolean = () => false,
): Promise<EncodedLogBatch[]> {
  const batches: EncodedLogBatch[] = [];
  let position = ROUND_START;
  const open = async () => {
    const { segments } = await listPiece(destination, ref);
    const nextSegmentNo = (segments.at(-1)?.segmentNo ?? 0) + 1;
    return new SegmentWriter({ destination, owner, piece: ref, nextSegmentNo, position, spend: () => {} });
  };
  let writer = await open();
  for (let i = 0; i < count; i++) {
    if (isRestart(i)) {
      await writer.close();
      writer = await open();
    }
    const batch = encode(position);
    writer.accept(await writer.write(captured(batch)));
    batches.push(batch);
    position = { batchNo: batch.header.batchNo, hash: batch.header.hash };
  }
  await writer.close();
  return batches;
}

async function freeze(destination: Destination): Promise<PieceContent> {
  const readContent = () => readPieceContent(destination, { piece: ref, owner });
  const content = await compactPiece(destination, { piece: ref, owner, readContent });
  const info = await writePieceInfo(destination, { owner: facts, piece, content, frozenNs: 5n });
  await removeReplaced(destination, info, silentLog);
  return content;
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Digests of every batch that a reader gets, all images checked. */
async function readBytes(destination: Destination): Promise<string[]> {
  const read: string[] = [];
  const found = await listPiece(destination, ref);
  for await (const { object, offset, header } of walkPiece(destination, found, undefined, {
    owner,
    verifyImages: 'all',
  }))
    read.push(digest(await destination.get(object, { offset, length: header.totalBytes })));
  return read;
}

const segmentNames = async (destination: Destination) =>
  (await destination.list(`${DIRECTORY}/logstream_1`)).map(({ name }) => name).sort();
const bytesOf = (batches: readonly EncodedLogBatch[]) => batches.map(({ bytes }) => digest(bytes));

describe('planning', () => {
  const sized = (...sizes: number[]): SegmentInfo[] =>
    sizes.map((size, i) => {
      const batchNo = i + 1;
      const hash = { lastBatchHash: new Uint8Array(32), sha256: null };
      return { name: segmentName('', i + 1).slice(1), size, firstBatchNo: batchNo, lastBatchNo: batchNo, ...hash };
    });
  const shape = (segments: readonly SegmentInfo[]) =>
    planCompaction(segments).map((step) => (step.kind === 'keep' ? 1 : step.segments.length));

  test('leaves a piece of few segments, and large segments, as they are', () => {
    expect(shape(sized(1, 1, 1))).toEqual([1, 1, 1]);
    expect(shape(sized(...Array<number>(20).fill(40 * MIB)))).toEqual(Array(20).fill(1));
  });

  test('merges neighbours up to the size of a segment, in order', () => {
    expect(shape(sized(...Array<number>(10).fill(20 * MIB)))).toEqual([3, 3, 3, 1]);
    expect(shape(sized(1, 1, 1, 40 * MIB, 1, 40 * MIB, 1, 1, 1))).toEqual([3, 1, 1, 1, 3]);
    const steps = planCompaction(sized(1, 1, 1, 40 * MIB, 1, 1, 1, 1, 1));
    expect(steps.flatMap((step) => (step.kind === 'merge' ? [step.segmentNo] : []))).toEqual([1, 2]);
  });
});

describe('a piece that is frozen', () => {
  test('of three thousand one-batch objects becomes one, and reads as it was written', async () => {
    const destination = memory(false);
    const batches = await fill(destination, 3000);
    expect(await segmentNames(destination)).toHaveLength(3000);
    const { segments } = await freeze(destination);
    expect(await segmentNames(destination)).toEqual([compactedSegmentName(DIRECTORY, 1)]);
    expect(segments).toMatchObject([{ firstBatchNo: 1, lastBatchNo: 3000 }]);
    expect(await readBytes(destination)).toEqual(bytesOf(batches));
  }, 60_000);

  test('keeps segments that are large and merges those around them', async () => {
    const destination = memory(true);
    const batches = await fill(destination, 40, (batchNo) => batchNo % 3 === 0);
    expect((await segmentNames(destination)).length).toBeGreaterThan(10);
    await freeze(destination);
    expect(await segmentNames(destination)).toEqual([compactedSegmentName(DIRECTORY, 1)]);
    expect(await readBytes(destination)).toEqual(bytesOf(batches));
  });

  test('stays as it is when it has few segments', async () => {
    const destination = memory(true);
    const batches = await fill(destination, 10, (batchNo) => batchNo === 5);
    const before = await segmentNames(destination);
    await freeze(destination);
    expect(await segmentNames(destination)).toEqual(before);
    expect(await readBytes(destination)).toEqual(bytesOf(batches));
  });

  test('is not compacted, and gets no list, when a byte of it has changed', async () => {
    for (const place of [0.1, 0.3, 0.6, 0.95]) {
      const destination = memory(false);
      await fill(destination, 12);
      const name = segmentName(DIRECTORY, 6);
      const bytes = new Uint8Array(await destination.get(name));
      bytes[Math.floor(bytes.length * place)]! ^= 4;
      await destination.remove(name);
      await destination.put(name, bytes);
      await expect(freeze(destination), `at ${place}`).rejects.toMatchObject({ errorName: 'BACKUP_DATA_CORRUPT' });
      expect(await destination.size(pieceInfoName(ref))).toBeUndefined();
      expect((await segmentNames(destination)).filter((object) => !object.includes('/c'))).toHaveLength(12);
    }
  });

  test('keeps the small segments too where nothing may be removed, and readers pass them over', async () => {
    const destination = memory(false);
    const batches = await fill(destination, 20);
    const content = await compactPiece(destination, {
      ...{ piece: ref, owner },
      readContent: () => readPieceContent(destination, { piece: ref, owner }),
    });
    await writePieceInfo(destination, { owner: facts, piece, content, frozenNs: 5n });
    expect(await segmentNames(destination)).toHaveLength(21);
    expect(await readBytes(destination)).toEqual(bytesOf(batches));
  });
});

/** Dies at the n-th change: before it or right after it. Reading dies with it. */
function mortal(inner: MemoryDestination, diesAt: number, isAfter: boolean): { destination: Destination } & Effects {
  const state: Effects = { count: 0, isDead: false };
  const effect = async <T>(work: () => Promise<T>): Promise<T> => {
    if (state.isDead) throw new Error('dead');
    state.count++;
    if (state.count < diesAt) return await work();
    if (isAfter) await work();
    state.isDead = true;
    throw new Error('dead');
  };
  const writer = async (name: string): Promise<ObjectWriter> => {
    const into = await inner.create(name);
    return {
      write: (bytes) => into.write(bytes),
      finish: () => effect(() => into.finish()),
      abort: () => into.abort(),
    };
  };
  // A store removes many with one call, and may die in the middle of it.
  const removeAll = async (prefix: string, keep?: ReadonlySet<string>) => {
    for (const { name } of await inner.list(prefix)) if (!keep?.has(name)) await effect(() => inner.remove(name));
  };
  const destination = new Proxy<Destination>(inner, {
    get(target, name) {
      if (name === 'put') return (object: string, bytes: Uint8Array) => effect(() => inner.put(object, bytes));
      if (name === 'remove') return (object: string) => effect(() => inner.remove(object));
      if (name === 'removeAll') return removeAll;
      if (name === 'create') return writer;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return Object.assign(state, { destination });
}
interface Effects {
  count: number;
  isDead: boolean;
}

describe('a death while a piece is frozen', () => {
  for (const isAfter of [false, true]) {
    test(`${isAfter ? 'after' : 'before'} any effect leaves the same batches to read, before and after the next try`, async () => {
      let n = 1;
      for (; ; n++) {
        const inner = memory(false);
        const batches = await fill(inner, 12);
        const fate = mortal(inner, n, isAfter);
        const isOver = await freeze(fate.destination).then(
          () => true,
          (error: unknown) => {
            if (!fate.isDead) throw error;
            return false;
          },
        );
        expect(await readBytes(inner), `died at ${n}`).toEqual(bytesOf(batches));
        await freeze(inner);
        expect(await readBytes(inner), `died at ${n}, tried again`).toEqual(bytesOf(batches));
        // What the dead one copied was no more than a name that is taken.
        const names = [1, 2].map((no) => compactedSegmentName(DIRECTORY, no));
        expect(names.map((name) => [name])).toContainEqual(await segmentNames(inner));
        if (isOver) break;
      }
      // One copy, the list, its placeholder and twelve removals.
      expect(n).toBe(16);
    });
  }
});

describe('a reader that was on its way', () => {
  const collect = async (destination: Destination, disturbAt: number, disturb: () => Promise<unknown>) => {
    const found = await listPiece(destination, ref);
    const hashes: Buffer[] = [];
    for await (const { header } of walkPiece(destination, found, undefined, { owner })) {
      hashes.push(Buffer.from(header.hash));
      if (hashes.length === disturbAt) await disturb();
    }
    return hashes;
  };

  test('goes on in the compacted segments when the piece is frozen meanwhile', async () => {
    for (const at of [1, 7, 18]) {
      const destination = memory(false);
      const batches = await fill(destination, 20);
      const hashes = await collect(destination, at, () => freeze(destination));
      expect(hashes, `frozen at ${at}`).toEqual(batches.map(({ header }) => Buffer.from(header.hash)));
    }
  });

  test('names what is missing when a segment vanishes for another reason', async () => {
    const destination = memory(false);
    await fill(destination, 20);
    // Further on than what is opened ahead.
    const name = segmentName(DIRECTORY, 18);
    await expect(collect(destination, 7, () => destination.remove(name))).rejects.toMatchObject({
      errorName: 'BACKUP_FILE_NOT_EXIST',
      message: expect.stringContaining('18.obarc'),
    });
  });
});
