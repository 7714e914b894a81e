// Prints archive rounds, pieces, segments and batches. Every header and table is read and checked, no page image.
import { hexOf } from '../base/bytes.ts';
import {
  type ArchivedPiece,
  listArchive,
  listPiece,
  listPieces,
  readPieceInfo,
  readPieceStart,
  readRoundEnd,
  readRoundStart,
} from '../destination/archive-listing.ts';
import { type LogEnd, walkPiece } from '../destination/archive-reader.ts';
import { type ChainPosition, type ReadBatch, roundStartPosition } from '../destination/batch-chain.ts';
import { checksumText } from '../destination/roll-page-map.ts';
import type { ArchiveOwner, PieceInfo, PieceStartInfo, RoundStartInfo } from '../format/archive-info.ts';
import { type PieceRef, pieceInfoName, type RoundRef, roundEndName, roundStartName } from '../format/layout.ts';
import type { LogBatchTable, LogCommit } from '../format/log-batch-table.ts';
import { type Inspection, ownerText, scnText } from './inspection.ts';
import { block, line } from './item.ts';

/** Pages of a commit that are named; more are counted. */
const PAGES_SHOWN_MAX = 32;
const UTC = '+00:00';

/** Whom a log belongs to and in which zone its times are shown. */
interface LogFacts {
  owner: { clusterUuid: string; tenantId: number };
  timeZone: string;
}

const factsOf = ({ cluster, tenant }: ArchiveOwner): LogFacts => ({
  owner: { clusterUuid: cluster.uuid, tenantId: tenant.id },
  timeZone: tenant.timeZone,
});

/** Every round of the destination. */
export async function inspectRounds(inspection: Inspection): Promise<void> {
  const { destination } = inspection;
  const listing = await listArchive(destination);
  const isOf = (ref: RoundRef) => (piece: PieceRef) => piece.destId === ref.destId && piece.roundId === ref.roundId;
  for (const ref of listing.rounds) {
    const start = await inspectRoundStart(inspection, ref);
    if (listing.hasEnd(ref)) await inspectRoundEnd(inspection, ref);
    let from = start ? roundStartPosition(start) : undefined;
    for (const [index, piece] of listing.pieces.filter(isOf(ref)).entries()) {
      const isFirst = index === 0 && piece.pieceId === start?.basePieceId;
      if (index === 0 && !isFirst) from = undefined;
      from = await inspectPiece(inspection, piece, { from, isWithBatches: false });
    }
  }
  const orphan = listing.pieces.find((piece) => !listing.rounds.some((ref) => isOf(ref)(piece)));
  if (orphan) await inspection.damage(roundStartName(orphan), 'it is missing');
}

export async function inspectRoundStart(inspection: Inspection, ref: RoundRef): Promise<RoundStartInfo | undefined> {
  const start = await inspection.look(() => readRoundStart(inspection.destination, ref));
  if (!start) return undefined;
  const { timeZone } = start.tenant;
  await inspection.checkOwner(roundStartName(ref), start);
  const { base } = start;
  const facts = {
    ...ownerText(start),
    startScn: scnText(start.startScn, timeZone),
    basePieceId: start.basePieceId,
    pieceSwitchIntervalUs: start.pieceSwitchIntervalUs,
    created: scnText(start.createdNs, timeZone),
    repairs: base && `round ${base.roundId} from batch ${base.batchNo}, SCN ${scnText(base.scn, timeZone)}`,
  };
  await inspection.print(block('round', roundStartName(ref), facts));
  return start;
}

export async function inspectRoundEnd(inspection: Inspection, ref: RoundRef): Promise<void> {
  const end = await inspection.look(() => readRoundEnd(inspection.destination, ref));
  if (!end) return;
  const { timeZone } = end.tenant;
  await inspection.checkOwner(roundEndName(ref), end);
  const facts = {
    status: end.status,
    checkpointScn: scnText(end.checkpointScn, timeZone),
    pieces: `${end.basePieceId} to ${end.lastPieceId}`,
    ended: scnText(end.endedNs, timeZone),
    comment: end.comment === '' ? null : end.comment,
  };
  await inspection.print(block('roundEnd', roundEndName(ref), facts));
}

/**
 * One piece: what it says of itself, then its segments.
 * @param of.from what its first batch must continue; undefined trusts its first segment
 * @param of.isWithBatches every batch on a line of its own, not only sums for each segment
 * @returns what the next piece must continue; undefined when that is not known
 */
