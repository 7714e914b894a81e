// Goal: sets that lie at several destinations serve whoever has one of them. Method: one server with file destinations and
// copies of them; places go away, lose objects and have bytes changed.
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CopyTiming } from '../backup/backup-dependencies.ts';
import { systemClock } from '../base/clock.ts';
import { HoldfastError } from '../base/errors.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import { FORMAT_FILE_NAME, manifestName, segmentName } from '../format/layout.ts';
import { type DestinationUri, formatDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import { deleteCopies } from '../store/data-places.ts';
import { type KnownState, until, World } from './world.fixture.ts';

/** Long enough to take a backup meanwhile. */
const LOCK_MS = 4_000;

let world: World;
let source: Tenant;
let timing: CopyTiming;

beforeEach(async () => {
  timing = { retryMs: 20, retryMsMax: 40 };
  world = new World({ copyTiming: timing });
  source = await world.addReadyTenant('app');
  world.start();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const path = (uri: string) => uri.slice('file://'.length);
const copyUri = (no: number) => `file://${join(world.root, 'copies', String(no))}`;
const data = () => world.uri('app', 'data');
const setCopy = (no: number, binding: 'MANDATORY' | 'OPTIONAL' = 'OPTIONAL') =>
  world.backup.setDataDestCopy(source.tenantId, no, { uri: copyUri(no), binding });
const copies = () => world.store.setCopies.find({ tenantId: source.tenantId });
const allCopied = () => until('all copies are complete', () => copies().every(({ status }) => status === 'AVAILABLE'));

/** Every object below a destination but its own files, with its bytes in hex. */
function objectsAt(uri: string, directory: string): Record<string, string> {
  const root = join(path(uri), directory);
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return [file.slice(root.length), readFileSync(file).toString('hex')];
    }),
  );
}

function goAway(uri: string): () => void {
  renameSync(path(uri), `${path(uri)}.away`);
  return () => {
    rmSync(path(uri), { recursive: true, force: true });
    renameSync(`${path(uri)}.away`, path(uri));
  };
}

async function failureOf(work: () => Promise<unknown>): Promise<HoldfastError> {
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof HoldfastError) return error;
  throw new Error(`expected a failure, got ${String(error)}`);
}

async function expectRestored(name: string, uris: readonly string[], state: KnownState) {
  const job = await world.restoreTo(name, { uris, target: { kind: 'scn', scn: state.scn } });
  expect(job.comment, job.comment).not.toMatch(/^-/);
  expect(job.status, job.comment).toBe('RESTORE_SUCCESS');
  const { location } = world.store.tenants.find({ name })[0]!;
  expect(readFileSync(location).equals(state.bytes)).toBe(true);
  return job;
}

