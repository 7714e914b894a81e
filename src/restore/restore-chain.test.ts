// Goal: a restore over increments, several passwords and repaired rounds yields the very pages of the model, and whatever
// was exchanged, dropped or altered behind the hashes is named.
// Method: sets and log written by hand in the real formats, read and built by the real code in memory.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import { pieceInfoName, roundStartName, segmentName, setDirectory } from '../format/layout.ts';
import type { Scn } from '../model/scn.ts';
import { toScn } from '../model/scn.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { buildFile } from './build-file.ts';
import { CHAIN_PAGE_BYTES, type ChainState, ChainWorld, pageOf } from './chain.fixture.ts';
import { planRestore } from './plan-restore.ts';
import { readSources } from './read-sources.ts';
import { decodeSeed, encodeSeed, seedOf } from './restore-seed.ts';
import { unlockSets } from './unlock-sets.ts';

let pipeline: Pipeline;
let root: string;
let world: ChainWorld;
let targets = 0;

beforeAll(() => {
  pipeline = createPipeline({ log: silentLog, workers: 1 });
  root = mkdtempSync(join(tmpdir(), 'holdfast-chain-'));
});
afterAll(async () => {
  await pipeline[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  world = new ChainWorld();
});
afterEach(() => world[Symbol.dispose]());

async function restoreTo(scn: Scn, of: { passwords?: string[]; uris?: string[] } = {}) {
  const found = await readSources(of.uris ?? world.uris, world.open, async () => {});
  const plan = planRestore(found, { kind: 'scn', scn });
  const keys = await unlockSets(plan.sets, of.passwords ?? [], new DerivedKeys());
  const targetPath = join(root, `${++targets}.db`);
  const built = await buildFile({
    seed: decodeSeed(encodeSeed(seedOf({ sources: found, plan, workers: 1, check: 'quick', uriOf: (uri) => uri }))),
    ...{ restoreScn: scn, targetPath, openDestination: world.open, pipeline },
    // The pages of these chains are no database that an engine could look into.
    check: async (path, whenWritten) => {
      await whenWritten;
      const pageCount = statSync(path).size / CHAIN_PAGE_BYTES;
      return { pageSize: CHAIN_PAGE_BYTES, pageCount, engineVersion: '', tableCount: 0 };
    },
    dataKeyOf: (backupSetId) => keys.get(backupSetId)?.slice() ?? null,
    onTotal: () => {},
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  const bytes = readFileSync(targetPath);
  rmSync(targetPath);
  return { plan, built, bytes };
}

async function expectState(state: ChainState, of: { passwords?: string[]; uris?: string[] } = {}) {
  const restored = await restoreTo(state.scn, of);
  expect(restored.bytes.equals(Buffer.concat(state.pages))).toBe(true);
  return restored.plan;
}

async function failureOf(work: Promise<unknown>): Promise<HoldfastError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof HoldfastError) return error;
  throw error ?? new Error('it should have failed');
}

const pagesOf = (count: number) => Array.from({ length: count }, (_, place) => pageOf(`first ${place + 1}`));
let version = 0;
/** New content for some pages. */
const edit = (...numbers: number[]) =>
  Object.fromEntries(numbers.map((page) => [page, pageOf(`page ${page} version ${++version}`)]));

/** A round with a full set of 40 pages and three increments on it, with commits between and behind. */
async function writeChain(passwords: Array<string | undefined> = []): Promise<ChainState[]> {
  await world.start(pagesOf(40));
  await world.beginRound();
  const first = await world.commit(edit(1, 39));
  const full = await world.writeSet(withPassword(passwords[0]));
  const grown = await world.commit(edit(2, 17, 18, 41, 42, 43));
  const one = await world.writeSet({ parent: full, ...withPassword(passwords[1]) });
  await world.switchPiece();
  const cut = await world.commit(edit(3, 18), { size: 30 });
  const two = await world.writeSet({ parent: one, ...withPassword(passwords[2]) });
  const again = await world.commit(edit(3, 31, 32, 33, 34, 35));
  await world.writeSet({ parent: two, ...withPassword(passwords[3]) });
  const parts = await world.commit(edit(1, 5, 9, 35), { parts: 3 });
  await world.endRound('INTERRUPTED', 'the database file was replaced');
  return [first, grown, cut, again, parts];
}

const withPassword = (password: string | undefined) => (password === undefined ? {} : { password });

describe('a chain of increments', () => {
  test('yields each state, every page from the one set that has it, over growth and cuts', async () => {
    const states = await writeChain();
    for (const [place, state] of states.entries()) {
      const plan = await expectState(state);
      expect(plan.set.backupSetId).toBe([1, 2, 3, 4, 4][place]);
    }
    const plan = await expectState(states[3]!);
    expect(plan.sets.map(({ name }) => name)).toEqual([
      'backup_set_1_full',
      'backup_set_2_inc',
      'backup_set_3_inc',
      'backup_set_4_inc',
    ]);
    expect(plan.stretches).toEqual([]);
  });

  test('is opened with a password for each set, and names the set that none opens', async () => {
    const states = await writeChain(['one', undefined, 'three', 'one']);
    await expectState(states[4]!, { passwords: ['three', 'one'] });
    const error = await failureOf(restoreTo(states[4]!.scn, { passwords: ['one', 'two'] }));
    expect(error.code).toBe(9047);
    expect(error.message).toContain('backup_set_3_inc');
    expect((await failureOf(restoreTo(states[4]!.scn))).code).toBe(9047);
  });

  test('finds the sets below an increment that is given by its own directory', async () => {
    const states = await writeChain();
    const uris = [`${world.uris[0]}/backup_set_3_inc`, world.uris[1]!];
    expect((await expectState(states[4]!, { uris })).set.name).toBe('backup_set_3_inc');
    expect((await failureOf(restoreTo(states[1]!.scn, { uris }))).code).toBe(9119);
  });

  test('falls back to a set that is whole when a source is gone, and fails where none is', async () => {
    const states = await writeChain();
    await world.data.removeAll('backup_set_2_inc');
    const plan = await expectState(states[4]!);
    expect(plan.set.name).toBe('backup_set_1_full');
    expect(plan.comment).toContain('backup_set_2_inc/single_backup_set_info.obbak: it is missing');
    await world.data.removeAll('backup_set_1_full');
    const error = await failureOf(restoreTo(states[4]!.scn));
    expect(error.code).toBe(9010);
    expect(error.message).toContain('backup_set_1_full/single_backup_set_info.obbak');
  });

  test('refuses increments whose full set was exchanged for another one', async () => {
    const states = await writeChain();
    using other = new ChainWorld();
    Object.assign(other.owner, world.owner);
    await other.start(pagesOf(40));
    await other.beginRound();
    await other.commit(edit(1));
    const { ref } = await other.writeSet();
    for (const { name } of await other.data.list(setDirectory(ref)))
      await world.replace(world.data, name, await other.data.get(name));
    // A restore to a commit after the exchanged set must not take the increments on it, nor the set for what it was.
    const error = await failureOf(restoreTo(states[4]!.scn));
    expect(error.code).toBe(9010);
    expect(error.message).toMatch(/backup_set_1_full|checksum/);
  });
});

describe('a repaired round', () => {
  async function writeRepair(): Promise<{ states: ChainState[]; later: ChainState[] }> {
    const states = await writeChain();
    world.pages = [...world.pages.slice(0, 33), pageOf('changed in the gap')];
    world.pages[6] = pageOf('also changed in the gap');
    await world.beginRound({ repairs: true, parts: 2 });
    const repaired = world.states.at(-1)!;
    const next = await world.commit(edit(2, 35));
    await world.switchPiece();
    const last = await world.commit(edit(7));
    return { states, later: [repaired, next, last] };
  }

  test('leads from sets and log before it to each point from its repair on', async () => {
    const { states, later } = await writeRepair();
    await world.putActive();
    for (const state of [...states, ...later]) await expectState(state);
    const plan = await expectState(later[2]!);
    expect(plan.stretches.map(({ run }) => run.roundId)).toEqual([1, 2]);
    expect(plan.windows.map(({ roundId, backupSetIds }) => [roundId, backupSetIds])).toEqual([
      [1, [1, 2, 3, 4]],
      [2, [1, 2, 3, 4]],
    ]);
    // From the first set alone, over all that came after it.
    const uris = [`${world.uris[0]}/backup_set_1_full`, world.uris[1]!];
    expect((await expectState(later[2]!, { uris })).sets).toHaveLength(1);
  });

  test('is gone on from by the next repair, and by increments', async () => {
    const { later } = await writeRepair();
    const inc = await world.writeSet({ parent: world.sets[3]! });
    await world.endRound('INTERRUPTED', 'again');
    world.pages[0] = pageOf('the second gap');
    await world.beginRound({ repairs: true });
    const [repaired, last] = [world.states.at(-1)!, await world.commit(edit(1, 50, ...range(36, 49)))];
    await world.endRound();
    expect((await expectState(last)).set.name).toBe(setDirectory(inc.ref));
    await expectState(repaired);
    await expectState(later[0]!);
    const uris = [`${world.uris[0]}/backup_set_2_inc`, world.uris[1]!];
    expect((await expectState(last, { uris })).stretches.map(({ run }) => run.roundId)).toEqual([1, 2, 3]);
  });

  test('leaves a hole that no restore goes into: the error names both edges and the cause', async () => {
    const { states, later } = await writeRepair();
    await world.endRound();
    const hole = toScn(later[0]!.scn - 1n);
    const error = await failureOf(restoreTo(hole));
    expect(error.code).toBe(9077);
    expect(error.message).toContain('round 1 was interrupted (the database file was replaced)');
    expect(error.message).toContain(`SCN ${later[0]!.scn}`);
    expect(error.message).toMatch(/nearest restorable points are SCN \d+ \(2025-03-01 .*\) and SCN/);
    expect(hole > states[4]!.scn).toBe(true);
  });

  test('has no points while its repairing commit is not complete', async () => {
    const states = await writeChain();
    world.pages = [...world.pages, ...pagesOf(3)];
    await world.beginRound({ repairs: true, parts: 3 });
    const scn = world.states.at(-1)!.scn;
    await world.putActive();
    const name = segmentName(`piece_d1001r2p3`, 1);
    const bytes = await world.log.get(name);
    await world.replace(world.log, name, bytes.subarray(0, bytes.length - 5));
    const error = await failureOf(restoreTo(scn));
    expect([9064, 9119]).toContain(error.code);
    await expectState(states[4]!);
  });

  test('is refused where the log before it does not end with the batch that it names', async () => {
    const { states, later } = await writeRepair();
    await world.endRound();
    using other = new ChainWorld();
    Object.assign(other.owner, world.owner);
    await other.start(pagesOf(40));
    await other.beginRound();
    for (let i = 0; i < 2; i++) await other.commit(edit(1));
    await other.switchPiece();
    for (let i = 0; i < 3; i++) await other.commit(edit(2));
    await other.endRound();
    const piece = { destId: 1001, roundId: 1, pieceId: 2 };
    for (const name of [pieceInfoName(piece), segmentName('piece_d1001r1p2', 1)])
      await world.replace(world.log, name, await other.log.get(name));
    const uris = [`${world.uris[0]}/backup_set_4_inc`, world.uris[1]!];
    const error = await failureOf(restoreTo(later[1]!.scn, { uris }));
    expect(error.code).toBe(9010);
    expect(error.message).toContain('piece_d1001r1p2');
    expect(states).toHaveLength(5);
  });

  test('names the start of the round when that is damaged', async () => {
    const { later } = await writeRepair();
    await world.endRound();
    const name = roundStartName({ destId: 1001, roundId: 2 });
    await world.replace(world.log, name, new Uint8Array(10));
    const error = await failureOf(restoreTo(later[1]!.scn));
    expect(error.code).toBe(9010);
    expect(error.message).toContain(name);
  });
});

describe('what no hash of an object shows', () => {
  async function begin(): Promise<void> {
    await world.start(pagesOf(20));
    await world.beginRound();
    await world.commit(edit(1));
    await world.writeSet();
  }

  test('a commit that the log never had breaks the chain at the next one', async () => {
    await begin();
    const before = await world.commit(edit(2));
    await world.commit(edit(3), { isLost: true });
    const after = await world.commit(edit(4));
    const last = await world.commit(edit(5));
    await world.endRound();
    await expectState(before);
    for (const { scn } of [after, last]) {
      const error = await failureOf(restoreTo(scn));
      expect(error.code).toBe(9010);
      expect(error.message).toContain('piece_d1001r1p1/logstream_1/log/1.obarc');
      expect(error.message).toContain('batch 4');
      expect(error.message).toContain(`scn ${after.scn}`);
    }
  });

  test('a wrong recorded checksum is told apart from a wrong page', async () => {
    await begin();
    const wrong = await world.commit(edit(2), { checksum: 7n });
    await world.endRound();
    const error = await failureOf(restoreTo(wrong.scn));
    expect(error.message).toMatch(/batch 3: .* has the checksum [0-9a-f]{16}, not 0{15}7 as recorded/);
  });

  test('an unknown checksum proves nothing and hides nothing', async () => {
    await begin();
    await world.commit(edit(2), { checksum: 0n });
    await world.commit(edit(3), { checksum: 0n, isLost: true });
    const unknown = await world.commit(edit(4), { checksum: 0n });
    const known = await world.commit(edit(5));
    await world.endRound();
    const restored = await restoreTo(unknown.scn);
    expect(restored.built.commitCount).toBe(2);
    expect((await failureOf(restoreTo(known.scn))).message).toContain('batch 5');
  });

  test('a page image that is not what the table says is named with its segment', async () => {
    await begin();
    const state = await world.commit(edit(2, 3), { images: { 3: pageOf('something else') } });
    await world.endRound();
    const error = await failureOf(restoreTo(state.scn));
    expect(error.code).toBe(9010);
    expect(error.message).toContain('piece_d1001r1p1/logstream_1/log/1.obarc');
    expect(error.message).toContain('page 3 of the restored file');
  });

  test('a block that is not what the page map says is named with its pack', async () => {
    await begin();
    await world.commit(edit(2, 17));
    await world.writeSet({ parent: world.sets[0]!, packed: { 17: pageOf('something else') } });
    await world.endRound();
    const error = await failureOf(restoreTo(world.states.at(-1)!.scn));
    expect(error.code).toBe(9010);
    expect(error.message).toContain('backup_set_2_inc/pack_1.obbak');
    expect(error.message).toContain('page 17 of the restored file');
  });

  test('an altered page map is no page map', async () => {
    await begin();
    const state = await world.commit(edit(2));
    await world.endRound();
    const name = 'backup_set_1_full/page_map.obbak';
    const bytes = (await world.data.get(name)).slice();
    bytes[100] = bytes[100]! ^ 1;
    await world.replace(world.data, name, bytes);
    const error = await failureOf(restoreTo(state.scn));
    expect(error.code).toBe(9010);
    expect(error.message).toContain(name);
  });
});

describe('random histories', () => {
  const first = Number(process.hrtime.bigint() % 1_000_000_000n);
  const HISTORIES = 6;

  /** Whole numbers below a bound, repeatable from a seed. */
  function createRandom(seed: number): (below: number) => number {
    let state = seed >>> 0;
    return (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  function randomChange(random: (below: number) => number): { numbers: number[]; size: number } {
    const before = world.pages.length;
    const size = Math.max(2, before + random(9) - 4);
    const edited = range(1, Math.min(before, size)).filter(() => random(5) === 0);
    const numbers = [...edited, ...range(before + 1, size)];
    return { numbers: numbers.length > 0 ? numbers : [1], size };
  }

  async function step(random: (below: number) => number): Promise<void> {
    const { numbers, size } = randomChange(random);
    const parent = world.sets[random(world.sets.length + 1)];
    const kind = random(8);
    if (kind <= 3) await world.commit(edit(...numbers), { size, parts: 1 + random(2) });
    else if (kind === 4) await world.switchPiece();
    else if (kind <= 6) await world.writeSet(parent ? { parent } : {});
    else {
      await world.endRound('INTERRUPTED', 'a gap');
      world.pages = world.pages.slice(0, size);
      for (const [page, bytes] of Object.entries(edit(...numbers))) world.pages[Number(page) - 1] = bytes;
      await world.beginRound({ repairs: true, parts: 1 + random(2) });
    }
  }

  test(`are restored to each of their states (seeds from ${first})`, async () => {
    for (let seed = first; seed < first + HISTORIES; seed++) {
      const random = createRandom(seed);
      world[Symbol.dispose]();
      world = new ChainWorld();
      try {
        await world.start(pagesOf(5 + random(20)));
        await world.beginRound();
        await world.commit(edit(1));
        await world.writeSet();
        for (let steps = 0; steps < 16; steps++) await step(random);
        await world.endRound();
        for (const state of world.states) await expectState(state);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error}`, { cause: error });
      }
    }
  }, 120_000);
});

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);
