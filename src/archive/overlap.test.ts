// Goal: with several objects on their way at once, whatever fails, lands late, lands although it was refused, or dies with
// the server: what was acknowledged is what a reader gets, in order, and a restart goes on from there.
// Method: the real round log over a memory destination whose every put waits until chance says how it ends; beside it a
// model that only remembers which batches were acknowledged.
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../test/sim/fate.ts';
import { fail, isFailure } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import type { Destination } from '../destination/destination.ts';
import type { MemoryDestination } from '../destination/memory-destination.ts';
import type { CapturedBatch, LogPosition } from '../engine/engine-driver.ts';
import { LEASES_DIRECTORY } from '../format/layout.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import { pageHash } from '../format/page-map.ts';
import type { Leases } from '../lease/lease-service.ts';
import { createLeases } from '../lease/leases.ts';
import { SCN_NONE, toScn } from '../model/scn.ts';
import { destRequest, makeWorld, TENANT_ID, type World } from './archive.fixture.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ARCHIVE_TIMING } from './archive-context.ts';
import { RoundLog } from './round-log.ts';

const RUNS = Number(process.env.OVERLAP_RUNS ?? 6);
const STEPS = 120;
const BATCHES_AT_ONCE = 6;
/** A piece holds about as many batches. */
const PIECE_BATCHES = 14;
const BATCH_US = 1_000_000n;
const PAGE_BYTES = 512;

type Random = (below: number) => number;

function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const away = () => fail('BACKUP_DEST_NOT_CONNECT', { uri: 'file:///memory', because: 'it is away' });
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A put that nobody has answered yet. */
interface Put {
  name: string;
  bytes: Uint8Array;
  end(error?: unknown): void;
}

/** Puts are answered when the test says so, and as it says. */
class Chance {
  readonly memory: MemoryDestination;
  readonly random: Random;
  open: Put[] = [];
  /** Everything succeeds. */
  isKind = false;
  /** Asked for, given up by whoever asked, and yet to land. */
  late: Array<Pick<Put, 'name' | 'bytes'>> = [];

  constructor(memory: MemoryDestination, random: Random) {
    this.memory = memory;
    this.random = random;
  }

  destination(): Destination {
    const { memory } = this;
    return new Proxy(memory as Destination, {
      get: (_, key) => {
        if (key === 'put') return (name: string, bytes: Uint8Array) => this.#put(name, bytes);
        if (key === 'size') return (name: string) => this.#size(name);
        const value = memory[key as keyof MemoryDestination] as unknown;
        return typeof value === 'function' ? value.bind(memory) : value;
      },
    });
  }

  #put(name: string, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      this.open.push({ name, bytes, end });
    });
  }

  /** Whether somebody has taken the destination over is not always to be learnt. */
  async #size(name: string): Promise<number | undefined> {
    if (!this.isKind && name.startsWith(LEASES_DIRECTORY) && this.random(12) === 0) throw away();
    return await this.memory.size(name);
  }

  /** Ends one put, whichever. */
  async answer(): Promise<void> {
    const [put] = this.open.splice(this.random(this.open.length), 1);
    if (!put) return;
    const kind = this.isKind ? 0 : this.random(8);
    if (kind === 5) put.end(away());
    else if (kind === 6) {
      this.late.push(put);
      put.end(away());
    } else {
      try {
        await this.memory.put(put.name, put.bytes);
        put.end(kind === 7 ? away() : undefined);
      } catch (error) {
        put.end(error);
      }
    }
    await settle();
  }

  async landLate(): Promise<void> {
    const [put] = this.late.splice(this.random(this.late.length), 1);
    // Whoever has the name keeps it.
    if (put) await this.memory.put(put.name, put.bytes).catch(() => {});
  }

  /** The server dies: some of what it asked for still lands, some time. */
  die(): void {
    for (const put of this.open.splice(0)) if (this.random(2) === 0) this.late.push(put);
  }
}

/** The server's side: what a capture does, in memory. */
class Writer {
  readonly #world: World;
  readonly #chance: Chance;
  #log!: RoundLog;
  /** Batches that are not acknowledged, in order, as the capture built them. */
  #queue: CapturedBatch[] = [];
  /** How many of them are given to the log. */
  #given = 0;
  #isFailed = false;
  #life = 0;
  #leases: Leases | undefined;
  /** Hashes of what is acknowledged since the round began. */
  acknowledged: string[] = [];
  #position!: LogPosition;

