// Backup sets, increments, rounds and repairs written by hand in the real formats to memory destinations, beside a model
// of the database after each commit: for tests that want to choose every page, password and batch.
import { randomBytes, randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { claimDestination } from '../destination/claim-destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { pieceInfoFile, pieceStartFile, type RoundBase, roundEndFile, roundStartFile } from '../format/archive-info.ts';
import { type BackupSetIndex, encodeIndex, pagesPerBlock } from '../format/backup-set-index.ts';
import { type BackupSetManifest, encodeManifest, manifestSha256 } from '../format/backup-set-manifest.ts';
import { BLOCK_OVERHEAD_BYTES, blockContext, sealBlock } from '../format/block.ts';
import { entriesOf, successorIndex, type WrittenBlock } from '../format/index-pages.ts';
import { derivePasswordKey, wrapDataKey } from '../format/key-slot.ts';
import {
  indexName,
  manifestName,
  packName,
  pageMapName,
  pieceDirectory,
  pieceInfoName,
  pieceStartName,
  roundEndName,
  roundStartName,
  type SetRef,
  segmentName,
  setDirectory,
} from '../format/layout.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import { encodeSegmentHeader, type HashedBatchHeader } from '../format/log-batch-header.ts';
import { sha256 } from '../format/log-batch-table.ts';
import { type ObjectOwner, objectKey } from '../format/object-key.ts';
import { encodePackHeader } from '../format/pack.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { encodePageMap } from '../format/page-map-file.ts';
import { xxh3 } from '../format/xxh3.ts';
import { ceilToMicrosecond, type Scn, toScn } from '../model/scn.ts';

/** Large pages, so that a small database has several blocks. */
export const CHAIN_PAGE_BYTES = 65536;
const START_NS = 1_740_790_800_000_000_000n;
const FAR = toScn((1n << 63n) - 1n);
/** The cheapest that a reader accepts. */
const CHEAP = { n: 2 ** 15, r: 8, p: 1 };
const DEST_ID = 1001;
const TENANT_ID = 1002;

/** The database at one moment. */
export interface ChainState {
  scn: Scn;
  pages: Buffer[];
}

export interface ChainSet {
  ref: SetRef;
  manifest: BackupSetManifest;
  sha256: Uint8Array;
  index: BackupSetIndex;
  map: PageMap;
  state: ChainState;
}

/** How a commit differs from what an engine would write. */
interface CommitOptions {
  /** Recorded instead of the true checksum. */
  checksum?: bigint;
  /** Batches that the commit is spread over. */
  parts?: number;
  /** The database changes, but the log never hears of it. */
  isLost?: boolean;
  /** Stored instead of the images whose hashes the table has. */
  images?: Record<number, Buffer>;
}

interface OpenRound {
  roundId: number;
  pieceId: number;
  basePieceId: number;
  startScn: Scn;
  pieceStartScn: Scn;
  bytes: Uint8Array[];
  first: HashedBatchHeader | undefined;
  last: HashedBatchHeader | undefined;
}

export function pageOf(text: string): Buffer {
  const page = Buffer.alloc(CHAIN_PAGE_BYTES);
  page.write(text);
  return page;
}

export function mapOf(pages: readonly Buffer[]): PageMap {
  return new PageMap(CHAIN_PAGE_BYTES, BigUint64Array.from(pages, pageHash));
}

export class ChainWorld implements Disposable {
  readonly #id = randomUUID();
  readonly data = new MemoryDestination(`${this.#id}/data`);
  readonly log = new MemoryDestination(`${this.#id}/log`);
  readonly uris = ['file:///chain/data', 'file:///chain/log'];
  readonly owner = { clusterUuid: randomUUID(), tenantId: TENANT_ID };
  pages: Buffer[] = [];
  /** After each commit that the log has, in order. */
  readonly states: ChainState[] = [];
  readonly sets: ChainSet[] = [];
  #nowNs = START_NS;
  #round: OpenRound | undefined;
  #roundId = 0;
  /** Of the last batch. */
  #checkpointScn = toScn(0n);
  #pieceId = 0;
  /** What the next batch goes on from. */
  #tip = { batchNo: 0, hash: new Uint8Array(32) as Uint8Array };
  /** End of the round before. */
  #base: (RoundBase & { map: PageMap }) | undefined;

  [Symbol.dispose](): void {
    dropMemoryDestination(`${this.#id}/data`);
    dropMemoryDestination(`${this.#id}/log`);
  }

  open = (uri: { path: string }) => new MemoryDestination(`${this.#id}/${uri.path.endsWith('data') ? 'data' : 'log'}`);

  get #facts() {
    return {
      cluster: { name: 'c1', id: 1, uuid: this.owner.clusterUuid },
      tenant: { id: TENANT_ID, name: 'app', mode: 'mysql', timeZone: '+00:00' } as const,
      engine: { engine: 'fake', version: 'fake-1' },
    };
  }

  #tick(): Scn {
    this.#nowNs += 1_000_000n;
    return toScn(this.#nowNs);
  }

  async start(pages: Buffer[]): Promise<void> {
    this.pages = pages;
    const names = { formatVersion: 1, clusterName: 'c1', clusterId: 1, ...this.owner, tenantName: 'app' };
    const rest = { ...names, destId: DEST_ID, createdNs: this.#nowNs };
    await claimDestination(this.data, { ...rest, destKind: 'backup_data' });
    await claimDestination(this.log, { ...rest, destKind: 'archive_log' });
  }

  /** Begins a round; one that repairs commits at once what differs from the end of the round before. */
  async beginRound(options: { repairs?: boolean; parts?: number } = {}): Promise<void> {
    this.#roundId++;
    const { map: baseMap, ...base } = this.#base ?? {};
    const isRepair = options.repairs === true && baseMap !== undefined;
    const [startScn, basePieceId] = [this.#tick(), this.#pieceId + 1];
    const ref = { destId: DEST_ID, roundId: this.#roundId };
    const start = { ...this.#facts, ...ref, startScn, basePieceId, pieceSwitchIntervalUs: 1n, createdNs: startScn };
    const info = { ...start, base: isRepair ? (base as RoundBase) : null };
    await this.log.put(roundStartName(ref), roundStartFile.encode(info));
    this.#tip = { batchNo: 0, hash: isRepair ? this.#base!.batchHash : new Uint8Array(32) };
    this.#openPiece({ roundId: this.#roundId, basePieceId, startScn }, startScn);
    await this.#putPieceStart();
    if (!isRepair) return this.#batch([], {});
    const changed = [...mapOf(this.pages).changedSince(baseMap)];
    await this.commit(Object.fromEntries(changed.map((page) => [page, this.pages[page - 1]!])), {
      parts: options.parts ?? 1,
      size: this.pages.length,
    });
  }

  #openPiece(round: { roundId: number; basePieceId: number; startScn: Scn }, pieceStartScn: Scn): void {
    this.#pieceId++;
    const place = { destId: DEST_ID, roundId: round.roundId, pieceId: this.#pieceId };
    const { batchNo, hash: prevHash } = this.#tip;
    const header = { ...this.owner, ...place, segmentNo: 1, firstBatchNo: batchNo + 1, prevHash };
    const bytes = [encodeSegmentHeader(header)];
    this.#round = { ...round, pieceId: this.#pieceId, pieceStartScn, bytes, first: undefined, last: undefined };
  }

  async #putPieceStart(): Promise<void> {
    const { roundId, pieceId, pieceStartScn: startScn } = this.#round!;
    const ref = { destId: DEST_ID, roundId, pieceId };
    const isFresh = this.#tip.batchNo === 0 && this.#tip.hash.every((byte) => byte === 0);
    const prevBatchHash = isFresh ? null : this.#tip.hash;
    const info = { ...this.#facts, ...ref, startScn, endScn: FAR, createdNs: startScn, prevBatchHash };
    await this.log.put(pieceStartName(ref, startScn), pieceStartFile.encode(info));
  }

  /** Changes pages, cuts or grows the database, and archives that as one commit. */
  async commit(changes: Record<number, Buffer>, options: CommitOptions & { size?: number } = {}): Promise<ChainState> {
    const size = options.size ?? Math.max(this.pages.length, ...Object.keys(changes).map(Number));
    this.pages = this.pages.slice(0, size);
    for (const [page, bytes] of Object.entries(changes)) this.pages[Number(page) - 1] = bytes;
    const state = { scn: this.#tick(), pages: [...this.pages] };
    if (options.isLost) return state;
    this.states.push(state);
    const numbers = Object.keys(changes)
      .map(Number)
      .sort((a, b) => a - b);
    const parts = options.parts ?? 1;
    for (let part = 0; part < parts; part++) {
      const mine = numbers.filter((_, place) => place % parts === part);
      const pages = Uint32Array.from(mine);
      const images = mine.map((page) => options.images?.[page] ?? changes[page]!);
      const hashes = BigUint64Array.from(mine, (page) => pageHash(changes[page]!));
      const commit = {
        ...{ scn: state.scn, databasePages: size, checksum: options.checksum ?? mapOf(this.pages).checksum },
        ...{ pages, images, hashes },
      };
      this.#batch([commit], { continues: part < parts - 1, isContinued: part > 0 });
    }
    return state;
  }

  #batch(
    commits: Parameters<typeof encodeLogBatch>[0]['commits'],
    flags: { continues?: boolean; isContinued?: boolean },
  ): void {
    const round = this.#round!;
    const scn = commits[0]?.scn ?? round.startScn;
    const batch = encodeLogBatch({
      owner: { ...this.owner, roundId: round.roundId },
      batchNo: this.#tip.batchNo + 1,
      prevHash: this.#tip.hash,
      checkpointScn: flags.continues ? toScn(scn - 1n) : scn,
      pageSize: CHAIN_PAGE_BYTES,
      position: new Uint8Array(8),
      commits,
      compressionLevel: 1,
      ...flags,
    });
    this.#tip = { batchNo: batch.header.batchNo, hash: batch.header.hash };
    round.bytes.push(batch.bytes);
    this.#checkpointScn = batch.header.checkpointScn;
    round.first ??= batch.header;
    round.last = batch.header;
  }

  /** Freezes the piece and goes on in the next one. */
  async switchPiece(): Promise<void> {
    const { roundId, basePieceId, startScn } = this.#round!;
    const endScn = await this.#freeze();
    this.#openPiece({ roundId, basePieceId, startScn }, endScn);
    await this.#putPieceStart();
  }

  async #freeze(): Promise<Scn> {
    const { roundId, pieceId, pieceStartScn: startScn, first, last, bytes } = this.#round!;
    const ref = { destId: DEST_ID, roundId, pieceId };
    const object = new Uint8Array(Buffer.concat(bytes));
    const endScn = this.#tick();
    const name = segmentName('', 1).slice(1);
    const segment = first &&
      last && { firstBatchNo: first.batchNo, lastBatchNo: last.batchNo, lastBatchHash: last.hash };
    if (segment) await this.log.put(segmentName(pieceDirectory(ref), 1), object);
    const scns = { startScn, endScn, checkpointScn: endScn, maxScn: last?.lastScn ?? startScn };
    await this.log.put(
      pieceInfoName(ref),
      pieceInfoFile.encode({
        ...{ ...this.#facts, ...ref, ...scns, inputBytes: 0n, outputBytes: 0n },
        segments: segment ? [{ name, size: object.length, sha256: sha256(object), ...segment }] : [],
        firstBatchHash: first?.hash ?? null,
        lastBatchHash: last?.hash ?? null,
        createdNs: startScn,
        frozenNs: endScn,
      }),
    );
    return endScn;
  }

  /** Ends the round with its files. */
  async endRound(status: 'STOP' | 'INTERRUPTED' = 'STOP', comment = ''): Promise<void> {
    const { roundId, basePieceId, pieceId, startScn } = this.#round!;
    const ref = { destId: DEST_ID, roundId };
    const { batchNo, hash: batchHash } = this.#tip;
    const scn = this.#checkpointScn;
    const checkpointScn = await this.#freeze();
    const end = { startScn, checkpointScn, basePieceId, lastPieceId: pieceId, endedNs: checkpointScn };
    await this.log.put(roundEndName(ref), roundEndFile.encode({ ...this.#facts, ...ref, ...end, status, comment }));
    this.#base = { ...ref, batchNo, batchHash, scn, map: mapOf(this.pages) };
  }

  /**
   * Writes a set of the present state; an increment of `parent` where one is given.
   * @param options.packed pages that its packs hold otherwise than its page map says
   */
  async writeSet(
    options: { parent?: ChainSet; password?: string; packed?: Record<number, Buffer> } = {},
  ): Promise<ChainSet> {
    const { parent, password, packed = {} } = options;
    const backupSetId = this.sets.length + 1;
    const ref: SetRef = { backupSetId, type: parent ? 'INC' : 'FULL' };
    const uuid = randomUUID();
    const dataKey = password === undefined ? null : new Uint8Array(randomBytes(32));
    const owner = { ...this.owner, setUuid: uuid };
    const map = mapOf(this.pages);
    const pages = parent ? map.changedSince(parent.map) : null;
    const { blocks, pack } = this.#packOf(pages, { owner, dataKey, packed });
    const size = { pageSize: CHAIN_PAGE_BYTES, pageCount: this.pages.length, skipPage: 0 };
    const own = entriesOf(blocks, { pageSize: CHAIN_PAGE_BYTES, pages, source: 0 });
    const joined = parent && successorIndex(parent.index, own, size);
    const index = joined?.index ?? { ...size, sourceCount: 0, entries: own };
    const scn = this.states.at(-1)!.scn;
    const state = { scn, pages: [...this.pages] };
    const objects = [
      { name: packName(1), bytes: pack },
      { name: basename(indexName(ref)), bytes: encodeIndex(index, owner, dataKey) },
      { name: basename(pageMapName(ref)), bytes: encodePageMap({ roundId: this.#roundId, scn, map }, owner, dataKey) },
    ];
    for (const { name, bytes } of objects) await this.data.put(`${setDirectory(ref)}/${name}`, bytes);
    const passwordKey = password === undefined ? null : await derivePasswordKey(password, undefined, CHEAP);
    const manifest: BackupSetManifest = {
      ...{ cluster: this.#facts.cluster, tenant: this.#facts.tenant },
      set: {
        ...{ backupSetId, uuid, destId: DEST_ID, backupType: ref.type, roundId: this.#roundId },
        prevFullBackupSetId: parent ? 1 : 0,
        prevIncBackupSetId: parent?.ref.backupSetId ?? 0,
        prevManifestSha256: parent?.sha256 ?? null,
        ...{ consistentScn: scn, startReplayScn: scn, minRestoreScn: ceilToMicrosecond(scn) },
        ...{ startNs: scn, endNs: scn, isPlusArchivelog: false },
      },
      engine: { ...this.#facts.engine, ...size, tableCount: 1, databaseChecksum: map.checksum },
      encryptionMode: dataKey ? 'PASSWORD_ENCRYPTION' : 'NONE',
      keySlots: dataKey && passwordKey ? [wrapDataKey(dataKey, passwordKey, uuid)] : [],
      objects: objects.map(({ name, bytes }) => ({ name, size: bytes.length, checksum: xxh3(bytes) })),
      sources: joined ? joined.usedPlaces.map((place) => this.#sourceAt(parent, place)) : [],
      ...{ blockCount: blocks.length, inputBytes: 0n, outputBytes: BigInt(pack.length), description: '' },
      compatible: { server: '0', tenant: '0' },
    };
    const bytes = encodeManifest(manifest, dataKey);
    await this.data.put(manifestName(ref), bytes);
    const set = { ref, manifest, sha256: manifestSha256(bytes), index, map, state };
    this.sets.push(set);
    return set;
  }

  #sourceAt(parent: ChainSet, place: number): BackupSetManifest['sources'][number] {
    const source = parent.manifest.sources[place];
    if (source) return source;
    const { ref, manifest, sha256: hash } = parent;
    return { backupSetId: ref.backupSetId, backupType: ref.type, uuid: manifest.set.uuid, manifestSha256: hash };
  }

  #packOf(
    pages: Uint32Array | null,
    of: { owner: ObjectOwner; dataKey: Uint8Array | null; packed: Record<number, Buffer> },
  ): { blocks: WrittenBlock[]; pack: Uint8Array } {
    const { owner, dataKey, packed } = of;
    const salt = dataKey ? new Uint8Array(randomBytes(16)) : new Uint8Array(16);
    const key = dataKey && objectKey(dataKey, { kind: 'pack', setUuid: owner.setUuid, objectNo: 1, salt });
    const context = blockContext({ object: packName(1), owner, packNo: 1, key });
    const parts: Uint8Array[] = [encodePackHeader({ packNo: 1, isEncrypted: dataKey !== null, salt }, owner)];
    let offset = parts[0]!.length;
    const blocks: WrittenBlock[] = [];
    const numbers = pages ? [...pages] : this.pages.map((_, place) => place + 1);
    for (let at = 0; at < numbers.length; at += pagesPerBlock(CHAIN_PAGE_BYTES)) {
      const plain = Buffer.concat(
        numbers.slice(at, at + pagesPerBlock(CHAIN_PAGE_BYTES)).map((page) => packed[page] ?? this.pages[page - 1]!),
      );
      const blockNo = blocks.length;
      const into = new Uint8Array(plain.length + BLOCK_OVERHEAD_BYTES);
      const { storedBytes, checksum } = sealBlock(context, { blockNo, offset }, plain, 1, into);
      parts.push(into.slice(0, storedBytes));
      blocks.push({ blockNo, packNo: 1, offset, storedBytes, plainBytes: plain.length, checksum });
      offset += storedBytes;
    }
    return { blocks, pack: new Uint8Array(Buffer.concat(parts)) };
  }

  /** Writes what the active piece holds so far, as a server would have. Once per piece. */
  async putActive(): Promise<void> {
    const { roundId, pieceId, bytes } = this.#round!;
    const name = segmentName(pieceDirectory({ destId: DEST_ID, roundId, pieceId }), 1);
    await this.log.put(name, new Uint8Array(Buffer.concat(bytes)));
  }

  /** Puts another object in the place of one. */
  async replace(destination: MemoryDestination, name: string, bytes: Uint8Array): Promise<void> {
    await destination.removeAll(name);
    await destination.put(name, bytes);
  }
}