describe('copies of backup sets', () => {
  test('are the same bytes at each destination, also of sets that were there before', async () => {
    await world.commit(source, { a: '1' });
    await world.backUp(source, 'secret');
    await setCopy(1);
    await setCopy(2, 'MANDATORY');
    await world.commit(source, { b: '2' });
    const job = await world.backUp(source, 'secret', { isIncremental: true });
    expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
    expect(copies().find((copy) => copy.backupSetId === 2 && copy.uri === copyUri(2))?.status).toBe('AVAILABLE');
    await allCopied();
    expect(copies()).toHaveLength(4);
    for (const no of [1, 2])
      for (const directory of ['backup_set_1_full', 'backup_set_2_inc', 'backup_sets'])
        expect(objectsAt(copyUri(no), directory)).toEqual(objectsAt(data(), directory));
    for (const { copiedBytes, totalBytes } of copies())
      expect([copiedBytes > 0n, copiedBytes]).toEqual([true, totalBytes]);
  });

  test('that are locked stay until the lock has ended, and keep nothing else at their destination waiting', async () => {
    await world[Symbol.asyncDispose]();
    const id = `locked-${process.pid}`;
    const worm = { clock: systemClock, retainMs: LOCK_MS };
    const open = (uri: DestinationUri) =>
      formatDestinationUri(uri) === copyUri(1)
        ? new MemoryDestination(id, { append: false, worm })
        : openDestination(uri);
    // What waits for its destination waits for longer than the test.
    world = new World({ open, copyTiming: { retryMs: 600_000, retryMsMax: 600_000 } });
    source = await world.addReadyTenant('app');
    world.start();
    try {
      await world.commit(source, { a: '1' });
      await world.backUp(source);
      await setCopy(1);
      await allCopied();
      const locked = new MemoryDestination(id);
      const setUntilNs = await locked.lockedUntilNs(manifestName({ backupSetId: 1, type: 'FULL' }));
      expect(await locked.lockedUntilNs(FORMAT_FILE_NAME)).toBeGreaterThan(setUntilNs! - 1_000_000_000n);
      world.store.transaction(() => deleteCopies(world.store, { tenantId: source.tenantId, backupSetId: 1 }));
      world.backup.pumpCopies();
      await until('the lock is met', () => copies()[0]!.comment.includes('locked'));
      await world.backUp(source);
      await until('the next set is copied', () => copies()[1]?.status === 'AVAILABLE');
      expect(copies()[0]).toMatchObject({ backupSetId: 1, status: 'DELETING', result: 4124 });
      await until('the lock has ended', () => copies()[0]!.status === 'DELETED');
      const left = await locked.list('');
      expect(left.filter(({ name }) => name.startsWith('backup_set_1_full/'))).toEqual([]);
    } finally {
      dropMemoryDestination(id);
    }
  });

  test('a path that is a destination already, or of somebody else, is refused', async () => {
    const twice = world.backup.setDataDestCopy(source.tenantId, 1, { uri: data(), binding: 'OPTIONAL' });
    expect((await failureOf(() => twice)).code).toBe(4179);
    const other = await world.addReadyTenant('other');
    const foreign = world.backup.setDataDestCopy(other.tenantId, 1, { uri: data(), binding: 'OPTIONAL' });
    expect((await failureOf(() => foreign)).code).toBe(9081);
  });

  test('go on where they were broken off, and mend what is wrong there', async () => {
    await world.commit(source, { a: '1' });
    await world.backUp(source);
    await setCopy(1);
    await allCopied();
    const [copy] = copies();
    const directory = join(path(copyUri(1)), 'backup_set_1_full');
    const objects = objectsAt(copyUri(1), 'backup_set_1_full');
    const pack = Object.keys(objects).find((name) => /pack/.test(name))!;
    await world.backup.stop();
    for (const name of Object.keys(objects)) if (/info/.test(name)) rmSync(join(directory, name));
    writeFileSync(join(directory, pack), Buffer.alloc(objects[pack]!.length / 2));
    const { tenantId, backupSetId, destId } = copy!;
    world.store.setCopies.change({ tenantId, backupSetId, destId }, { status: 'COPYING' });
    await world.restart();
    world.start();
    await allCopied();
    expect(objectsAt(copyUri(1), 'backup_set_1_full')).toEqual(objectsAt(data(), 'backup_set_1_full'));
  });

  test('one that is away neither stops the job nor the others, and is caught up with', async () => {
    await setCopy(1);
    await setCopy(2, 'MANDATORY');
    timing.stallMsMax = 300;
    const comeBack = [goAway(copyUri(1)), goAway(copyUri(2))];
    await world.commit(source, { a: '1' });
    const job = await world.backUp(source);
    expect(job.status).toBe('COMPLETED');
    expect(job.comment).toContain(`MANDATORY copy of backup_set_1_full is not complete at ${copyUri(2)}`);
    expect(copies().map(({ status, result }) => [status, result > 0])).toEqual([
      ['WAITING', true],
      ['WAITING', true],
    ]);
    for (const back of comeBack) back();
    await allCopied();
    expect(objectsAt(copyUri(1), 'backup_set_1_full')).toEqual(objectsAt(data(), 'backup_set_1_full'));
  });

  test('while DATA_BACKUP_DEST is away the set goes to the first copy that answers, and comes back to it', async () => {
    await setCopy(1);
    await setCopy(2, 'MANDATORY');
    await world.commit(source, { a: '1' });
    await world.backUp(source);
    await allCopied();
    const comeBack = goAway(data());
    const state = await world.commit(source, { b: '2' });
    const job = await world.backUp(source, null, { isIncremental: true });
    expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'INC', uri: copyUri(2) });
    expect(job.comment).toContain(`the set was written to ${copyUri(2)}, because`);
    const set = () => world.store.backupSets.get({ tenantId: source.tenantId, backupSetId: 2 })!;
    expect(set().uri).toBe(copyUri(2));
    comeBack();
    await allCopied();
    expect(set()).toMatchObject({ uri: data(), status: 'SUCCESS' });
    expect(copies().map(({ uri, backupSetId }) => [backupSetId, uri])).toEqual(
      expect.arrayContaining([
        [2, copyUri(1)],
        [2, copyUri(2)],
      ]),
    );
    expect(objectsAt(data(), 'backup_set_2_inc')).toEqual(objectsAt(copyUri(2), 'backup_set_2_inc'));
    await world.archive(source.tenantId).flush();
    await expectRestored('back', world.uris('app'), state);
  });

  test('a copy that is taken away is made no further', async () => {
    await setCopy(1);
    const comeBack = goAway(copyUri(1));
    await world.commit(source, { a: '1' });
    await world.backUp(source);
    expect(copies()).toMatchObject([{ uri: copyUri(1) }]);
    await world.backup.setDataDestCopy(source.tenantId, 1, null);
    expect(copies()).toEqual([]);
    comeBack();
    expect(existsSync(join(path(copyUri(1)), 'backup_set_1_full'))).toBe(false);
  });
});

