// Goal: whatever is damaged in whichever copy, the walk gives each batch that is whole in any of them, in order, and says
// what is missing when the next one is whole in none.
// Method: one chain of batches is written to several memory destinations, cut otherwise in each, and damaged at random from
// a printed seed; what is whole in which copy is known from where the damage was done.
import { afterEach, describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { pieceInfoFile, pieceStartFile, type SegmentInfo } from '../format/archive-info.ts';
import { pieceDirectory, pieceInfoName, pieceStartName, segmentName } from '../format/layout.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import { encodeSegmentHeader, LOG_BATCH_HEADER_BYTES, LOG_SEGMENT_HEADER_BYTES } from '../format/log-batch-header.ts';
import { toScn } from '../model/scn.ts';
import { type CopiedPiece, type LogPlace, listCopies } from './list-copies.ts';
import { dropMemoryDestination, MemoryDestination } from './memory-destination.ts';
import { walkCopies } from './walk-copies.ts';

const PAGE_BYTES = 512;
const CLUSTER = '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11';
const owner = { clusterUuid: CLUSTER, tenantId: 1002 };
const ROUNDS = Number(process.env.WALK_COPIES_ROUNDS ?? 150);
/** Each found something once: every copy cut between two batches of a frozen piece; a damaged header behind a torn append. */
const KEPT_SEEDS = [443_669_972, 444_370_344];
const FIRST_SEED = Number(process.env.WALK_COPIES_SEED ?? Date.now() % 1e9);
const seeds = [...KEPT_SEEDS, ...Array.from({ length: ROUNDS }, (_, n) => FIRST_SEED + n)];

/** A small generator of whole numbers, so that a failing case can be repeated from its seed. */
function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Batch = ReturnType<typeof encodeLogBatch>;

/** @param fill what its page holds; its commit is as much later */
function batchAfter(before: Batch | undefined, fill = 0): Batch {
  const batchNo = (before?.header.batchNo ?? 0) + 1;
  const scn = toScn(BigInt(batchNo) * 1_000_000n + BigInt(fill));
  return encodeLogBatch({
    owner: { ...owner, roundId: 1 },
    batchNo,
    prevHash: before?.header.hash ?? new Uint8Array(32),
    checkpointScn: scn,
    pageSize: PAGE_BYTES,
    position: new Uint8Array(8),
    commits: [
      {
        ...{ scn, databasePages: 4, checksum: 0n },
        ...{
          pages: Uint32Array.of(1),
          hashes: BigUint64Array.of(1n),
          images: [Buffer.alloc(PAGE_BYTES, batchNo + fill)],
        },
      },
    ],
    compressionLevel: 1,
  });
}

function chainOf(count: number): Batch[] {
  const batches: Batch[] = [];
  while (batches.length < count) batches.push(batchAfter(batches.at(-1)));
  return batches;
}

/** A segment as it was written, and where each batch lies in it. */
interface Written {
  object: string;
  bytes: Buffer;
  spans: Array<{ batchNo: number; from: number; to: number }>;
}

const archiveOwner = {
  cluster: { name: 'c1', id: 1, uuid: CLUSTER },
  tenant: { id: 1002, name: 'app', mode: 'mysql', timeZone: '+00:00' },
  engine: { engine: 'fake', version: 'fake-1' },
} as const;

class Copy {
  readonly destination: MemoryDestination;
  readonly id: string;
  readonly destId: number;
  readonly segments: Written[] = [];
  readonly #sound: Written[] = [];

  constructor(seed: number, number: number, canAppend: boolean) {
    this.id = `walk-copies-${seed}-${number}`;
    this.destId = 1001 + number;
    this.destination = new MemoryDestination(this.id, { append: canAppend });
  }

  /** @param cut whether a segment ends behind a batch */
  async write(pieces: readonly Batch[][], of: { cut: () => boolean; isLastFrozen: boolean }): Promise<void> {
    let before: Batch | undefined;
    for (const [index, batches] of pieces.entries()) {
      const ref = { destId: this.destId, roundId: 1, pieceId: index + 1 };
      const startScn = toScn(BigInt((before?.header.batchNo ?? 0) + 1) * 1_000_000n - 500_000n);
      const endScn = toScn(BigInt(batches.at(-1)!.header.batchNo) * 1_000_000n + 500_000n);
      const start = {
        ...archiveOwner,
        ...ref,
        startScn,
        endScn,
        createdNs: 1n,
        prevBatchHash: before?.header.hash ?? null,
      };
      await this.destination.put(pieceStartName(ref, startScn), pieceStartFile.encode(start));
      const infos: SegmentInfo[] = [];
      for (let at = 0; at < batches.length; ) {
        const own: Batch[] = [batches[at++]!];
        while (at < batches.length && !of.cut()) own.push(batches[at++]!);
        infos.push(await this.#segment(ref, infos.length + 1, own, before));
        before = own.at(-1);
      }
      if (index === pieces.length - 1 && !of.isLastFrozen) continue;
      const scns = { startScn, endScn, checkpointScn: endScn, maxScn: startScn, createdNs: 1n, frozenNs: 2n };
      const hashes = { firstBatchHash: batches[0]!.header.hash, lastBatchHash: before!.header.hash };
      const info = { ...archiveOwner, ...ref, ...scns, ...hashes, segments: infos, inputBytes: 0n, outputBytes: 0n };
      await this.destination.put(pieceInfoName(ref), pieceInfoFile.encode(info));
    }
  }

  async #segment(
    ref: { destId: number; roundId: number; pieceId: number },
    segmentNo: number,
    batches: readonly Batch[],
    before: Batch | undefined,
  ): Promise<SegmentInfo> {
    const [first, last] = [batches[0]!.header, batches.at(-1)!.header];
    const prevHash = before?.header.hash ?? new Uint8Array(32);
    const header = encodeSegmentHeader({ ...owner, ...ref, segmentNo, firstBatchNo: first.batchNo, prevHash });
    const parts: Uint8Array[] = [header];
    const spans: Written['spans'] = [];
    let at = header.length;
    for (const { bytes, header: of } of batches) {
      spans.push({ batchNo: of.batchNo, from: at, to: at + bytes.length });
      parts.push(bytes);
      at += bytes.length;
    }
    const object = segmentName(pieceDirectory(ref), segmentNo);
    const bytes = Buffer.concat(parts);
    this.segments.push({ object, bytes, spans });
    this.#sound.push({ object, bytes, spans });
    await this.destination.put(object, bytes);
    const numbers = { firstBatchNo: first.batchNo, lastBatchNo: last.batchNo, lastBatchHash: last.hash };
    return { name: object.slice(object.indexOf('/') + 1), size: bytes.length, sha256: null, ...numbers };
  }

  /** Damages one segment. @returns numbers of the batches that this copy has no more */
  async damage(random: (below: number) => number): Promise<number[]> {
    // Each segment once: damage to what is damaged may mend it.
    const [segment] = this.#sound.splice(random(this.#sound.length), 1);
    if (!segment) return [];
    const { object, bytes, spans } = segment;
    await this.destination.remove(object);
    const how = random(4);
    if (how === 0) return spans.map(({ batchNo }) => batchNo);
    const changed = Buffer.from(bytes);
    let at: number;
    let lost: number[];
    if (how === 1) {
      at = random(bytes.length);
      lost = spans.filter(({ to }) => to > at).map(({ batchNo }) => batchNo);
      await this.destination.put(object, changed.subarray(0, at));
      return lost;
    }
    if (how === 2) {
      at = random(LOG_SEGMENT_HEADER_BYTES);
      lost = [];
    } else {
      const { batchNo, from } = spans[random(spans.length)]!;
      at = from + random(LOG_BATCH_HEADER_BYTES);
      lost = [batchNo];
    }
    if (at < changed.length) changed[at] = changed[at]! ^ (1 + random(255));
    await this.destination.put(object, changed);
    return lost;
  }
}

const dropped: string[] = [];
afterEach(() => {
  for (const id of dropped.splice(0)) dropMemoryDestination(id);
});

async function walkAll(places: readonly LogPlace[], pieces: readonly CopiedPiece[]) {
  const numbers: number[] = [];
  try {
    const options = { owner, verifyImages: 'all' } as const;
    for await (const { header } of walkCopies(places, pieces, undefined, options)) numbers.push(header.batchNo);
    return { numbers, error: undefined };
  } catch (error) {
    if (error instanceof HoldfastError) return { numbers, error };
    throw error;
  }
}

async function makeCopies(seed: number, random: (below: number) => number, isLastFrozen: boolean) {
  const batches = chainOf(2 + random(9));
  const pieces: Batch[][] = [[]];
  for (const batch of batches) {
    if (pieces.at(-1)!.length > 0 && random(4) === 0) pieces.push([]);
    pieces.at(-1)!.push(batch);
  }
  const copies = Array.from({ length: 2 + random(2) }, (_, number) => new Copy(seed, number, random(2) === 0));
  for (const copy of copies) {
    dropped.push(copy.id);
    const every = 1 + random(4);
    await copy.write(pieces, { cut: () => random(every) === 0, isLastFrozen });
  }
  return { batches, copies };
}

describe('a walk over copies', () => {
  test.each(seeds)('gives every batch that any copy has, seed %i', async (seed) => {
    const random = createRandom(seed);
    const isLastFrozen = random(3) > 0;
    const { batches, copies } = await makeCopies(seed, random, isLastFrozen);
    const lost = copies.map(() => new Set<number>());
    for (let hits = random(5); hits > 0; hits--) {
      const number = random(copies.length);
      for (const batchNo of await copies[number]!.damage(random)) lost[number]!.add(batchNo);
    }
    const places = copies.map(({ destination, id: shown }) => ({ destination, shown, only: null }));
    const { pieces } = await listCopies(places);
    const { numbers, error } = await walkAll(places, pieces);
    const whole = batches.findIndex((_, place) => lost.every((of) => of.has(place + 1)));
    const reachable = whole < 0 ? batches.length : whole;
    expect(numbers, `seed ${seed} ${error?.message ?? ''}`).toEqual(
      Array.from({ length: reachable }, (_, place) => place + 1),
    );
    if (!isLastFrozen) return;
    if (reachable === batches.length) expect(error, `seed ${seed}`).toBeUndefined();
    else expect(error?.code, `seed ${seed}`).toBeOneOf([9010, 9011]);
  });

  test('never takes what was superseded for the batch that is damaged', async () => {
    const batches = chainOf(3);
    const [superseded, counted] = [batchAfter(batches[2], 1), batchAfter(batches[2], 2)];
    const copies = [0, 1].map((number) => new Copy(0, number, false));
    for (const { destination, destId, id } of copies) {
      dropped.push(id);
      const ref = { destId, roundId: 1, pieceId: 1 };
      const put = async (segmentNo: number, of: Batch[], generation: number, prevGeneration = generation) => {
        const [{ batchNo: firstBatchNo, prevHash }] = [of[0]!.header];
        const facts = { segmentNo, firstBatchNo, prevHash, generation, prevGeneration };
        const header = encodeSegmentHeader({ ...owner, ...ref, ...facts });
        const bytes = Buffer.concat([header, ...of.map((batch) => batch.bytes)]);
        // In both copies.
        if (generation === 2) bytes[header.length + 20]! ^= 1;
        await destination.put(segmentName(pieceDirectory(ref), segmentNo), bytes);
      };
      const scns = { startScn: toScn(1n), endScn: toScn(9_000_000n), createdNs: 1n };
      const start = pieceStartFile.encode({ ...archiveOwner, ...ref, ...scns, prevBatchHash: null });
      await destination.put(pieceStartName(ref, scns.startScn), start);
      await put(1, batches, 1);
      await put(2, [superseded], 1);
      await put(3, [counted], 2, 1);
    }
    const places = copies.map(({ destination, id: shown }) => ({ destination, shown, only: null }));
    const { pieces } = await listCopies(places);
    const { numbers, error } = await walkAll(places, pieces);
    expect(numbers).toEqual([1, 2, 3]);
    expect(error?.code).toBe(9010);
  });

  test('follows the copy that goes further, and reads nothing twice', async () => {
    const random = createRandom(1);
    const { batches, copies } = await makeCopies(0, random, false);
    const behind = copies[0]!;
    for (const { object } of behind.segments.slice(1)) await behind.destination.remove(object);
    const places = copies.map(({ destination, id: shown }) => ({ destination, shown, only: null }));
    const { numbers, error } = await walkAll(places, (await listCopies(places)).pieces);
    expect(error).toBeUndefined();
    expect(numbers).toEqual(batches.map(({ header }) => header.batchNo));
  });
});