export async function inspectPiece(
  inspection: Inspection,
  piece: ArchivedPiece,
  of: { from: ChainPosition | undefined; isWithBatches: boolean },
): Promise<ChainPosition | undefined> {
  const facts = await inspectPieceFacts(inspection, piece);
  // A list that can not be read leaves nothing that counts.
  if (!facts && piece.isFrozen) return undefined;
  return await inspectSegments(inspection, piece, { ...of, facts });
}

/** The segments of a piece, or of what of it is looked at. */
export async function inspectSegments(
  inspection: Inspection,
  piece: ArchivedPiece,
  of: { from: ChainPosition | undefined; isWithBatches: boolean; facts: ArchiveOwner | undefined },
): Promise<ChainPosition | undefined> {
  const { destination } = inspection;
  const { owner, timeZone } = of.facts ? factsOf(of.facts) : factsOfFormat(inspection);
  if (!owner) return undefined;
  const printer = new SegmentPrinter(inspection, piece, { timeZone, isWithBatches: of.isWithBatches });
  const end = await inspection.look(() =>
    printBatches(printer, walkPiece(destination, piece, of.from, { owner, acceptsClosed: true })),
  );
  await printer.end();
  if (end?.torn) {
    const { object, offset, because } = end.torn;
    await inspection.print(line('unfinishedAppend', object, { offset, because }, 1));
  }
  if (!end) return undefined;
  return end.last === undefined ? of.from : end.position;
}

/** Without any file of the archive's own, the format file says whose the log must be. */
function factsOfFormat({ format }: Inspection): { owner: LogFacts['owner'] | undefined; timeZone: string } {
  return { owner: format && { clusterUuid: format.clusterUuid, tenantId: format.tenantId }, timeZone: UTC };
}

/** A piece as it lies there, with the name of its start file. */
export async function findPiece({ destination }: Inspection, ref: PieceRef): Promise<ArchivedPiece> {
  const pieces = await listPieces(destination);
  const isMeant = ({ destId, roundId, pieceId }: PieceRef) =>
    destId === ref.destId && roundId === ref.roundId && pieceId === ref.pieceId;
  return pieces.find(isMeant) ?? (await listPiece(destination, ref));
}

/** What a piece says of itself; undefined when it says nothing, or nothing that can be read. */
export async function inspectPieceFacts(
  inspection: Inspection,
  piece: ArchivedPiece,
): Promise<PieceInfo | PieceStartInfo | undefined> {
  const { destination } = inspection;
  const read = { status: piece.isFrozen ? 'FROZEN' : 'ACTIVE', segments: piece.segments.length };
  const info = piece.isFrozen ? await inspection.look(() => readPieceInfo(destination, piece)) : undefined;
  const hasStart = !piece.isFrozen && piece.startName !== undefined;
  const facts = info ?? (hasStart ? await inspection.look(() => readPieceStart(destination, piece)) : undefined);
  if (!facts) {
    await inspection.print(block('piece', piece.directory, read));
    return undefined;
  }
  await inspection.checkOwner(info ? pieceInfoName(piece) : (piece.startName ?? piece.directory), facts);
  const scn = (value: bigint) => scnText(value, facts.tenant.timeZone);
  const { startScn, endScn, createdNs } = facts;
  const started = { startScn: scn(startScn), endScn: scn(endScn), created: scn(createdNs) };
  const frozen = info && {
    checkpointScn: scn(info.checkpointScn),
    maxScn: scn(info.maxScn),
    inputBytes: info.inputBytes,
    outputBytes: info.outputBytes,
    frozen: scn(info.frozenNs),
    segments: info.segments.length,
  };
  await inspection.print(block('piece', piece.directory, { ...read, ...ownerText(facts), ...started, ...frozen }));
  return facts;
}

async function printBatches(printer: SegmentPrinter, walk: AsyncGenerator<ReadBatch, LogEnd>): Promise<LogEnd> {
  for (;;) {
    const step = await walk.next();
    if (step.done) return step.value;
    await printer.batch(step.value);
  }
}

interface Sums {
  name: string;
  batches: number;
  commits: number;
  pages: number;
  firstBatchNo: number;
  lastBatchNo: number;
  firstScn: bigint;
  lastScn: bigint;
  /** Batches of which nothing but the header is shown. */
  encrypted: number;
}

/** Prints batches segment by segment: each on its own line, or their sums when the segment is over. */
class SegmentPrinter {
  readonly #inspection: Inspection;
  readonly #sizes: Map<string, number>;
  readonly #timeZone: string;
  readonly #isWithBatches: boolean;
  #sums: Sums | undefined;