describe('a restore from several archives', () => {
  test('takes each batch and each image from whichever copy has it', async () => {
    await world.commit(source, { first: 'x'.repeat(3000) });
    await world.backUp(source);
    const archive = world.archive(source.tenantId);
    let state: KnownState | undefined;
    for (const name of ['a', 'b', 'c']) {
      await world.commit(source, { [name]: name.repeat(2000) });
      state = await world.commit(source, { [`${name}2`]: name.repeat(1000) });
      await archive.switchPiece();
    }
    const copy = `file://${join(world.root, 'archive-copy')}`;
    cpSync(path(world.uri('app', 'archive')), path(copy), { recursive: true });
    const segment = (uri: string, piece: number) => join(path(uri), segmentName(`piece_d1001r1p${piece}`, 1));
    // One copy has lost a piece, the other images at the ends of the others.
    rmSync(segment(world.uri('app', 'archive'), 1));
    for (const piece of [2, 3]) {
      const damaged = readFileSync(segment(copy, piece));
      damaged[damaged.length - 3] = damaged.at(-3)! ^ 1;
      writeFileSync(segment(copy, piece), damaged);
    }
    const start = join(path(copy), 'rounds');
    rmSync(start, { recursive: true });
    const job = await expectRestored('mixed', [data(), copy, world.uri('app', 'archive')], state!);
    expect(job.comment).toContain('piece_d1001r1p');
    for (const archiveUri of [copy, world.uri('app', 'archive')]) {
      const target = { kind: 'scn', scn: state!.scn } as const;
      const alone = await world.restoreTo('alone', { uris: [data(), archiveUri], target }).catch(() => null);
      expect(alone?.status).not.toBe('RESTORE_SUCCESS');
    }
  });
});

describe('a restore from several data destinations', () => {
  async function twoSets(): Promise<KnownState> {
    await setCopy(1);
    const a = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`key${n}`, 'x'.repeat(n)]));
    await world.commit(source, a);
    await world.backUp(source, null);
    const state = await world.commit(source, { b: '2' });
    await world.backUp(source, null, { isIncremental: true });
    await world.archive(source.tenantId).flush();
    await allCopied();
    const { minRestoreScn: scn } = world.store.backupSets.get({ tenantId: source.tenantId, backupSetId: 2 })!;
    return { ...state, scn };
  }

  const all = () => [data(), copyUri(1), world.uri('app', 'archive')];
  const objectFiles = (uri: string, set: string) =>
    Object.keys(objectsAt(uri, set)).map((name) => join(path(uri), set, name));

  test('takes what is missing or damaged in one from the other, object by object', async () => {
    const state = await twoSets();
    const [pack] = objectFiles(data(), 'backup_set_2_inc').filter((name) => /pack/.test(name));
    const bytes = readFileSync(pack!);
    bytes[bytes.length - 3] = bytes.at(-3)! ^ 1;
    writeFileSync(pack!, bytes);
    for (const name of objectFiles(data(), 'backup_set_2_inc')) if (/index/.test(name)) rmSync(name);
    for (const name of objectFiles(copyUri(1), 'backup_set_2_inc')) if (/page_map/.test(name)) rmSync(name);
    const job = await expectRestored('mixed', all(), state);
    expect(job.comment).toContain(`it was read from ${copyUri(1)}`);
    expect((await world.restoreTo('alone', { uris: world.uris('app') })).status).toBe('RESTORE_FAIL');
  });

  test('does without a destination that is away, and says so', async () => {
    const state = await twoSets();
    const comeBack = goAway(data());
    const remarks = await world.restore.preview({
      ...{ tenantName: null, uris: all(), option: '', passwords: [], description: '' },
      target: { kind: 'newest' },
    });
    expect(remarks.remarks).toEqual([expect.stringContaining(`${data()} is not used: `)]);
    const job = await expectRestored('without', all(), state);
    expect(job.comment).toContain(`${data()} is not used: `);
    comeBack();
    // Without any log nobody knows which point is the newest.
    goAway(world.uri('app', 'archive'));
    const newest = await failureOf(() => world.restoreTo('unknown', { uris: all() }));
    expect(newest.code).toBe(9070);
  });
});
