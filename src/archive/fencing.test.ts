// Goal: whatever several servers do that each take a tenant's archive for their own, every batch that one of them called archived is
// in the log that a reader finds, at every moment. Method: writers as the archive has them (lease, end of the log, segments,
// proof) on one memory destination whose every call waits twice, before its effect and behind it, for a random turn; a server
// that waits is a server that stalls. Takeovers come at any moment. The model is the list of what was called archived.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '../../test/sim/fate.ts';
import { fail, isFailure } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { listPiece } from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import { ROUND_START } from '../destination/batch-chain.ts';
import type { Destination, ObjectAppender } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import type { CapturedBatch } from '../engine/engine-driver.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import type { Lease, Leases } from '../lease/lease-service.ts';
import { createLeases } from '../lease/leases.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { openStore, type Store } from '../store/store.ts';
import { findLogTail } from './log-tail.ts';
import { OrderedCalls } from './ordered-calls.ts';
import { SegmentWriter } from './segment-writer.ts';

const SEED = randomBytes(4).readUInt32BE();
const SERVERS = 3;
const LIVES_MAX = 3;
const BATCHES_MAX = 5;
/** Turns that one server is preferred for, on average: as many as a taking over with some batches behind it. */
const TURNS_PREFERRED = 30;
const PIECE = { destId: 1001, roundId: 1, pieceId: 1 };
const ROUND = { ...PIECE, basePieceId: 1, usedPieceId: 1 };
const OWNER = { clusterUuid: '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11', tenantId: 1002 };
const COMMIT = { databasePages: 1, checksum: 0n, pages: Uint32Array.of(1), hashes: BigUint64Array.of(1n) };

