// Goal: whatever is missing, cut off, swapped or altered in an archive is noticed and named; an unfinished append is not
// taken for damage, and damage not for an unfinished append.
import { describe, expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import {
  pieceInfoFile,
  pieceStartFile,
  roundEndFile,
  roundStartFile,
  type SegmentInfo,
} from '../format/archive-info.ts';
import {
  pieceDirectory,
  pieceInfoName,
  pieceStartName,
  roundEndName,
  roundStartName,
  segmentName,
} from '../format/layout.ts';
import { type EncodedLogBatch, encodeLogBatch } from '../format/log-batch.ts';
import { encodeSegmentHeader } from '../format/log-batch-header.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { listPieces, listRounds } from './archive-listing.ts';
import { type LogEnd, walkPiece, walkRound } from './archive-reader.ts';
import type { ReadBatch } from './batch-chain.ts';
import { hasListedSize } from './counted-segments.ts';
import { firstCommitScn } from './find-repair.ts';
import { dropMemoryDestination, MemoryDestination } from './memory-destination.ts';

const PAGE_BYTES = 512;
const ZEROS = new Uint8Array(32);
const COMMIT = { databasePages: 1, checksum: 0n, pages: Uint32Array.of(1), hashes: BigUint64Array.of(1n) };
const uuid = '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11';
const facts = {
  cluster: { name: 'c1', id: 1, uuid },
  tenant: { id: 1002, name: 't1', mode: 'mysql' as const, timeZone: '+08:00' },
  engine: { engine: 'fake', version: '1' },
};
const owner = { clusterUuid: uuid, tenantId: 1002 };
const scn = (n: number): Scn => toScn(1_000_000n * BigInt(n));
const PIECE_SCNS = 100;
let ids = 0;

/** Builds a round's log batch by batch; one commit in each. */
class Builder {
  readonly destination = new MemoryDestination(`reader-${++ids}`);
  #last: EncodedLogBatch | undefined;
  #pieceId = 0;
  #segmentNo = 0;
  #bytes = new Uint8Array(0);
  #infos: SegmentInfo[] = [];

  get ref() {
    return { destId: 1001, roundId: 1, pieceId: this.#pieceId };
  }

  get position() {
    return { batchNo: this.#last?.header.batchNo ?? 0, hash: this.#last?.header.hash ?? ZEROS };
  }

  async begin(): Promise<this> {
    const info = { ...facts, destId: 1001, roundId: 1, startScn: scn(0), basePieceId: 1, createdNs: 1n, base: null };
    await this.destination.put(roundStartName(info), roundStartFile.encode({ ...info, pieceSwitchIntervalUs: 1n }));
    return this;
  }

  async piece(): Promise<this> {
    this.#pieceId++;
    this.#segmentNo = 0;
    this.#infos = [];
    const startScn = scn((this.#pieceId - 1) * PIECE_SCNS);
    const endScn = scn(this.#pieceId * PIECE_SCNS);
    const prevBatchHash = this.#last?.header.hash ?? null;
    const info = { ...facts, ...this.ref, startScn, endScn, createdNs: 1n, prevBatchHash };
    await this.destination.put(pieceStartName(this.ref, startScn), pieceStartFile.encode(info));
    return this;
  }

  /** A segment with so many batches. */
  async segment(count: number, over: { continues?: { batchNo: number; hash: Uint8Array } } = {}): Promise<this> {
    const { batchNo, hash } = over.continues ?? this.position;
    this.#segmentNo++;
    const parts = [
      encodeSegmentHeader({
        ...owner,
        ...this.ref,
        segmentNo: this.#segmentNo,
        firstBatchNo: batchNo + 1,
        prevHash: hash,
      }),
    ];
    let before = { batchNo, hash };
    for (let i = 0; i < count; i++) {
      const batch = this.batch(before);
      before = { batchNo: batch.header.batchNo, hash: batch.header.hash };
      parts.push(batch.bytes);
      this.#last = batch;
    }
    this.#bytes = new Uint8Array(Buffer.concat(parts));
    await this.destination.put(this.name(), this.#bytes);
    const name = this.name().slice(pieceDirectory(this.ref).length + 1);
    const numbers = { firstBatchNo: batchNo + 1, lastBatchNo: before.batchNo, lastBatchHash: before.hash };
    if (count > 0) this.#infos.push({ name, size: this.#bytes.length, sha256: null, ...numbers });
    return this;
  }

  batch(before: { batchNo: number; hash: Uint8Array }, text = 'x'): EncodedLogBatch {
    const batchNo = before.batchNo + 1;
    const at = scn((this.#pieceId - 1) * PIECE_SCNS + batchNo);
    const image = Buffer.alloc(PAGE_BYTES, `${text}${batchNo} `);
    return encodeLogBatch({
      owner: { ...owner, roundId: 1 },
      batchNo,
      prevHash: before.hash,
      checkpointScn: at,
      pageSize: PAGE_BYTES,
      position: new Uint8Array(8),
      commits: [{ ...COMMIT, scn: at, images: [image] }],
      compressionLevel: 1,
    });
  }

  name(segmentNo = this.#segmentNo): string {
    return segmentName(pieceDirectory(this.ref), segmentNo);
  }

  async freeze(over: { segments?: SegmentInfo[] } = {}): Promise<this> {
    const startScn = scn((this.#pieceId - 1) * PIECE_SCNS);
    const endScn = scn(this.#pieceId * PIECE_SCNS);
    const scns = { startScn, endScn, checkpointScn: endScn, maxScn: startScn };
    const segments = over.segments ?? this.#infos;
    const lastBatchHash = segments.at(-1)?.lastBatchHash ?? null;
    const rest = { inputBytes: 0n, outputBytes: 0n, firstBatchHash: null, lastBatchHash, createdNs: 1n, frozenNs: 1n };
    const info = { ...facts, ...this.ref, ...scns, segments, ...rest };
    await this.destination.put(pieceInfoName(this.ref), pieceInfoFile.encode(info));
    return this;
  }

  async end(): Promise<this> {
    const rest = { checkpointScn: scn(999), basePieceId: 1, lastPieceId: this.#pieceId, endedNs: 1n, comment: '' };
    const info = { ...facts, destId: 1001, roundId: 1, startScn: scn(0), ...rest, status: 'STOP' as const };
    await this.destination.put(roundEndName(info), roundEndFile.encode(info));
    return this;
  }

  /** Replaces an object. */
  async alter(name: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
    const bytes = Buffer.from(await this.destination.get(name));
    await this.destination.remove(name);
    await this.destination.put(name, change(bytes));
  }
}

async function drain(walk: AsyncGenerator<ReadBatch, LogEnd>): Promise<{ numbers: number[]; end: LogEnd }> {
  const numbers: number[] = [];
  for (;;) {
    const step = await walk.next();
    if (step.done) return { numbers, end: step.value };
    numbers.push(step.value.header.batchNo);
  }
}

async function readRound(builder: Builder, options: { fromPieceId?: number } = {}) {
  const [round] = await listRounds(builder.destination);
  return await drain(walkRound(builder.destination, round!, options));
}

/** Batches 1 to 4 in a frozen piece of two segments, 5 to 7 in a frozen piece of one, 8 to 9 in an active one. */
async function threePieces(): Promise<Builder> {
  const builder = await new Builder().begin();
  await builder
    .piece()
    .then(() => builder.segment(2))
    .then(() => builder.segment(2))
    .then(() => builder.freeze());
  await builder
    .piece()
    .then(() => builder.segment(3))
    .then(() => builder.freeze());
  await builder.piece().then(() => builder.segment(2));
  return builder;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const missing = (file: string) => (error: unknown) =>
  isFailure(error, 'BACKUP_FILE_NOT_EXIST') && (error.facts as { file: string }).file === file;
const damaged = (object: string) => (error: unknown) =>
  isFailure(error, 'BACKUP_DATA_CORRUPT') && (error.facts as { object: string }).object === object;
const p1 = (no: number) => segmentName('piece_d1001r1p1', no);
const p2 = (no: number) => segmentName('piece_d1001r1p2', no);
const p3 = (no: number) => segmentName('piece_d1001r1p3', no);

describe('the log of a round', () => {
  test('is read whole, across segments and pieces', async () => {
    const builder = await threePieces();
    const { numbers, end } = await readRound(builder);
    expect(numbers).toEqual(upTo(9));
    expect(end.position).toEqual(builder.position);
    expect(end.torn).toBeUndefined();
    expect((await listPieces(builder.destination)).map((piece) => [piece.pieceId, piece.isFrozen])).toEqual([
      [1, true],
      [2, true],
      [3, false],
    ]);
  });

  test('is read from a piece on', async () => {
    const builder = await threePieces();
    expect((await readRound(builder, { fromPieceId: 2 })).numbers).toEqual([5, 6, 7, 8, 9]);
    const [, second] = await listPieces(builder.destination);
    const walk = walkPiece(builder.destination, second!, undefined, { owner });
    expect((await drain(walk)).numbers).toEqual([5, 6, 7]);
  });

  test('is read to its end after the round ended', async () => {
    const builder = await threePieces();
    await builder.freeze().then(() => builder.end());
    expect((await readRound(builder)).numbers).toEqual(upTo(9));
  });

  test('tells its first commit whatever became of the piece behind it', async () => {
    const builder = await new Builder().begin();
    await builder.piece().then(() => builder.segment(1));
    await builder.freeze();
    await builder.piece().then(() => builder.segment(1));
    await builder.alter(p2(1), (old) => old.fill(0, 0, 100));
    const pieces = await listPieces(builder.destination);
    expect(await firstCommitScn(builder.destination, pieces, { owner })).toBe(scn(1));
    const behind = firstCommitScn(builder.destination, pieces.slice(1), { owner });
    await expect(behind).rejects.toSatisfy(damaged(p2(1)));
  });

  test('may be empty', async () => {
    const builder = await new Builder().begin();
    await builder.piece();
    const { numbers, end } = await readRound(builder);
    expect(numbers).toEqual([]);
    expect(end).toMatchObject({ position: { batchNo: 0 }, last: undefined, torn: undefined });
  });
});

describe('an append that never finished', () => {
  test('ends the log of an active piece, at every length', async () => {
    const whole = await threePieces();
    const bytes = Buffer.from(await whole.destination.get(p3(1)));
    const cuts = [0, 1, 191, 192, 193, 600, bytes.length - 1];
    for (const cut of cuts) {
      const builder = await threePieces();
      await builder.alter(p3(1), (old) => old.subarray(0, cut));
      const { numbers, end } = await readRound(builder);
      expect(numbers.length, `cut at ${cut}`).toBe(cut < bytes.length - 1 ? 7 : 8);
      if (cut !== 192) expect(end.torn?.object, `cut at ${cut}`).toBe(p3(1));
      dropMemoryDestination((builder.destination.spec as { id: string }).id);
    }
  });

  test('may have left zeros where its bytes should be', async () => {
    const builder = await threePieces();
    await builder.alter(p3(1), (old) => Buffer.concat([old, Buffer.alloc(5000)]));
    const { numbers, end } = await readRound(builder);
    expect(numbers).toEqual(upTo(9));
    expect(end.torn?.object).toBe(p3(1));
  });

  test('is passed over when the next segment goes on from the batch before it', async () => {
    const builder = await threePieces();
    await builder.alter(p3(1), (old) => Buffer.concat([old, Buffer.from('HFLOGBAT'), Buffer.alloc(100, 7)]));
    await builder.segment(0).then(() => builder.alter(p3(2), () => Buffer.alloc(0)));
    await builder.segment(2);
    expect((await readRound(builder)).numbers).toEqual(upTo(11));
  });

  test('that landed all the same is given back once', async () => {
    const builder = await threePieces();
    const { position } = builder;
    const again = builder.batch(position);
    await builder.alter(p3(1), (old) => Buffer.concat([old, again.bytes]));
    await builder.segment(2, { continues: position });
    expect((await readRound(builder)).numbers).toEqual(upTo(11));
  });

  test('that landed and was replaced by another batch is not given back', async () => {
    const builder = await threePieces();
    const { position } = builder;
    const other = builder.batch(position, 'other');
    await builder.alter(p3(1), (old) => Buffer.concat([old, other.bytes]));
    await builder.segment(1, { continues: position });
    const [round] = await listRounds(builder.destination);
    const hashes: string[] = [];
    for await (const { header } of walkRound(builder.destination, round!))
      hashes.push(Buffer.from(header.hash).toString('hex'));
    expect(hashes).toHaveLength(10);
    expect(hashes).not.toContain(Buffer.from(other.header.hash).toString('hex'));
  });

  test('that lands after its piece was frozen is passed over, but only in a segment known to be torn', async () => {
    const builder = await threePieces();
    const late = builder.batch(builder.position).bytes;
    await builder.freeze().then(() => builder.end());
    await builder.alter(p2(1), (old) => Buffer.concat([old, late]));
    await builder.alter(p3(1), (old) => Buffer.concat([old, late.subarray(0, 100)]));
    expect((await readRound(builder)).numbers).toEqual(upTo(9));
    const listed = { size: 10, sha256: new Uint8Array(32) } as SegmentInfo;
    const found = (sizeBytes: number) => ({ segmentNo: 1, name: p2(1), sizeBytes });
    const isGood = (sizeBytes: number, sha256: Uint8Array | null) =>
      hasListedSize(found(sizeBytes), { ...listed, sha256 });
    expect([9, 10, 11].map((size) => isGood(size, listed.sha256))).toEqual([false, true, false]);
    expect([9, 10, 11].map((size) => isGood(size, null))).toEqual([false, true, true]);
  });

  test('that landed stays when the segment that repeats it has no batch', async () => {
    const builder = await threePieces();
    const { position } = builder;
    const again = builder.batch(position);
    await builder.alter(p3(1), (old) => Buffer.concat([old, again.bytes]));
    await builder.segment(0, { continues: position });
    const next = { batchNo: again.header.batchNo, hash: again.header.hash };
    await builder.segment(1, { continues: next });
    expect((await readRound(builder)).numbers).toEqual(upTo(11));
  });
});

describe('damage and loss', () => {
  const expectFailure = async (
    change: (builder: Builder) => Promise<unknown>,
    check: (error: unknown) => boolean,
    before?: number[],
  ) => {
    const builder = await threePieces();
    await change(builder);
    const numbers: number[] = [];
    const reading = (async () => {
      const [round] = await listRounds(builder.destination);
      for await (const { header } of walkRound(builder.destination, round!)) numbers.push(header.batchNo);
    })();
    await expect(reading).rejects.toSatisfy(check);
    if (before) expect(numbers).toEqual(before);
  };

  test('a missing segment of a frozen piece is named', () =>
    expectFailure((b) => b.destination.remove(p1(2)), missing(p1(2))));

  test('a missing segment of an active piece is named', () =>
    expectFailure(
      async (b) => {
        await b.segment(1).then(() => b.segment(1));
        await b.destination.remove(p3(2));
      },
      missing(p3(2)),
    ));

  test('a missing piece is named, after what comes before it', () =>
    expectFailure(
      async (b) => {
        for (const { name } of await b.destination.list('piece_d1001r1p2')) await b.destination.remove(name);
        const pieces = await b.destination.list('pieces');
        for (const { name } of pieces) if (name.includes('p2_')) await b.destination.remove(name);
      },
      missing('piece_d1001r1p2/single_piece_info.obarc'),
      [1, 2, 3, 4],
    ));

  test('a missing last piece of a round that ended is named', () =>
    expectFailure(async (b) => {
      await b.freeze().then(() => b.end());
      for (const { name } of await b.destination.list('piece_d1001r1p3')) await b.destination.remove(name);
      for (const { name } of await b.destination.list('pieces'))
        if (name.includes('p3_')) await b.destination.remove(name);
    }, missing('piece_d1001r1p3/single_piece_info.obarc')));

  test('a missing start of the round is named', () =>
    expectFailure(
      (b) => b.destination.remove('rounds/round_d1001r1_start.obarc'),
      missing('rounds/round_d1001r1_start.obarc'),
    ));

  test('a truncated segment is named', async () => {
    await expectFailure((b) => b.alter(p1(1), (old) => old.subarray(0, old.length - 1)), damaged(p1(1)));
    const noInfo = async (b: Builder, cut: number) => {
      await b.destination.remove('piece_d1001r1p1/single_piece_info.obarc');
      await b.alter(p1(1), (old) => old.subarray(0, old.length - cut));
    };
    await expectFailure((b) => noInfo(b, 1), damaged(p1(1)));
    const batchBytes = (await threePieces()).batch({ batchNo: 1, hash: ZEROS }).bytes.length;
    await expectFailure((b) => noInfo(b, batchBytes), damaged(p1(1)));
  });

  test('a segment of zero bytes in the middle is named', () =>
    expectFailure(
      async (b) => {
        await b.segment(1);
        await b.alter(p3(1), () => new Uint8Array(0));
      },
      damaged(p3(1)),
    ));

  test('swapped segments are named', () =>
    expectFailure(
      async (b) => {
        const [one, two] = [await b.destination.get(p1(1)), await b.destination.get(p1(2))];
        await b.alter(p1(1), () => two);
        await b.alter(p1(2), () => one);
      },
      damaged(p1(1)),
    ));

  test('a segment of another piece is named', () =>
    expectFailure(
      async (b) => {
        const other = await b.destination.get(p2(1));
        await b.alter(p3(1), () => other);
      },
      damaged(p3(1)),
    ));

  test('a batch altered before others is named, however the piece stands', async () => {
    const flip = (at: number) => (old: Buffer) => {
      old[at] = old[at]! ^ 1;
      return old;
    };
    await expectFailure((b) => b.alter(p1(1), flip(250)), damaged(p1(1)));
    await expectFailure((b) => b.alter(p3(1), flip(250)), damaged(p3(1)));
    await expectFailure((b) => b.alter(p1(1), flip(20)), damaged(p1(1)));
    await expectFailure((b) => b.alter(p2(1), flip(20)), damaged(p2(1)));
  });

  test('a damaged segment behind an append that never finished is no unfinished append', () =>
    expectFailure(
      async (b) => {
        await b.alter(p3(1), (old) => Buffer.concat([old, Buffer.from('HFLOGBAT'), Buffer.alloc(100, 7)]));
        await b.segment(2);
        await b.alter(p3(2), (old) => {
          old[20] = old[20]! ^ 1;
          return old;
        });
      },
      damaged(p3(2)),
    ));

  test('a last batch that is whole but altered is damage, unless it can be archived again', async () => {
    for (const place of ['header', 'image'] as const) {
      const builder = await threePieces();
      await builder.alter(p3(1), (old) => {
        const at = place === 'header' ? old.lastIndexOf('HFLOGBAT') + 100 : old.length - 2;
        old[at] = old[at]! ^ 1;
        return old;
      });
      await expect(readRound(builder)).rejects.toSatisfy(damaged(p3(1)));
      const piece = (await listPieces(builder.destination))[2]!;
      const lenient = walkPiece(builder.destination, piece, undefined, { owner, acceptsDamagedTail: true });
      expect((await drain(lenient)).numbers).toEqual([8]);
    }
  });

  test('a log of another tenant or cluster is refused', async () => {
    const builder = await threePieces();
    const piece = (await listPieces(builder.destination))[2]!;
    for (const other of [
      { ...owner, tenantId: 1004 },
      { ...owner, clusterUuid: '00000000-0d0e-4d1c-9a57-1b8a0a3d9d11' },
    ]) {
      const walk = walkPiece(builder.destination, piece, undefined, { owner: other });
      await expect(drain(walk)).rejects.toSatisfy(damaged(p3(1)));
    }
  });

  test('the first segments of a piece that is read alone are missed', async () => {
    const builder = await threePieces();
    await builder.segment(1);
    await builder.destination.remove(p3(1));
    await expect(readRound(builder, { fromPieceId: 3 })).rejects.toSatisfy(missing(p3(1)));
  });

  test('no single altered byte of a frozen piece goes unnoticed', async () => {
    const builder = await threePieces();
    await builder.freeze().then(() => builder.end());
    const name = p2(1);
    const original = Buffer.from(await builder.destination.get(name));
    const [round] = await listRounds(builder.destination);
    for (let at = 0; at < original.length; at++) {
      await builder.alter(name, () => {
        const bytes = Buffer.from(original);
        bytes[at] = bytes[at]! ^ 0x40;
        return bytes;
      });
      const walk = walkRound(builder.destination, round!, { verifyImages: 'all' });
      await expect(drain(walk), `byte ${at}`).rejects.toSatisfy((error) => isFailure(error, 'BACKUP_DATA_CORRUPT'));
    }
  });
});
