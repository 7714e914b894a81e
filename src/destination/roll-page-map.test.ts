// Goal: a page map rolled over the tables of a log is the map of the state there, and a log that tells of another state is
// noticed at the commit where it first does; a walk over repaired rounds gives exactly the log behind a point.
import { afterEach, describe, expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { pieceStartFile, type RoundBase, roundStartFile } from '../format/archive-info.ts';
import { pieceDirectory, pieceStartName, roundStartName, segmentName } from '../format/layout.ts';
import { encodeLogBatch, verifyLogBatch } from '../format/log-batch.ts';
import { encodeSegmentHeader } from '../format/log-batch-header.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { type Scn, toScn } from '../model/scn.ts';
import type { ReadBatch } from './batch-chain.ts';
import { dropMemoryDestination, MemoryDestination } from './memory-destination.ts';
import { PageMapRoll } from './roll-page-map.ts';
import { findRoundChain, walkSince } from './walk-since.ts';

const PAGE_BYTES = 512;
const ZEROS = new Uint8Array(32);
const uuid = '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11';
const owner = { clusterUuid: uuid, tenantId: 1002 };
const facts = {
  cluster: { name: 'c1', id: 1, uuid },
  tenant: { id: 1002, name: 't1', mode: 'mysql' as const, timeZone: '+08:00' },
  engine: { engine: 'fake', version: '1' },
};
const scn = (n: number): Scn => toScn(1000n * BigInt(n));

interface Commit {
  scn: number;
  size: number;
  /** Page number and the text it is filled with. */
  pages: Array<[number, string]>;
  /** Left out: that of the state that the writer really has. */
  checksum?: bigint;
}
interface BatchOptions {
  continues?: boolean;
  isContinued?: boolean;
  checkpoint?: number;
}

/** Writes batches of one round after another and keeps the map that they lead to. */
class Writer {
  map = new PageMap(PAGE_BYTES);
  roundId = 1;
  batchNo = 0;
  hash: Uint8Array = ZEROS;
  #open: Commit[] = [];

  batch(commits: Commit[], options: BatchOptions = {}): { bytes: Uint8Array; read: ReadBatch } {
    if (!options.isContinued) this.#open = [];
    const specs = commits.map((commit, i) => {
      const isOpen = options.continues === true && i === commits.length - 1;
      this.#open.push(commit);
      if (!isOpen) for (const part of this.#open.splice(0)) this.#apply({ ...part, size: commit.size });
      const images = commit.pages.map(([, text]) => image(text));
      return {
        scn: scn(commit.scn),
        databasePages: commit.size,
        checksum: commit.checksum ?? (isOpen ? 0n : this.map.checksum),
        pages: Uint32Array.from(commit.pages, ([page]) => page),
        hashes: BigUint64Array.from(images, (bytes) => pageHash(bytes)),
        images,
      };
    });
    const complete = options.continues ? commits.slice(0, -1) : commits;
    const { continues = false, isContinued = false } = options;
    const checkpointScn = scn(options.checkpoint ?? complete.at(-1)?.scn ?? 0);
    const place = { owner: { ...owner, roundId: this.roundId }, batchNo: this.batchNo + 1, prevHash: this.hash };
    const { bytes, header } = encodeLogBatch({
      ...{ ...place, checkpointScn, continues, isContinued, commits: specs },
      ...{ pageSize: PAGE_BYTES, position: new Uint8Array(8), compressionLevel: 1 },
    });
    this.batchNo = header.batchNo;
    this.hash = header.hash;
    const { table } = verifyLogBatch(bytes, place, 'log');
    const where = { destId: 1001, roundId: this.roundId, pieceId: 1, object: 'log', segmentNo: 1, offset: 0 };
    return { bytes, read: { ...where, header, table } };
  }

  #apply(commit: Commit): void {
    const pages = Uint32Array.from(commit.pages, ([page]) => page);
    const hashes = BigUint64Array.from(commit.pages, ([, text]) => pageHash(image(text)));
    this.map.apply({ databasePages: commit.size, pages, hashes });
  }
}

const image = (text: string) => Buffer.alloc(PAGE_BYTES, text);
const damaged = (text: RegExp) => (error: unknown) =>
  isFailure(error, 'BACKUP_DATA_CORRUPT') && text.test(error.message);

describe('a page map over a log', () => {
  test('is the state after the commits, with the pages that they changed', () => {
    const writer = new Writer();
    const first = writer.batch([{ scn: 1, size: 3, pages: [[1, 'a'], [2, 'b'], [3, 'c']] }]); // biome-ignore format: one commit
    const roll = new PageMapRoll({ map: writer.map.copy(), scn: scn(1), collectsChanges: true });
    roll.add(first.read);
    expect([roll.commitCount, roll.isProved]).toEqual([0, false]);
    roll.add(writer.batch([{ scn: 5, size: 5, pages: [[2, 'B'], [5, 'e']] }, { scn: 6, size: 6, pages: [[4, 'd'], [6, 'f']] }]).read); // biome-ignore format: one batch
    roll.add(writer.batch([{ scn: 7, size: 5, pages: [[1, 'A']] }], { checkpoint: 9 }).read);
    expect(roll.map.hashes).toEqual(writer.map.hashes);
    expect([...roll.changedPages()]).toEqual([1, 2, 4, 5]);
    expect([roll.commitCount, roll.isProved, roll.scn]).toEqual([3, true, scn(9)]);
  });

  test('takes a commit in parts only whole', () => {
    const writer = new Writer();
    writer.batch([{ scn: 1, size: 1, pages: [[1, 'a']] }]);
    const roll = new PageMapRoll({ map: writer.map.copy(), scn: scn(1) });
    roll.add(writer.batch([{ scn: 2, size: 9, pages: [[3, 'void']] }], { continues: true, checkpoint: 1 }).read);
    expect(roll.map.pageCount).toBe(1);
    roll.add(writer.batch([{ scn: 3, size: 3, pages: [[3, 'c']] }], { continues: true, checkpoint: 2 }).read);
    roll.add(writer.batch([{ scn: 3, size: 3, pages: [[2, 'b']] }], { isContinued: true }).read);
    expect(roll.map.hashes).toEqual(writer.map.hashes);
    expect([roll.commitCount, roll.map.pageCount]).toEqual([1, 3]);
  });

  test('ends where it is told to', () => {
    const writer = new Writer();
    writer.batch([{ scn: 1, size: 1, pages: [[1, 'a']] }]);
    const roll = new PageMapRoll({ map: writer.map.copy(), scn: scn(1), untilScn: scn(4), collectsChanges: true });
    roll.add(writer.batch([{ scn: 2, size: 2, pages: [[2, 'b']] }]).read);
    const there = writer.map.copy();
    roll.add(writer.batch([{ scn: 5, size: 1, pages: [[1, 'z']] }]).read);
    expect([roll.isAtEnd, roll.scn, [...roll.changedPages()]]).toEqual([true, scn(4), [2]]);
    expect(roll.map.hashes).toEqual(there.hashes);
  });

  test('names the commit where the log tells of another state', () => {
    const writer = new Writer();
    writer.batch([{ scn: 1, size: 1, pages: [[1, 'a']] }]);
    const roll = new PageMapRoll({ map: writer.map.copy(), scn: scn(1) });
    roll.add(writer.batch([{ scn: 2, size: 2, pages: [[2, 'b']], checksum: 0n }]).read);
    const wrong = writer.batch([{ scn: 3, size: 3, pages: [[3, 'c']], checksum: 7n }]);
    expect(() => roll.add(wrong.read)).toThrow(/'?log'?.*batch 3: after the commit with scn 3000 .*0000000000000007/s);
  });

  test('takes no memory for more pages than a database may have', () => {
    const writer = new Writer();
    writer.batch([{ scn: 1, size: 1, pages: [[1, 'a']] }]);
    const roll = new PageMapRoll({ map: writer.map.copy(), scn: scn(1) });
    const { read } = writer.batch([{ scn: 2, size: 1, pages: [[1, 'b']], checksum: 0n }]);
    const commits = read.table.commits.map((commit) => ({ ...commit, databasePages: 2 ** 32 - 1 }));
    expect(() => roll.add({ ...read, table: { ...read.table, commits } })).toThrow(
      /batch 2: a database of 4294967295 pages after the commit with scn 2000/,
    );
  });

  test('that is not what the log begins with is refused, also when no commit follows', () => {
    const writer = new Writer();
    const before = writer.batch([{ scn: 1, size: 2, pages: [[1, 'a'], [2, 'b']] }]); // biome-ignore format: one commit
    const other = new PageMap(PAGE_BYTES, BigUint64Array.of(1n, 2n));
    const roll = new PageMapRoll({ map: other, scn: scn(1) });
    roll.add(before.read);
    expect(() => roll.checkStart()).toThrow(/checksum/);
    const good = new PageMapRoll({ map: writer.map.copy(), scn: scn(1) });
    good.add(before.read);
    good.checkStart();
    expect(good.isProved).toBe(true);
  });

  test('of another page size, or a part that goes on from nothing, is refused', () => {
    const writer = new Writer();
    const open = writer.batch([{ scn: 2, size: 2, pages: [[1, 'a']] }], { continues: true, checkpoint: 1 });
    const rest = writer.batch([{ scn: 2, size: 2, pages: [[2, 'b']] }], { isContinued: true });
    const other = new PageMapRoll({ map: new PageMap(1024), scn: scn(1) });
    expect(() => other.add(open.read)).toThrow(/pages of 512 bytes/);
    const alone = new PageMapRoll({ map: new PageMap(PAGE_BYTES), scn: scn(1) });
    expect(() => alone.add(rest.read)).toThrow(/does not go on/);
  });
});

describe('the log behind a point', () => {
  /** Puts the batches that were written into a round with one piece. */
  async function putRound(
    destination: MemoryDestination,
    of: { roundId: number; base: RoundBase | null; batches: Uint8Array[] },
  ): Promise<void> {
    const ref = { destId: 1001, roundId: of.roundId, pieceId: of.roundId };
    const startScn = scn(of.roundId * 100);
    const prevHash = of.base?.batchHash ?? ZEROS;
    const start = { ...facts, ...{ destId: 1001, roundId: of.roundId, startScn, basePieceId: of.roundId } };
    const roundStart = { ...start, pieceSwitchIntervalUs: 1n, createdNs: 1n, base: of.base };
    await destination.put(roundStartName(ref), roundStartFile.encode(roundStart));
    const piece = { ...facts, ...ref, startScn, endScn: toScn(startScn + 10n ** 9n), createdNs: 1n };
    const prevBatchHash = of.base?.batchHash ?? null;
    await destination.put(pieceStartName(ref, startScn), pieceStartFile.encode({ ...piece, prevBatchHash }));
    const header = encodeSegmentHeader({ ...owner, ...ref, segmentNo: 1, firstBatchNo: 1, prevHash });
    await destination.put(segmentName(pieceDirectory(ref), 1), Buffer.concat([header, ...of.batches]));
  }

  /** Round 1 with three batches, of which the last came late; round 2 repairs behind the second. */
  async function repaired() {
    const destination = new MemoryDestination('walk-since');
    const writer = new Writer();
    const one = [writer.batch([{ scn: 101, size: 1, pages: [[1, 'a']] }])];
    one.push(writer.batch([{ scn: 102, size: 2, pages: [[2, 'b']] }]));
    const base: RoundBase = { destId: 1001, roundId: 1, batchNo: 2, batchHash: writer.hash, scn: scn(102) };
    const state = writer.map.copy();
    const late = writer.batch([{ scn: 103, size: 2, pages: [[2, 'late']] }]);
    await putRound(destination, { roundId: 1, base: null, batches: [...one, late].map(({ bytes }) => bytes) });
    writer.roundId = 2;
    writer.batchNo = 0;
    writer.hash = base.batchHash;
    writer.map = state.copy();
    const two = [writer.batch([{ scn: 201, size: 3, pages: [[3, 'c']] }])];
    two.push(writer.batch([{ scn: 202, size: 3, pages: [[1, 'A']] }]));
    await putRound(destination, { roundId: 2, base, batches: two.map(({ bytes }) => bytes) });
    return { destination, map: writer.map };
  }

  afterEach(() => dropMemoryDestination('walk-since'));

  const span = (over: { roundId?: number; scn?: Scn; toRoundId?: number } = {}) => ({
    ...{ destId: 1001, roundId: 1, scn: scn(101), toRoundId: 2 },
    ...over,
  });

  test('goes on from the end of a round into the one that repairs it', async () => {
    const { destination, map } = await repaired();
    const seen: string[] = [];
    const start = new PageMap(PAGE_BYTES, BigUint64Array.of(pageHash(image('a'))));
    const roll = new PageMapRoll({ map: start, scn: scn(101), collectsChanges: true });
    for await (const batch of walkSince(destination, span(), owner)) {
      seen.push(`${batch.roundId}/${batch.header.batchNo}`);
      roll.add(batch);
    }
    expect(seen).toEqual(['1/1', '1/2', '2/1', '2/2']);
    expect(roll.map.hashes).toEqual(map.hashes);
    expect([...roll.changedPages()]).toEqual([1, 2, 3]);
  });

  test('is that of one round when no gap lies between', async () => {
    const { destination } = await repaired();
    const numbers: number[] = [];
    const only = span({ roundId: 2, scn: scn(201) });
    for await (const { header } of walkSince(destination, only, owner)) numbers.push(header.batchNo);
    expect(numbers).toEqual([1, 2]);
  });

  test('is unknown between rounds that no repair joins', async () => {
    const { destination } = await repaired();
    await putRound(destination, { roundId: 3, base: null, batches: [] });
    expect(await findRoundChain(destination, span({ toRoundId: 3 }))).toBeUndefined();
    const walk = walkSince(destination, span({ toRoundId: 3 }), owner);
    await expect(walk.next()).rejects.toSatisfy((error) => isFailure(error, 'LOG_ARCHIVE_INTERRUPTED'));
  });

  test('is refused when a round ends elsewhere than a later one says, or belongs to another', async () => {
    const { destination } = await repaired();
    const hash = new Uint8Array(32).fill(9);
    const base: RoundBase = { destId: 1001, roundId: 2, batchNo: 2, batchHash: hash, scn: scn(202) };
    await putRound(destination, { roundId: 3, base, batches: [] });
    const drain = async (tenantId: number) => {
      for await (const _ of walkSince(destination, span({ roundId: 2, toRoundId: 3 }), { ...owner, tenantId }));
    };
    await expect(drain(1002)).rejects.toSatisfy(damaged(/another batch/));
    await expect(drain(1004)).rejects.toSatisfy(damaged(/another cluster or tenant/));
  });
});
