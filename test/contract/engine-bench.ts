// What the contract of engines is tested with: the fixture of an engine, and an archive in memory that verifies every
// batch byte for byte as it arrives and can rebuild states from them.
import { existsSync, readFileSync } from 'node:fs';
import type {
  Capture,
  CapturedBatch,
  CaptureRequest,
  EngineDriver,
  EngineSession,
  EngineTenant,
  LogPosition,
  Snapshot,
} from '../../src/engine/engine-driver.ts';
import { verifyLogBatch } from '../../src/format/log-batch.ts';
import type { HashedBatchHeader } from '../../src/format/log-batch-header.ts';
import { decodeImageBlock, type LogBatchTable } from '../../src/format/log-batch-table.ts';
import { PageMap, pageHash } from '../../src/format/page-map.ts';
import type { SqlValue } from '../../src/model/result.ts';
import { type Scn, toScn } from '../../src/model/scn.ts';

/** An engine under test and how its statements are written. */
export interface EngineFixture extends AsyncDisposable {
  driver: EngineDriver;
  /** A tenant whose database does not exist yet. */
  tenant(tenantId: number): EngineTenant;
  /** Statements that make whatever `put` needs; one commit each. */
  setup: readonly string[];
  put(key: string, value: string): string;
  delete(key: string): string;
  /** One commit that grows the database by many pages; large enough for parts where the engine makes them. */
  putMany: readonly string[];
  /** Takes what `putMany` put away again, so that the database shrinks. */
  deleteMany: readonly string[];
  /** Answers one row with the value, or none. */
  get(key: string): string;
  begin: string;
  commit: string;
  rollback: string;
  /** Runs statements in a process that recycles the log after each of them, if it may; what is held stays. */
  asApplication(tenant: EngineTenant, statements: readonly string[]): Promise<void>;
}

export interface Caught {
  batches: Array<{ header: HashedBatchHeader; table: LogBatchTable; batch: CapturedBatch }>;
  gaps: string[];
  /** Deliveries that fail before one succeeds. */
  failures: number;
  /** Hash of the batch that the next one continues, when that was caught elsewhere. */
  resumed: Uint8Array | undefined;
}

export const owner = { clusterUuid: '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11', tenantId: 1002, roundId: 1 };
export const FAR: Scn = toScn((1n << 64n) - 1n);
export const START: Scn = toScn(1_700_000_000_000_000_000n);
const NEVER = () => new AbortController().signal;

export async function rowsOf(session: EngineSession, sql: string, parameters: SqlValue[] = []): Promise<SqlValue[][]> {
  const result = await session.execute(sql, parameters, NEVER());
  if (result.kind !== 'rows') return [];
  const rows: SqlValue[][] = [];
  for await (const some of result.rows) rows.push(...some);
  return rows;
}

export function catcher(): Caught & Pick<CaptureRequest, 'deliver' | 'onGap'> {
  const caught: Caught & Pick<CaptureRequest, 'deliver' | 'onGap'> = {
    batches: [],
    gaps: [],
    failures: 0,
    resumed: undefined,
    async deliver(batch: CapturedBatch): Promise<void> {
      if (caught.failures > 0) {
        caught.failures--;
        throw new Error('the destination is away');
      }
      const last = caught.batches.at(-1);
      const prevHash = last?.header.hash ?? new Uint8Array(32);
      const expected = { owner, batchNo: batch.batchNo, prevHash: caught.resumed ?? prevHash };
      caught.resumed = undefined;
      const { header, table } = verifyLogBatch(batch.bytes, expected, `batch ${batch.batchNo}`);
      caught.batches.push({ header, table, batch });
    },
    onGap: (because) => void caught.gaps.push(because),
  };
  return caught;
}

