// The log of one round at one copy: the batches of the leading destination in own segments, with the numbers of its rounds,
// pieces and batches, so that a reader can change from one to the other at any batch.
// Where it stands is what lies there; a piece's row is durable before its first object.
import { assert } from '../../base/assert.ts';
import { sameBytes } from '../../base/bytes.ts';
import { fail, isFailure } from '../../base/errors.ts';
import { listPiece, readRoundEnd, readRoundStart } from '../../destination/archive-listing.ts';
import { walkPiece } from '../../destination/archive-reader.ts';
import { type ChainPosition, roundStartPosition } from '../../destination/batch-chain.ts';
import type { Destination } from '../../destination/destination.ts';
import type { CapturedBatch } from '../../engine/engine-driver.ts';
import type { RoundStartInfo } from '../../format/archive-info.ts';
import { readLogBatchHeader } from '../../format/log-batch-header.ts';
import type { Lease } from '../../lease/lease-service.ts';
import type { PieceCopy, RoundCopy } from '../../model/archive-copy.ts';
import { type ArchivePiece, pieceAtStart } from '../../model/archive-round.ts';
import { parseDestinationUri } from '../../model/destination-uri.ts';
import { later, SCN_NONE, type Scn } from '../../model/scn.ts';
import type { ArchiveContext } from '../archive-context.ts';
import { writePieceStart, writeRoundEnd, writeRoundStart } from '../archive-files.ts';
import { archiveOwner, FOREIGN_ROUND, leaseArchive, segmentOwner } from '../archive-owner.ts';
import { freezePiece } from '../freeze-piece.ts';
import { checkArchiveDestination, findLogTail, type LogTail } from '../log-tail.ts';
import { newSegmentWriter } from '../segment-numbers.ts';
import type { SegmentWriter, WrittenBatch } from '../segment-writer.ts';
import type { FollowedBatch } from './read-leading.ts';

const NS_PER_US = 1000n;

/** What the copy holds is not, or may not be, a part of the leading destination's log. */
export class CopyForked extends Error {}

export class CopyLog {
  readonly #context: ArchiveContext;
  readonly #destination: Destination;
  readonly #lease: Lease;
  readonly #copy: RoundCopy;
  readonly #start: RoundStartInfo;
  #piece: PieceCopy | undefined;
  #writer: SegmentWriter | undefined;
  #position: ChainPosition | undefined;
  /** Piece that the last batch lies in. */
  #tailPieceId: number | undefined;
  /** As it was found: behind the position lies what counts no more, if anything. */
  readonly #found: LogTail | undefined;
  /** The start of the newest piece is there. */
  #isAnnounced: boolean;
  #checkpointScn: Scn;
  #inputBytes: bigint;
  #outputBytes: bigint;

  private constructor(
    context: ArchiveContext,
    of: {
      destination: Destination;
      lease: Lease;
      copy: RoundCopy;
      start: RoundStartInfo;
      piece: PieceCopy | undefined;
      tail: LogTail | undefined;
    },
  ) {
    this.#context = context;
    this.#destination = of.destination;
    this.#lease = of.lease;
    this.#copy = of.copy;
    this.#start = of.start;
    this.#piece = of.piece;
    const { tail } = of;
    this.#found = tail;
    this.#position = tail && { batchNo: tail.position.batchNo, hash: tail.position.batchHash };
    this.#tailPieceId = tail?.pieceId;
    this.#isAnnounced = of.piece?.status === 'FROZEN' || of.piece?.pieceId === tail?.pieceId;
    this.#checkpointScn = tail?.position.scn ?? of.start.startScn;
    this.#inputBytes = of.copy.inputBytes;
    this.#outputBytes = of.copy.outputBytes;
  }