  constructor(inspection: Inspection, piece: ArchivedPiece, of: { timeZone: string; isWithBatches: boolean }) {
    this.#inspection = inspection;
    this.#sizes = new Map(piece.segments.map(({ name, sizeBytes }) => [name, sizeBytes]));
    this.#timeZone = of.timeZone;
    this.#isWithBatches = of.isWithBatches || inspection.choices.isWithTables;
  }

  async batch(batch: ReadBatch): Promise<void> {
    const { object, header } = batch;
    if (this.#sums?.name !== object) {
      await this.end();
      if (this.#isWithBatches)
        await this.#inspection.print(line('segment', object, { bytes: this.#sizes.get(object) ?? null }));
    }
    const { batchNo, firstScn, lastScn, commitCount, pageCount } = header;
    const counted = { firstBatchNo: batchNo, firstScn, batches: 0, encrypted: 0, commits: 0, pages: 0 };
    const sums = this.#sums ?? { name: object, ...counted, lastBatchNo: batchNo, lastScn };
    this.#sums = sums;
    sums.batches++;
    sums.commits += commitCount;
    sums.pages += pageCount;
    if (header.seal) sums.encrypted++;
    sums.lastBatchNo = batchNo;
    sums.lastScn = lastScn;
    if (this.#isWithBatches) await this.#printBatch(batch);
    const { page } = this.#inspection.choices;
    if (page !== null) await this.#printPage(batch, page);
  }

  /** The segment is over. */
  async end(): Promise<void> {
    const sums = this.#sums;
    this.#sums = undefined;
    if (!sums || this.#isWithBatches) return;
    const { name, batches, commits, pages } = sums;
    const scns = `${scnText(sums.firstScn, this.#timeZone)} to ${scnText(sums.lastScn, this.#timeZone)}`;
    const numbers = `${sums.firstBatchNo} to ${sums.lastBatchNo}`;
    const counts = { batches, batchNo: numbers, encrypted: sums.encrypted || null, commits, pages };
    const facts = { bytes: this.#sizes.get(name) ?? null, ...counts, scn: scns };
    await this.#inspection.print(line('segment', name, facts));
  }

  async #printBatch({ offset, header, table }: ReadBatch): Promise<void> {
    const { batchNo, firstScn, lastScn, checkpointScn, commitCount, pageCount, pageSize, totalBytes } = header;
    const last = table.commits.findLast(({ isComplete }) => isComplete);
    const facts = {
      offset,
      bytes: totalBytes,
      commits: commitCount,
      pages: pageCount,
      pageSize,
      scn: commitCount > 1 ? `${firstScn} to ${scnText(lastScn, this.#timeZone)}` : scnText(lastScn, this.#timeZone),
      checkpointScn,
      checksum: last && last.checksum !== 0n ? checksumText(last.checksum) : null,
      part: partText(header),
      tenantKey: header.seal && hexOf(header.seal.keyId),
      hash: hexOf(header.hash),
    };
    await this.#inspection.print(line('batch', String(batchNo), facts, 2));
    if (!this.#inspection.choices.isWithTables) return;
    for (const commit of table.commits) await this.#printCommit(commit, table);
  }

  async #printCommit(commit: LogCommit, { pages }: LogBatchTable): Promise<void> {
    const own = pages.subarray(commit.firstImage, commit.firstImage + commit.imageCount);
    const shown = [...own.subarray(0, PAGES_SHOWN_MAX)].join(',');
    const facts = {
      scn: scnText(commit.scn, this.#timeZone),
      databasePages: commit.databasePages,
      checksum: commit.checksum === 0n ? null : checksumText(commit.checksum),
      isComplete: commit.isComplete,
      pages: own.length > PAGES_SHOWN_MAX ? `${shown},… (${own.length})` : shown,
    };
    await this.#inspection.print(line('commit', '', facts, 3));
  }

  /** Every commit of the batch that changed the page. */
  async #printPage({ object, header, table }: ReadBatch, page: number): Promise<void> {
    for (const { scn, firstImage, imageCount } of table.commits) {
      const place = table.pages.subarray(firstImage, firstImage + imageCount).indexOf(page);
      if (place < 0) continue;
      const hash = checksumText(table.hashes[firstImage + place]!);
      const facts = { object, batchNo: header.batchNo, scn: scnText(scn, this.#timeZone), hash };
      await this.#inspection.print(line('page', String(page), facts, 2));
    }
  }
}

function partText({ continues, isContinued }: { continues: boolean; isContinued: boolean }): string | null {
  if (continues) return isContinued ? 'middle of a commit' : 'begins a commit that goes on';
  return isContinued ? 'ends a commit' : null;
}