  constructor(world: World, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
  }

  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  async open(): Promise<void> {
    this.#life++;
    this.#queue = [];
    this.#given = 0;
    this.#isFailed = false;
    // The round may also be opened again by the same process.
    if (this.#chance.random(2) === 0) this.#leases = this.#newLeases();
    const { log, resume } = await this.#untilOpen();
    this.#log = log;
    const { hashes } = await read(this.#chance.memory);
    // A restart goes on from just what a reader finds, and that holds from then on.
    expect(hex(resume!.batchHash)).toBe(hashes.at(-1));
    expect(hashes.slice(0, this.acknowledged.length)).toEqual(this.acknowledged);
    this.acknowledged = hashes;
    this.#position = resume!;
  }

  /** Openings fail as anything else does, and what they have asked for may come late. */
  async #untilOpen(): ReturnType<typeof RoundLog.open> {
    this.#leases ??= this.#newLeases();
    const context = {
      ...{ store: this.#world.store, clock: new ManualClock(), log: silentLog, timing: ARCHIVE_TIMING },
      openDestination: () => this.#chance.destination(),
      leases: this.#leases,
    } as unknown as ArchiveContext;
    for (;;) {
      try {
        const opening = RoundLog.open(context, this.#world.store.currentRound(TENANT_ID)!);
        return await this.#answering(opening, { isKind: this.#chance.random(2) === 0 });
      } catch (error) {
        if (!isFailure(error, 'BACKUP_DEST_NOT_CONNECT')) throw error;
        if (this.#chance.random(2) === 0) await this.#chance.landLate();
      }
    }
  }

  /** Those of another process in the same place: it takes the destination over from the one before. */
  #newLeases(): Leases {
    const fill = (text: string, count: number) => new Uint8Array(Buffer.alloc(count, text));
    const me = {
      ...{ instanceId: fill('i', 16), machine: fill('m', 32), life: fill('l', 32), serverVersion: '1' },
      ...{ process: fill(`${this.#life} `, 16), hostName: 'h1', dataDir: '/data' },
    };
    return createLeases({ store: this.#world.store, clock: new ManualClock(), log: silentLog, me });
  }

  /** One more batch is there, and is given to the log when nothing has failed. */
  build(): void {
    const last = this.#queue.at(-1)?.position ?? this.#position;
    const owner = { clusterUuid: this.#world.store.cluster.uuid, tenantId: TENANT_ID, roundId: 1 };
    const batchNo = last.batchNo + 1;
    const startScn = this.#world.store.currentRound(TENANT_ID)!.startScn;
    const scn = toScn(startScn + BigInt(batchNo) * BATCH_US * 1000n);
    const image = Buffer.alloc(PAGE_BYTES, `${batchNo} of life ${this.#life} `);
    const commit = {
      scn,
      databasePages: 1,
      checksum: 0n,
      pages: Uint32Array.of(1),
      hashes: BigUint64Array.of(pageHash(image)),
    };
    const { bytes, header } = encodeLogBatch({
      ...{ owner, batchNo, prevHash: last.batchHash, checkpointScn: scn, pageSize: PAGE_BYTES },
      ...{ position: new Uint8Array(8), commits: [{ ...commit, images: [image] }], compressionLevel: 1 },
    });
    const position = { batchNo, batchHash: header.hash, scn, engine: new Uint8Array(8) };
    const scns = { firstScn: scn, lastScn: scn, checkpointScn: scn };
    this.#queue.push({ bytes, batchNo, ...scns, commitCount: 1, pageCount: 1, plainBytes: PAGE_BYTES, position });
    this.give();
  }

  get isFull(): boolean {
    return this.#queue.length >= BATCHES_AT_ONCE;
  }

  give(): void {
    while (!this.#isFailed && this.#given < this.#queue.length) void this.#deliver(this.#queue[this.#given++]!);
  }

  async #deliver(batch: CapturedBatch): Promise<void> {
    const life = this.#life;
    let failed: unknown;
    try {
      await this.#log.deliver(batch);
    } catch (error) {
      failed = error;
    }
    if (life !== this.#life) return;
    if (failed !== undefined) {
      const isExpected = isFailure(failed, 'BACKUP_DEST_NOT_CONNECT') || isFailure(failed, 'ENTRY_EXISTS');
      if (!isExpected) throw failed;
      this.#isFailed = true;
      this.#given--;
      // Everything from the failed one on comes again, the same bytes.
      if (this.#given === 0) {
        this.#isFailed = false;
        this.give();
      }
      return;
    }
    expect(this.#isFailed, 'nothing is acknowledged behind a failure').toBe(false);
    expect(this.#queue.shift()).toBe(batch);
    this.#given--;
    this.#position = batch.position;
    this.acknowledged.push(hex(batch.position.batchHash));
  }

  /** Lets everything succeed, or not, until some work is done. */
  async #answering<T>(work: Promise<T>, { isKind } = { isKind: true }): Promise<T> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    const watching = work.then(over, over);
    this.#chance.isKind = isKind;
    while (!isOver) {
      await settle();
      await this.#chance.answer();
    }
    this.#chance.isKind = false;
    await watching;
    return await work;
  }

  die(): void {
    this.#life++;
    this.#chance.die();
  }

  async finish(): Promise<void> {
    await this.#answering(this.#log.freeze());
    await this.#log.close();
  }
}

async function read(destination: Destination): Promise<{ hashes: string[]; frozen: number }> {
  const [round] = await listRounds(destination);
  const hashes: string[] = [];
  for await (const { header } of walkRound(destination, round!, { verifyImages: 'all' })) {
    expect(header.batchNo).toBe(hashes.length + 1);
    hashes.push(hex(header.hash));
  }
  return { hashes, frozen: round!.pieces.filter(({ isFrozen }) => isFrozen).length };
}

async function run(seed: number): Promise<{ crashes: number; frozen: number }> {
  const random = seeded(seed);
  await using world = await makeWorld({ canAppend: false });
  const intervalUs = BigInt(PIECE_BATCHES) * BATCH_US;
  await world.archive.setDest(TENANT_ID, destRequest({ intervalUs }));
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
  await world.archive.stop();
  const chance = new Chance(world.memory, random);
  const writer = new Writer(world, chance);
  await writer.open();
  let crashes = 0;
  for (let step = 0; step < STEPS; step++) {
    const dice = random(20);
    if (dice === 0) {
      writer.die();
      crashes++;
      for (let i = random(3); i > 0; i--) await chance.landLate();
      await writer.open();
    } else if (dice < 3) await chance.landLate();
    else if (dice < 10 && !writer.isFull) writer.build();
    else await chance.answer();
    await settle();
    const { hashes } = await read(world.memory);
    expect(hashes.slice(0, writer.acknowledged.length)).toEqual(writer.acknowledged);
  }
  chance.isKind = true;
  while (writer.isBusy) {
    await chance.answer();
    await settle();
  }
  await writer.finish();
  while (chance.late.length > 0) await chance.landLate();
  const { hashes, frozen } = await read(world.memory);
  expect(hashes).toEqual(writer.acknowledged);
  expect(world.store.segmentNumbers.find({ tenantId: TENANT_ID })).toEqual([]);
  expect(world.store.pieces.find({ tenantId: TENANT_ID }).every(({ fileStatus }) => fileStatus === 'AVAILABLE')).toBe(
    true,
  );
  expect(world.store.currentRound(TENANT_ID)!.checkpointScn).toBeGreaterThan(SCN_NONE);
  return { crashes, frozen };
}

describe('objects that overlap', () => {
  test('leave exactly what was acknowledged, whatever fails, comes late or dies', async () => {
    const first = Number(process.env.OVERLAP_SEED ?? Date.now() % 1_000_000);
    let crashes = 0;
    let frozen = 0;
    for (let seed = first; seed < first + RUNS; seed++) {
      try {
        const found = await run(seed);
        crashes += found.crashes;
        frozen += found.frozen;
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    expect(crashes).toBeGreaterThan(0);
    expect(frozen).toBeGreaterThan(0);
  }, 240_000);
});