/** The state of the pages after all batches, laid over a first copy. */
export function replay(
  base: Map<number, Buffer>,
  batches: Caught['batches'],
): { pages: Map<number, Buffer>; count: number } {
  const pages = new Map(base);
  let count = 0;
  const begun: Array<[number, Buffer]> = [];
  for (const { header, table, batch } of batches) {
    if (!header.isContinued) begun.length = 0;
    const images = table.blocks.flatMap((block) => {
      const stored = batch.bytes.subarray(block.offset, block.offset + block.storedBytes);
      const plain = Buffer.from(decodeImageBlock(stored, block, 'batch'));
      return Array.from({ length: block.imageCount }, (_, i) =>
        plain.subarray(i * header.pageSize, (i + 1) * header.pageSize),
      );
    });
    for (const commit of table.commits) {
      for (let i = commit.firstImage; i < commit.firstImage + commit.imageCount; i++)
        begun.push([table.pages[i]!, images[i]!]);
      if (!commit.isComplete) continue;
      for (const [page, image] of begun.splice(0)) pages.set(page, image);
      count = commit.databasePages;
      for (const page of [...pages.keys()]) if (page > count) pages.delete(page);
    }
  }
  return { pages, count };
}

/** Hash of every page of a state. */
export function mapOf(pages: Map<number, Buffer>, of: { pageSize: number; pageCount: number }): PageMap {
  const map = new PageMap(of.pageSize);
  map.resize(of.pageCount);
  for (const [page, bytes] of pages) map.set(page, pageHash(bytes));
  return map;
}

/** Checksums that commits recorded beside those that follow from a first state and their images. */
export function checksums(map: PageMap, batches: Caught['batches']): Array<[recorded: bigint, computed: bigint]> {
  const found: Array<[bigint, bigint]> = [];
  let parts: Array<{ pages: Uint32Array; hashes: BigUint64Array }> = [];
  for (const { header, table } of batches) {
    if (!header.isContinued) parts = [];
    for (const { firstImage, imageCount, databasePages, checksum, isComplete } of table.commits) {
      const range = [firstImage, firstImage + imageCount] as const;
      parts.push({ pages: table.pages.subarray(...range), hashes: table.hashes.subarray(...range) });
      if (!isComplete) continue;
      for (const part of parts.splice(0)) map.apply({ databasePages, ...part });
      found.push([checksum, map.checksum]);
    }
  }
  return found;
}

/** Pages of a snapshot, read by its reading rule. */
export function readSnapshot(snapshot: Snapshot): Map<number, Buffer> {
  const file = readFileSync(snapshot.databasePath);
  const wal = existsSync(snapshot.walPath) ? readFileSync(snapshot.walPath) : Buffer.alloc(0);
  const pages = new Map<number, Buffer>();
  const frames = new Map<number, number>();
  for (let i = 0; i < snapshot.overlay.length; i += 2) frames.set(snapshot.overlay[i]!, snapshot.overlay[i + 1]!);
  for (let page = 1; page <= snapshot.pageCount; page++) {
    if (page === snapshot.skipPage) continue;
    const frame = frames.get(page);
    const at = frame === undefined ? (page - 1) * snapshot.pageSize : 32 + (frame - 1) * (24 + snapshot.pageSize) + 24;
    pages.set(page, Buffer.from((frame === undefined ? file : wal).subarray(at, at + snapshot.pageSize)));
  }
  return pages;
}

/** The tenant under test and its captures, new for each test. */
export interface EngineBench {
  readonly fixture: EngineFixture;
  readonly tenant: EngineTenant;
  /** A session, with everything that `put` needs. */
  open(): Promise<EngineSession>;
  /** A capture that ends with the test. */
  attach(caught: ReturnType<typeof catcher>, over?: Partial<CaptureRequest>): Promise<Capture>;
  stop(capture: Capture): Promise<LogPosition>;
}

export const commitScns = (caught: Caught): Scn[] =>
  caught.batches.flatMap(({ table }) => table.commits.filter((c) => c.isComplete).map((c) => c.scn));