  /**
   * Opens a copy where it says itself that it stands; writes the start of the round there when it has none.
   * @param of.leading where the round's start is read when the copy has none
   * @throws 9070, 9071, 9080, 9081 while the copy is away; 9010, 9011 when it is damaged; CopyForked;
   *         DESTINATION_HELD (4038) when another server writes there
   */
  static async open(context: ArchiveContext, of: { copy: RoundCopy; leading: Destination; leadingDestId: number }) {
    const { store } = context;
    const { tenantId, roundId, destId } = of.copy;
    const owner = segmentOwner(context, tenantId);
    const destination = context.openDestination(parseDestinationUri(of.copy.uri), tenantId);
    try {
      await checkArchiveDestination(destination, owner);
      const lease = await leaseArchive(context, destination, of.copy);
      if (context.leases.isForeignRound(tenantId, of.copy)) throw new CopyForked(FOREIGN_ROUND);
      const start = await ensureStart(destination, of);
      const pieces = store.pieceCopies.find({ tenantId, roundId, destId });
      const last = pieces.at(-1);
      const { basePieceId } = of.copy;
      const range = { basePieceId: pieces[0]?.pieceId ?? basePieceId, usedPieceId: last?.pieceId ?? basePieceId };
      const tail = await findLogTail(destination, { destId, roundId, ...range }, owner);
      return new CopyLog(context, { ...of, destination, lease, start, piece: last, tail });
    } catch (error) {
      await destination[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The last batch there; undefined when there is none. */
  get position(): ChainPosition | undefined {
    return this.#position;
  }

  /** The piece that the last batch lies in; undefined before the first. */
  get tailPieceId(): number | undefined {
    return this.#tailPieceId;
  }

  get canAppend(): boolean {
    return this.#destination.can.append;
  }

  get figures(): { checkpointScn: Scn; inputBytes: bigint; outputBytes: bigint } {
    return { checkpointScn: this.#checkpointScn, inputBytes: this.#inputBytes, outputBytes: this.#outputBytes };
  }

  /** Hashes of the batches of the last piece by number, and of the one that they go on from. */
  async tailHashes(): Promise<Map<number, Uint8Array>> {
    const hashes = new Map<number, Uint8Array>();
    const pieceId = this.#tailPieceId;
    if (pieceId === undefined) return hashes;
    const { destId, roundId } = this.#copy;
    const piece = await listPiece(this.#destination, { destId, roundId, pieceId });
    const owner = segmentOwner(this.#context, this.#copy.tenantId);
    const options = { owner, acceptsClosed: true, acceptsDamagedTail: true };
    for await (const { header } of walkPiece(this.#destination, piece, undefined, options)) {
      if (hashes.size === 0) hashes.set(header.batchNo - 1, header.prevHash);
      hashes.set(header.batchNo, header.hash);
    }
    return hashes;
  }

  /** The next batch goes into a new segment that goes on from here: what lies behind was never acknowledged. */
  async supersedeFrom(position: ChainPosition): Promise<void> {
    await this.#closeWriter();
    this.#position = position;
  }

  /**
   * Makes batches durable that follow each other.
   * @throws CopyForked when some before them are missing; BACKUP_DATA_CORRUPT (9010) when they go on from others; what the destination throws: the copy is
   *         then to be opened anew
   */
  async append(batches: readonly FollowedBatch[]): Promise<void> {
    for (const run of runsOfPieces(batches)) await this.#appendRun(run);
  }

  /**
   * Freezes what the leading destination has frozen, pieces without a batch too; every batch of them must be here. Safe
   * to repeat.
   * @param of.beforeId only pieces before this one; left out: all
   * @param of.withFreezing also what is about to be frozen there, whether that ever answers or not
   */
  async freezeFinished(of: { beforeId?: number; withFreezing?: boolean } = {}): Promise<void> {
    const { beforeId = Number.POSITIVE_INFINITY, withFreezing = false } = of;
    const { tenantId, roundId } = this.#copy;
    const newestId = this.#piece?.pieceId ?? 0;
    for (const leading of this.#context.store.pieces.find({ tenantId, roundId })) {
      const { pieceId, status, fileStatus } = leading;
      const hasEnded = status === 'FROZEN' || (withFreezing && status === 'FREEZING');
      // One that was begun here is finished, whatever became of it there.
      const isGone = pieceId !== newestId && (fileStatus === 'DELETED' || fileStatus === 'DELETING');
      if (!hasEnded || isGone || pieceId < newestId || pieceId >= beforeId) continue;
      if (this.#piece?.pieceId !== pieceId) await this.#openPiece(pieceId);
      if (this.#piece?.status === 'ACTIVE') await this.#freeze(this.#piece, leading);
    }
  }

  /**
   * Writes the end of the round as the leading destination has it. Safe to repeat.
   * @returns false when that has none: it was away when the round ended
   */
  async end(leading: Destination, leadingDestId: number): Promise<boolean> {
    const { roundId, destId, usedPieceId } = this.#copy;
    try {
      const info = await readRoundEnd(leading, { destId: leadingDestId, roundId });
      const lastPieceId = this.#piece?.pieceId ?? usedPieceId;
      await this.#lease.prove();
      await writeRoundEnd(this.#destination, { ...info, destId, lastPieceId });
      return true;
    } catch (error) {
      if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return false;
      throw error;
    }
  }

  /** To the caller's transaction: what is here, for views and for the next start. */
  persist(of: Pick<RoundCopy, 'status' | 'comment'> & { isComplete?: boolean }): void {
    const { store } = this.#context;
    const { tenantId, roundId, destId } = this.#copy;
    const { batchNo, hash } = this.#position ?? { batchNo: 0, hash: null };
    const usedPieceId = this.#piece?.pieceId ?? this.#copy.usedPieceId;
    const patch = { ...of, ...this.figures, batchNo, batchHash: hash, usedPieceId, startScn: this.#start.startScn };
    // One that was taken away meanwhile stays so.
    if (store.roundCopies.get({ tenantId, roundId, destId })?.status === 'STOP') return;
    store.roundCopies.update({ tenantId, roundId, destId }, patch);
    const piece = this.#piece;
    if (!piece || piece.status === 'FROZEN') return;
    const { pieceId, checkpointScn, maxScn, inputBytes, outputBytes } = piece;
    store.pieceCopies.update({ tenantId, pieceId, destId }, { checkpointScn, maxScn, inputBytes, outputBytes });
  }

  async close(): Promise<void> {
    try {
      await this.#closeWriter();
    } finally {
      await this.#destination[Symbol.asyncDispose]();
    }
  }

  async #appendRun(run: readonly FollowedBatch[]): Promise<void> {
    const first = run[0]!;
    const { prevHash } = readLogBatchHeader(first.bytes, `batch ${first.batchNo}`);
    this.#position ??= this.#startPosition(first, prevHash);
    const { batchNo, hash } = this.#position;
    // It was away until what comes next was deleted.
    if (first.batchNo > batchNo + 1)
      throw new CopyForked(`batches ${batchNo + 1} to ${first.batchNo - 1}, which it lacks, are not archived any more`);
    if (first.batchNo !== batchNo + 1 || !sameBytes(prevHash, hash)) {
      const because = `batch ${first.batchNo} does not go on from its batch ${batchNo}`;
      throw fail('BACKUP_DATA_CORRUPT', { object: this.#copy.uri, because });
    }
    if (this.#piece?.pieceId !== first.pieceId) {
      await this.freezeFinished({ beforeId: first.pieceId });
      await this.#openPiece(first.pieceId);
    }
    if (!this.#isAnnounced) await this.#announce();
    this.#writer ??= await this.#openWriter({ isFreezing: false });
    const written = await this.#write(this.#writer, run);
    // Written before anybody took the destination over: it counts from now on.
    await this.#lease.prove();
    this.#position = this.#writer.position;
    this.#tailPieceId = first.pieceId;
    this.#count(run, written);
  }

  /** @returns bytes written */
  async #write(writer: SegmentWriter, run: readonly FollowedBatch[]): Promise<number> {
    let bytes = 0;
    const accept = (written: WrittenBatch) => {
      writer.accept(written);
      bytes += written.bytes;
    };
    if (!this.canAppend) accept(await writer.writeAtOnce(run));
    else for (const batch of run) accept(await writer.write(batch));
    return bytes;
  }

  /** The first batch of the round, or the first one that the leading destination still has. */
  #startPosition(first: CapturedBatch, prevHash: Uint8Array): ChainPosition {
    return first.batchNo === 1 ? roundStartPosition(this.#start) : { batchNo: first.batchNo - 1, hash: prevHash };
  }

  #count(run: readonly CapturedBatch[], written: number): void {
    const piece = this.#piece;
    assert(piece, 'a batch lies in a piece');
    const plainBytes = BigInt(run.reduce((sum, batch) => sum + batch.plainBytes, 0));
    this.#inputBytes += plainBytes;
    this.#outputBytes += BigInt(written);
    const maxScn = run.reduce(
      (max, { commitCount, lastScn }) => (commitCount > 0 ? later(max, lastScn) : max),
      SCN_NONE,
    );
    this.#checkpointScn = later(this.#checkpointScn, run.at(-1)!.checkpointScn);
    this.#piece = {
      ...piece,
      maxScn: later(piece.maxScn, maxScn),
      checkpointScn:
        this.#checkpointScn < piece.endScn ? later(piece.checkpointScn, this.#checkpointScn) : piece.endScn,
      inputBytes: piece.inputBytes + plainBytes,
      outputBytes: piece.outputBytes + BigInt(written),
    };
  }

  async #openPiece(pieceId: number): Promise<void> {
    const { store, clock } = this.#context;
    const { tenantId, destId, roundId, uri } = this.#copy;
    const before = this.#piece;
    if (before && before.status !== 'FROZEN') {
      const leading = store.pieces.get({ tenantId, pieceId: before.pieceId });
      assert(leading, 'a piece that is copied is known');
      await this.#freeze(before, leading);
    }
    await this.#closeWriter();
    const leading = store.pieces.get({ tenantId, pieceId });
    assert(leading?.roundId === roundId, 'a piece that is copied is known');
    const start = { startScn: leading.startScn, createdNs: clock.nowNs() };
    const row: PieceCopy = { ...leading, destId, uri, ...pieceAtStart(start) };
    if (!store.pieceCopies.get({ tenantId, pieceId, destId })) store.pieceCopies.insert(row);
    this.#piece = row;
    this.#isAnnounced = false;
  }

  /** Before the first batch of the newest piece. */
  async #announce(): Promise<void> {
    const piece = this.#piece;
    assert(piece, 'a piece begins somewhere');
    this.#position ??= roundStartPosition(this.#start);
    const of = { piece, prevBatchHash: this.#position.hash, createdNs: piece.createdUs * NS_PER_US };
    const owner = archiveOwner(this.#context, piece.tenantId);
    await writePieceStart(this.#destination, { owner, ...of });
    this.#isAnnounced = true;
  }

  async #openWriter({ isFreezing }: { isFreezing: boolean }): Promise<SegmentWriter> {
    const piece = this.#piece;
    assert(piece && this.#position, 'a segment lies in a piece');
    const { segments, isFrozen } = await listPiece(this.#destination, piece);
    // Whatever followed its list would not count.
    if (isFrozen && !isFreezing) throw new CopyForked(`its piece ${piece.pieceId} has ended with another batch`);
    return newSegmentWriter(this.#context, {
      ...{ destination: this.#destination, piece, position: this.#position },
      lastSegmentNo: segments.at(-1)?.segmentNo ?? 0,
      generation: this.#lease.generation,
      prevGeneration: this.#found?.pieceId === piece.pieceId ? this.#found.generation : undefined,
    });
  }

  async #freeze(piece: PieceCopy, leading: ArchivePiece): Promise<void> {
    const { store } = this.#context;
    const { destId, uri, tenantId, pieceId } = piece;
    const { checkpointScn, maxScn, inputBytes } = leading;
    const frozen: PieceCopy = { ...piece, checkpointScn, maxScn, inputBytes, destId, uri };
    if (!this.#isAnnounced) await this.#announce();
    const writer = this.#writer ?? (await this.#openWriter({ isFreezing: true }));
    this.#writer = undefined;
    const outcome = await freezePiece(this.#context, {
      ...{ destination: this.#destination, piece: frozen, writer, lastBatchNo: this.#position?.batchNo ?? 0 },
      prove: () => this.#lease.prove(),
      isBroken: () => store.pieceCopies.get({ tenantId, pieceId, destId })?.fileStatus === 'BROKEN',
    });
    const patch = { checkpointScn, maxScn, inputBytes, ...outcome, status: 'FROZEN' as const };
    store.transaction(() => {
      store.pieceCopies.update({ tenantId, pieceId, destId }, patch);
      store.segmentNumbers.remove({ tenantId, destId, pieceId });
    });
    this.#piece = { ...frozen, ...patch };
  }

  async #closeWriter(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
  }
}

/** The start of the round at the copy: the leading destination's, in the copy's name. */
async function ensureStart(
  destination: Destination,
  of: { copy: RoundCopy; leading: Destination; leadingDestId: number },
): Promise<RoundStartInfo> {
  const { destId, roundId } = of.copy;
  try {
    return await readRoundStart(destination, { destId, roundId });
  } catch (error) {
    if (!isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
  }
  const start = await readRoundStart(of.leading, { destId: of.leadingDestId, roundId });
  const base = start.base && { ...start.base, destId };
  return await writeRoundStart(destination, { ...start, destId, base });
}

function* runsOfPieces(batches: readonly FollowedBatch[]): Generator<FollowedBatch[]> {
  let run: FollowedBatch[] = [];
  for (const batch of batches) {
    if (run[0] && run[0].pieceId !== batch.pieceId) {
      yield run;
      run = [];
    }
    run.push(batch);
  }
  if (run.length > 0) yield run;
}