let directory: string;
let stores: Store[];
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fencing-'));
  const options = { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' };
  stores = Array.from({ length: SERVERS }, (_, at) => openStore(join(directory, String(at)), options));
});
afterAll(() => {
  for (const store of stores) store[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** Everything random of one run. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** @source Numerical Recipes, a linear congruential generator */
  below(count: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * count);
  }
}

/** Lets servers go on one call at a time. One is preferred for a while: the others stall meanwhile, wherever they are. */
class Turns {
  readonly #waiting: Array<{ server: number; go: () => void }> = [];
  #preferred = 0;

  async wait<T>(server: number, call: () => Promise<T>): Promise<T> {
    await new Promise<void>((go) => this.#waiting.push({ server, go }));
    try {
      return await call();
    } finally {
      await new Promise<void>((go) => this.#waiting.push({ server, go }));
    }
  }

  next(chance: Chance): void {
    if (chance.below(TURNS_PREFERRED) === 0) this.#preferred = chance.below(SERVERS);
    const preferred = this.#waiting.findIndex(({ server }) => server === this.#preferred);
    const [next] = this.#waiting.splice(preferred < 0 ? chance.below(this.#waiting.length) : preferred, 1);
    next?.go();
  }
}

/** A handle whose calls wait for their turn. */
function stalling(inner: Destination, turns: Turns, server: number): Destination {
  const wait = <T>(call: () => Promise<T>) => turns.wait(server, call);
  const { uri, can, spec } = inner;
  return {
    ...{ uri, can, spec },
    put: (name, bytes) => wait(() => inner.put(name, bytes)),
    get: (name, range) => wait(() => inner.get(name, range)),
    sync: (name) => inner.sync(name),
    size: (name) => wait(() => inner.size(name)),
    list: (prefix) => wait(() => inner.list(prefix)),
    remove: (name) => wait(() => inner.remove(name)),
    removeAll: (prefix, keep) => wait(() => inner.removeAll(prefix, keep)),
    create: (name) => wait(() => inner.create(name)),
    openRead: (name) => wait(() => inner.openRead(name)),
    openAppend: (name) => wait(async () => stallingAppender(await inner.openAppend(name), wait)),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

function stallingAppender(inner: ObjectAppender, wait: (call: () => Promise<void>) => Promise<void>): ObjectAppender {
  return {
    get sizeBytes() {
      return inner.sizeBytes;
    },
    append: (bytes) => wait(() => inner.append(bytes)),
    close: () => inner.close(),
  };
}

class World {
  readonly memory: MemoryDestination;
  readonly turns = new Turns();
  readonly chance: Chance;
  readonly archived: Array<{ batchNo: number; hash: string }> = [];
  lost = 0;
  #scn = 0;

  constructor(id: string, seed: number) {
    this.chance = new Chance(seed);
    this.memory = new MemoryDestination(id, { append: this.chance.below(2) === 0 });
  }

  /** One server: some lives, each of them a take over and then batches until it has lost the lease or has enough. */
  async serve(at: number): Promise<void> {
    const { chance } = this;
    for (let life = 1 + chance.below(LIVES_MAX); life > 0; life--) {
      const leases = this.#leasesOf(at, life);
      try {
        await this.#live(leases, at);
      } catch (error) {
        if (!isFailure(error, 'DESTINATION_HELD')) throw error;
        this.lost++;
      }
    }
  }

  #leasesOf(at: number, life: number): Leases {
    const fill = (text: string, count: number) => new Uint8Array(Buffer.alloc(count, text));
    const me = {
      ...{ instanceId: fill('i', 16), machine: fill('m', 32), life: fill('l', 32), serverVersion: '1' },
      ...{ process: fill(`${at}-${life} `, 16), hostName: `h${at}`, dataDir: `/data/${at}` },
    };
    return createLeases({ store: stores[at]!, clock: new ManualClock(), log: silentLog, me });
  }

  async #live(leases: Leases, at: number): Promise<void> {
    const destination = stalling(this.memory, this.turns, at);
    const of = { tenantId: OWNER.tenantId, uri: `file://${this.memory.uri.path}`, destKind: 'archive_log' } as const;
    await leases.takeOver(destination, of);
    const lease = await leases.hold(destination, of);
    const tail = await findLogTail(destination, ROUND, OWNER);
    const { segments } = await listPiece(destination, PIECE);
    const position = tail ? { batchNo: tail.position.batchNo, hash: tail.position.batchHash } : ROUND_START;
    const nextSegmentNo = (segments.at(-1)?.segmentNo ?? 0) + 1;
    const { generation } = lease;
    const writer = new SegmentWriter({
      prevGeneration: tail?.generation,
      destination,
      owner: OWNER,
      piece: PIECE,
      nextSegmentNo,
      position,
      generation,
      spend: () => {},
    });
    for (let count = 1 + this.chance.below(BATCHES_MAX); count > 0; count--) {
      const batches = [this.#batch(writer.position)];
      while (!destination.can.append && this.chance.below(2) === 0) batches.push(this.#batch(batches.at(-1)!.position));
      await this.#deliver(batches, { writer, lease });
    }
    await writer.close();
  }

  /** All at once, as the round log does it. What was not archived comes again when a name was taken, or nothing was proved. */
  async #deliver(batches: CapturedBatch[], { writer, lease }: { writer: SegmentWriter; lease: Lease }): Promise<void> {
    const calls = new OrderedCalls({ callsMax: 8, nowMs: () => 0, onFailedAttempt: () => writer.rewind() });
    const deliver = (batch: CapturedBatch) =>
      calls.run({
        prepare: async () => {},
        work: async () => {
          const written = await writer.write(batch);
          if (this.chance.below(8) === 0) throw fail('BACKUP_DEST_NOT_CONNECT', { uri: '', because: 'it is away' });
          await lease.prove();
          return written;
        },
        accept: (written) => {
          writer.accept(written);
          this.archived.push({ batchNo: batch.batchNo, hash: hex(batch.position.batchHash) });
        },
      });
    for (let left = batches; left.length > 0; ) {
      const ends = await Promise.allSettled(left.map(deliver));
      const failed = ends.findIndex(({ status }) => status === 'rejected');
      if (failed < 0) return;
      left = left.slice(failed);
      const { reason } = ends[failed] as PromiseRejectedResult;
      const mayGoOn = isFailure(reason, 'ENTRY_EXISTS') || isFailure(reason, 'BACKUP_DEST_NOT_CONNECT');
      if (!mayGoOn) throw reason;
    }
  }

  #batch(after: { batchNo: number; hash?: Uint8Array; batchHash?: Uint8Array }): CapturedBatch {
    const scn: Scn = toScn(1_000_000n * BigInt(++this.#scn));
    const batchNo = after.batchNo + 1;
    const { bytes, header } = encodeLogBatch({
      owner: { ...OWNER, roundId: 1 },
      ...{
        batchNo,
        prevHash: (after.hash ?? after.batchHash)!,
        checkpointScn: scn,
        pageSize: 512,
        position: new Uint8Array(8),
      },
      commits: [{ ...COMMIT, scn, images: [Buffer.alloc(512, `${this.#scn} `)] }],
      compressionLevel: 1,
    });
    const position = { batchNo, batchHash: header.hash, scn, engine: new Uint8Array(8) };
    const scns = { firstScn: scn, lastScn: scn, checkpointScn: scn };
    return { bytes, batchNo, position, ...scns, commitCount: 1, pageCount: 1, plainBytes: 512 };
  }

  /** What a reader finds now. */
  async read(): Promise<string[]> {
    const hashes: string[] = [];
    const piece = await listPiece(this.memory, PIECE);
    for await (const { header } of walkPiece(this.memory, piece, ROUND_START, { owner: OWNER }))
      hashes.push(hex(header.hash));
    return hashes;
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

async function run(seed: number): Promise<{ archived: number; lost: number }> {
  const id = `fencing-${seed}`;
  const world = new World(id, seed);
  let alive = SERVERS;
  const ends = Array.from({ length: alive }, (_, at) => world.serve(at).finally(() => alive--));
  const checkRead = async () => {
    const known = world.archived.slice();
    const found = await world.read();
    for (const { batchNo, hash } of known) expect(found[batchNo - 1], `seed ${seed}: batch ${batchNo}`).toBe(hash);
  };
  while (alive > 0) {
    await turn();
    world.turns.next(world.chance);
    if (world.chance.below(40) === 0) await checkRead();
  }
  await Promise.all(ends);
  await checkRead();
  dropMemoryDestination(id);
  return { archived: world.archived.length, lost: world.lost };
}

describe('several writers of one archive', () => {
  test(`lose nothing that one of them called archived (seed ${SEED})`, { timeout: 60_000 }, async () => {
    let archived = 0;
    let lost = 0;
    for (let at = 0; at < 60; at++) {
      const ran = await run((SEED + at) >>> 0);
      archived += ran.archived;
      lost += ran.lost;
    }
    // Both happened: otherwise nothing was tried.
    expect(archived).toBeGreaterThan(100);
    expect(lost).toBeGreaterThan(10);
  });
});
