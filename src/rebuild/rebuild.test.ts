// Goal: rows come back from destinations alone, exactly, and never claim or overwrite anything that is not theirs.
// Method: a fake tenant really archives to a memory destination, sets are laid beside it, and a store without rows (of the
// same cluster, or of another one) records them.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DAY_US, destRequest, makeWorld, TENANT_ID, URI, type World } from '../archive/archive.fixture.ts';
import { silentLog } from '../base/log.ts';
import { ARCHIVE_VIEWS } from '../catalog/archive-views.ts';
import { BACKUP_VIEWS } from '../catalog/backup-views.ts';
import { RESTORE_VIEWS } from '../catalog/restore-views.ts';
import { ViewReader } from '../catalog/view-reader.ts';
import { claimDestination } from '../destination/claim-destination.ts';
import type { Destination } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { type BackupSetManifest, encodeManifest, manifestSha256 } from '../format/backup-set-manifest.ts';
import { FORMAT_FILE_VERSION } from '../format/format-file.ts';
import {
  manifestName,
  pieceDirectory,
  pieceInfoName,
  roundEndName,
  setDirectory,
  setStartName,
} from '../format/layout.ts';
import { xxh3 } from '../format/xxh3.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import { SCN_NONE, toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { formatTime } from '../model/time-zone.ts';
import { storedWindows } from '../restore/stored-windows.ts';
import { openStore, type Store } from '../store/store.ts';
import { createRebuild } from './rebuild.ts';
import type { RebuildReport, RowReceiver } from './rebuild-service.ts';

const DATA_URI = 'file:///memory/data';
const START_NS = 1_740_790_800_000_000_000n;

let world: World;
let data: MemoryDestination;
let directory: string;
let other: Store;

beforeEach(async () => {
  world = await makeWorld();
  directory = mkdtempSync(join(tmpdir(), 'rebuild-'));
  data = new MemoryDestination(`${directory}/data`);
  other = openStore(join(directory, 'other'), { clusterName: 'c2', clusterId: 2, timeZone: '+00:00' });
  const { cluster } = world.store;
  await claimDestination(data, {
    formatVersion: FORMAT_FILE_VERSION,
    clusterName: cluster.name,
    clusterId: cluster.clusterId,
    clusterUuid: cluster.uuid,
    tenantId: TENANT_ID,
    tenantName: 't1',
    destKind: 'backup_data',
    destId: 1002,
    createdNs: START_NS,
  });
});
afterEach(async () => {
  other[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
  dropMemoryDestination(`${directory}/data`);
  rmSync(directory, { recursive: true, force: true });
});

/** A memory destination under the uri by which it is asked for. */
function open(uri: DestinationUri): Destination {
  const shown = `file://${uri.path}`;
  const memory =
    shown === URI ? world.memory : shown === DATA_URI ? data : new MemoryDestination(`${directory}${uri.path}`);
  return new Proxy<Destination>(memory, {
    get(target, name) {
      if (name === 'uri') return uri;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** From the data destination, and from the archive once there is one. */
async function rebuild(
  store: Store,
  receiver: RowReceiver = { kind: 'source' },
  given?: string[],
): Promise<RebuildReport> {
  const uris = given ?? ((await world.memory.size('format.obbak')) === undefined ? [DATA_URI] : [DATA_URI, URI]);
  const deps = { store, clock: world.clock, log: silentLog, openDestination: open };
  return await createRebuild(deps).rebuild({ uris, receiver, signal: new AbortController().signal });
}

/** One round of two pieces that has ended. */
async function archive(): Promise<void> {
  await world.archive.setDest(TENANT_ID, destRequest());
  world.archive.enable(TENANT_ID);
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await world.commit(3);
  await world.archive.flush(TENANT_ID);
  world.clock.advanceUs(DAY_US);
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
}

async function stopArchive(): Promise<void> {
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
}

type Change = (manifest: BackupSetManifest) => void;

/** A whole set with one pack. */
async function putSet(backupSetId: number, change: Change = () => {}): Promise<Uint8Array> {
  const { cluster } = world.store;
  const pack = new Uint8Array([1, 2, 3]);
  const scn = toScn(START_NS + BigInt(backupSetId) * 1_000_000n);
  const manifest: BackupSetManifest = {
    cluster: { name: cluster.name, id: cluster.clusterId, uuid: cluster.uuid },
    tenant: { id: TENANT_ID, name: 't1', mode: 'mysql', timeZone: '+08:00' },
    set: {
      ...{ backupSetId, uuid: randomUUID(), destId: 1002, backupType: 'FULL', roundId: 1 },
      ...{ prevFullBackupSetId: 0, prevIncBackupSetId: 0, prevManifestSha256: null },
      ...{ consistentScn: scn, startReplayScn: scn, minRestoreScn: scn, startNs: scn, endNs: scn + 5n },
      isPlusArchivelog: false,
    },
    engine: {
      ...{ engine: 'sqlite', version: '3.51.3', pageSize: 4096, pageCount: 7, tableCount: 2, skipPage: 0 },
      databaseChecksum: 1n,
    },
    encryptionMode: 'NONE',
    keySlots: [],
    objects: [{ name: 'pack_1.obbak', size: pack.length, checksum: xxh3(pack) }],
    sources: [],
    blockCount: 1,
    inputBytes: 28_672n,
    outputBytes: 3n,
    description: 'nightly',
    compatible: { server: '0.1.0', tenant: '4.3.3.0' },
  };
  change(manifest);
  const ref = { backupSetId, type: manifest.set.backupType };
  await data.put(setStartName(ref), new Uint8Array(0));
  await data.put(`${setDirectory(ref)}/pack_1.obbak`, pack);
  const bytes = encodeManifest(manifest, null);
  await data.put(manifestName(ref), bytes);
  return bytes;
}

function tenant(tenantId: number, name: string): Tenant {
  return {
    ...{ tenantId, name, mode: 'mysql', role: 'PRIMARY', status: 'NORMAL', engine: 'fake', location: `/${name}` },
    ...{ isAdopted: false, timeZone: '+00:00', isArchiveMode: false, lastScn: SCN_NONE, recoveryUntilScn: SCN_NONE },
    ...{ poolName: null, comment: '', createdNs: 0n },
  };
}

const counts = ({ sets, rounds, pieces }: RebuildReport) => [sets, rounds, pieces].map(({ recorded }) => recorded);
const rowsOf = (store: Store, tenantId = TENANT_ID) => ({
  sets: store.backupSets.find({ tenantId }),
  rounds: store.rounds.find({ tenantId }),
  pieces: store.pieces.find({ tenantId }),
});

describe('recording on another cluster', () => {
  test('gives the rows of rounds and pieces as they were, column by column', async () => {
    await archive();
    await stopArchive();
    const report = await rebuild(other);
    expect(report).toMatchObject({ tenantId: TENANT_ID, warnings: [] });
    const before = rowsOf(world.store);
    const after = rowsOf(other);
    expect(after.pieces).toEqual(before.pieces);
    expect(after.pieces).toHaveLength(2);
    expect(after.rounds).toEqual(before.rounds);
  });

  test('gives the rows of sets as their manifests tell', async () => {
    await putSet(1);
    await putSet(3);
    const report = await rebuild(other);
    expect(report).toMatchObject({ sets: { found: 2, recorded: 2 }, warnings: [] });
    const [first] = other.backupSets.find({ tenantId: TENANT_ID });
    expect(first).toEqual({
      ...{ tenantId: TENANT_ID, backupSetId: 1, destId: 1002, backupType: 'FULL', roundId: 1 },
      lockedUntilNs: 0n,
      ...{ prevFullBackupSetId: 0, prevIncBackupSetId: 0, status: 'SUCCESS', fileStatus: 'AVAILABLE' },
      ...{ startNs: START_NS + 1_000_000n, endNs: START_NS + 1_000_005n, isPlusArchivelog: false },
      ...{ consistentScn: START_NS + 1_000_000n, startReplayScn: START_NS + 1_000_000n },
      ...{ minRestoreScn: START_NS + 1_000_000n, inputBytes: 28_672n, outputBytes: 3n },
      ...{ tabletCount: 2, finishTabletCount: 2, blockCount: 1, finishBlockCount: 1, fileCount: 2 },
      ...{ result: 0, comment: '', encryptionMode: 'NONE' },
      uri: DATA_URI,
    });
    expect(other.recordedSources.get({ tenantId: TENANT_ID })).toMatchObject({
      sourceTenantName: 't1',
      timeZone: '+08:00',
    });
  });

  test('changes nothing the second time, and follows what was added', async () => {
    await archive();
    await putSet(1);
    expect(counts(await rebuild(other))).toEqual([1, 1, 2]);
    const before = rowsOf(other);
    expect(counts(await rebuild(other))).toEqual([0, 0, 0]);
    expect(rowsOf(other)).toEqual(before);
    await stopArchive();
    await putSet(2);
    // The round has ended, the second piece was frozen, and there is a new set.
    expect(counts(await rebuild(other))).toEqual([1, 1, 1]);
    expect(rowsOf(other).rounds).toEqual(rowsOf(world.store).rounds);
    expect(rowsOf(other).pieces).toEqual(rowsOf(world.store).pieces);
  });

  test('tells that a round without an end is not gone on with', async () => {
    await archive();
    await rebuild(other);
    const [round] = other.rounds.find({ tenantId: TENANT_ID });
    expect(round).toMatchObject({ status: 'INTERRUPTED', comment: expect.stringContaining('does not archive it') });
    const [, active] = other.pieces.find({ tenantId: TENANT_ID });
    const { maxScn, status, inputBytes } = world.store.pieces.get({ tenantId: TENANT_ID, pieceId: 2 })!;
    expect(active).toMatchObject({ status, fileStatus: 'AVAILABLE', inputBytes, maxScn });
  });

  test('leaves no number free that is taken there', async () => {
    await archive();
    await putSet(7);
    await data.put(setStartName({ backupSetId: 9, type: 'FULL' }), new Uint8Array(0));
    await rebuild(other);
    expect(other.nextId(TENANT_ID, 'backup_set')).toBe(10);
    expect(other.nextId(TENANT_ID, 'round')).toBe(2);
    expect(other.nextId(TENANT_ID, 'piece')).toBe(3);
    expect(other.destIdFor(TENANT_ID, 'file:///elsewhere')).toBe(1003);
    expect(other.destIdFor(TENANT_ID, DATA_URI)).toBe(1002);
    // Nobody who is created here gets the id under which these backups are shown.
    expect(other.nextId(1, 'tenant')).toBe(TENANT_ID + 2);
  });

  test('refuses an id that stands for somebody else here, and takes the tenant that is named instead', async () => {
    await putSet(1);
    await archive();
    other.tenants.insert(tenant(TENANT_ID, 'own'));
    await expect(rebuild(other)).rejects.toMatchObject({ errorName: 'NOT_ALLOWED' });
    expect(rowsOf(other)).toEqual({ sets: [], rounds: [], pieces: [] });
    other.tenants.insert(tenant(1004, 'restored'));
    const report = await rebuild(other, { kind: 'named', tenantId: 1004 });
    expect(report.tenantId).toBe(1004);
    expect(rowsOf(other, 1004)).toMatchObject({ sets: [{ tenantId: 1004 }], rounds: [{ tenantId: 1004 }] });
    // A living tenant's archive would take up or repair an interrupted round, whose log it never held.
    expect(other.rounds.find({ tenantId: 1004 })).toMatchObject([{ status: 'STOP', comment: /^INTERRUPTED: / }]);
    expect((await rebuild(other)).tenantId).toBe(1004);
  });

  test('never mixes them with the backups that a named tenant has made himself', async () => {
    await putSet(1);
    other.tenants.insert(tenant(1004, 'busy'));
    await rebuild(other, { kind: 'named', tenantId: 1004 });
    const [row] = other.backupSets.find({ tenantId: 1004 });
    other.tenants.insert(tenant(1006, 'own'));
    other.backupSets.insert({ ...row!, tenantId: 1006, uri: 'file:///own' });
    await expect(rebuild(other, { kind: 'named', tenantId: 1006 })).rejects.toMatchObject({ errorName: 'NOT_ALLOWED' });
  });

  test('leaves out what has the number of something else', async () => {
    await putSet(1);
    await rebuild(other);
    other.backupSets.change({ tenantId: TENANT_ID, backupSetId: 1 }, { startNs: 5n, uri: 'file:///own' });
    const report = await rebuild(other);
    expect(report.sets).toEqual({ found: 1, recorded: 0 });
    expect(report.warnings).toMatchObject([{ message: expect.stringContaining('another backup set 1') }]);
    expect(other.backupSets.get({ tenantId: TENANT_ID, backupSetId: 1 })).toMatchObject({ startNs: 5n });
  });
});

describe('what the views show of recorded rows', () => {
  test('sets, rounds, pieces and a window, under an id where no tenant lives', async () => {
    await archive();
    await stopArchive();
    const [round] = world.store.rounds.find({ tenantId: TENANT_ID });
    await putSet(1, ({ set }) => {
      const scn = toScn(round!.startScn + 1_000_000n);
      Object.assign(set, { consistentScn: scn, startReplayScn: scn, minRestoreScn: scn });
    });
    await rebuild(other);
    const restore = {
      windows: (tenantId: number) => {
        const { sets, rounds, pieces } = rowsOf(other, tenantId);
        return storedWindows({ sets, rounds, pieces, liveCheckpointScn: undefined });
      },
    };
    const reader = new ViewReader(
      {
        ...{ store: other, clock: world.clock, archive: { figures: () => undefined }, restore },
        listenAddress: { host: '127.0.0.1', port: 2881 },
        standby: { status: () => undefined },
      },
      null,
    );
    const show = (name: string) => {
      const view = [...ARCHIVE_VIEWS, ...BACKUP_VIEWS, ...RESTORE_VIEWS].find((found) => found.name === name)!;
      return [...view.rows(reader)];
    };
    expect(show('CDB_OB_BACKUP_SET_FILES')).toMatchObject([{ TENANT_ID: TENANT_ID, BACKUP_SET_ID: 1 }]);
    expect(show('CDB_OB_ARCHIVELOG_SUMMARY')).toMatchObject([{ TENANT_ID: TENANT_ID, STATUS: 'STOP' }]);
    expect(show('CDB_OB_ARCHIVELOG_PIECE_FILES')).toHaveLength(2);
    const [window] = show('CDB_HF_RESTORE_WINDOW');
    expect(window).toMatchObject({ TENANT_ID: TENANT_ID, TENANT_NAME: 't1', BACKUP_SET_LIST: '1' });
    expect(window).toMatchObject({ FROM_SCN: round!.startScn + 1_000_000n, TO_SCN: round!.checkpointScn });
    // In the zone of the tenant whose backups they are, not in that of this cluster.
    expect(window!.TO_SCN_DISPLAY).toBe(formatTime(round!.checkpointScn, '+08:00'));
  });
});

describe('recording on the same cluster', () => {
  test('gives missing rows back and leaves those that are there as they are', async () => {
    const { store } = world;
    await archive();
    await stopArchive();
    await putSet(1);
    const before = rowsOf(store);
    store.pieces.remove({ tenantId: TENANT_ID, pieceId: 1 });
    store.rounds.change({ tenantId: TENANT_ID, roundId: 1 }, { comment: 'kept' });
    expect(counts(await rebuild(store))).toEqual([1, 0, 1]);
    expect(rowsOf(store).pieces).toEqual(before.pieces);
    expect(store.rounds.find({ tenantId: TENANT_ID })).toMatchObject([{ comment: 'kept', status: 'STOP' }]);
    expect(store.recordedSources.find()).toEqual([]);
    store.rounds.remove({ tenantId: TENANT_ID });
    expect(counts(await rebuild(store))).toEqual([0, 1, 0]);
    expect(rowsOf(store).rounds).toEqual(before.rounds);
  });

  test('leaves the rows of a running round to its server', async () => {
    const { store } = world;
    await archive();
    const before = rowsOf(store);
    const report = await rebuild(store);
    expect(report.rounds).toEqual({ found: 1, recorded: 0 });
    expect(report.warnings).toEqual([]);
    expect(rowsOf(store).rounds).toMatchObject([{ status: 'DOING', startScn: before.rounds[0]!.startScn }]);
    await world.commit(1);
    await world.archive.flush(TENANT_ID);
  });

  test('moves the tenant’s scns above those that were found, but never into the far future', async () => {
    const { store } = world;
    await putSet(1);
    store.tenants.change({ tenantId: TENANT_ID }, { lastScn: SCN_NONE });
    await rebuild(store);
    expect(store.tenants.get({ tenantId: TENANT_ID })!.lastScn).toBe(START_NS + 1_000_000n);
    await putSet(2, ({ set }) => {
      const scn = toScn(START_NS * 3n);
      Object.assign(set, { consistentScn: scn, startReplayScn: scn, minRestoreScn: scn });
    });
    const { warnings } = await rebuild(store);
    expect(store.tenants.get({ tenantId: TENANT_ID })!.lastScn).toBe(START_NS + 1_000_000n);
    expect(warnings).toMatchObject([{ message: expect.stringContaining('future') }]);
  });

  test('tells of rows that promise what is not there, and changes none', async () => {
    const { store } = world;
    await putSet(1);
    await rebuild(store);
    await data.removeAll('backup_set_1_full');
    const { warnings } = await rebuild(store);
    expect(warnings).toMatchObject([{ message: expect.stringContaining('backup set 1 is AVAILABLE by its row') }]);
    expect(store.backupSets.find()).toMatchObject([{ fileStatus: 'AVAILABLE' }]);
  });

  test('a tenant records what is his, and learns nothing of what is not', async () => {
    const { store } = world;
    await putSet(1);
    expect(counts(await rebuild(store, { kind: 'own', tenantId: TENANT_ID }))).toEqual([1, 0, 0]);
    for (const [of, tenantId] of [
      [store, 1004],
      [other, TENANT_ID],
    ] as const) {
      const error = await rebuild(of, { kind: 'own', tenantId }).catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ errorName: 'BACKUP_FORMAT_FILE_NOT_MATCH' });
      expect(String(error)).not.toContain('t1');
    }
    const foreign = new MemoryDestination(`${directory}/foreign`);
    const { cluster } = store;
    await claimDestination(foreign, {
      ...{ formatVersion: FORMAT_FILE_VERSION, clusterName: 'their cluster', clusterId: 1, clusterUuid: cluster.uuid },
      ...{ tenantId: 1004, tenantName: 'their name', destKind: 'backup_data', destId: 1003, createdNs: START_NS },
    });
    const uris = [DATA_URI, 'file:///foreign'];
    const error = await rebuild(store, { kind: 'own', tenantId: TENANT_ID }, uris).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ errorName: 'BACKUP_FORMAT_FILE_NOT_MATCH' });
    expect(String(error)).not.toContain('their');
    await expect(rebuild(store, { kind: 'source' }, uris)).rejects.toThrow('their name');
  });

  test('refuses to give one tenant’s rows to another', async () => {
    const { store } = world;
    await putSet(1);
    store.tenants.insert(tenant(1004, 'second'));
    await expect(rebuild(store, { kind: 'named', tenantId: 1004 })).rejects.toMatchObject({
      errorName: 'BACKUP_FORMAT_FILE_NOT_MATCH',
    });
  });
});

describe('damage', () => {
  const damage = async (destination: Destination, name: string) => {
    const bytes = new Uint8Array(await destination.get(name));
    bytes[bytes.length >> 1]! ^= 1;
    await destination.remove(name);
    await destination.put(name, bytes);
  };

  test('a set whose manifest is damaged gets no row, a warning, and keeps its number', async () => {
    await putSet(1);
    await putSet(2);
    const name = manifestName({ backupSetId: 2, type: 'FULL' });
    await damage(data, name);
    const report = await rebuild(other);
    expect(report.sets).toEqual({ found: 1, recorded: 1 });
    expect(report.warnings).toMatchObject([{ errno: 9010, message: expect.stringContaining(name) }]);
    expect(other.nextId(TENANT_ID, 'backup_set')).toBe(3);
  });

  test('a set that lacks an object is not called AVAILABLE, nor is one that takes blocks from it', async () => {
    const parent = await putSet(1);
    const { uuid } = JSON.parse(Buffer.from(parent).toString().split('\n')[1]!).set;
    await putSet(2, (manifest) => {
      manifest.set.backupType = 'INC';
      Object.assign(manifest.set, { prevFullBackupSetId: 1, prevIncBackupSetId: 1 });
      manifest.set.prevManifestSha256 = manifestSha256(parent);
      const backupType = 'FULL';
      manifest.sources = [{ backupSetId: 1, backupType, uuid, manifestSha256: manifestSha256(parent) }];
    });
    await rebuild(other);
    expect(other.backupSets.find().map(({ fileStatus }) => fileStatus)).toEqual(['AVAILABLE', 'AVAILABLE']);
    await data.remove('backup_set_1_full/pack_1.obbak');
    const { warnings } = await rebuild(other);
    expect(warnings.map(({ errno }) => errno)).toEqual([9011, 9010]);
    expect(other.backupSets.find()).toMatchObject([
      { fileStatus: 'INCOMPLETE', comment: expect.stringContaining('pack_1') },
      { fileStatus: 'BROKEN', comment: expect.stringContaining('backup_set_1_full') },
    ]);
  });

  test('a piece with a damaged list, a missing segment or a hole is told and not promised', async () => {
    await archive();
    await stopArchive();
    const [first, second] = rowsOf(world.store).pieces;
    await damage(world.memory, pieceInfoName(first!));
    await world.memory.removeAll(`piece_d1001r1p${second!.pieceId}/logstream_1`);
    const report = await rebuild(other);
    expect(report.warnings.map(({ errno }) => errno)).toEqual([9010, 9011]);
    expect(rowsOf(other).pieces).toMatchObject([
      { fileStatus: 'BROKEN', status: 'FROZEN' },
      { fileStatus: 'BROKEN', checkpointScn: second!.checkpointScn },
    ]);
  });

  test.each([
    ['a piece between others leaves a hole, which is told', 1],
    ['what cleaning took from the beginning is no hole', 0],
  ])('%s', async (_what, lost) => {
    await archive();
    world.clock.advanceUs(DAY_US);
    await world.commit(1);
    await world.archive.flush(TENANT_ID);
    await stopArchive();
    const { pieces } = rowsOf(world.store);
    expect(pieces).toHaveLength(3);
    const piece = pieces[lost]!;
    await world.memory.removeAll(pieceDirectory(piece));
    const placeholders = await world.memory.list('pieces');
    for (const { name } of placeholders) if (name.includes(`p${piece.pieceId}_`)) await world.memory.remove(name);
    const { warnings } = await rebuild(other);
    const told = lost === 0 ? [] : [expect.stringContaining(`p${piece.pieceId}/single_piece_info`)];
    expect(warnings.map(({ message }) => message)).toEqual(told);
  });

  test('a round whose end is damaged counts as one without end', async () => {
    await archive();
    await stopArchive();
    await damage(world.memory, roundEndName({ destId: 1001, roundId: 1 }));
    const { warnings } = await rebuild(other);
    expect(warnings).toMatchObject([{ errno: 9010 }]);
    expect(rowsOf(other).rounds).toMatchObject([{ status: 'INTERRUPTED' }]);
  });

  test('numbers that would use up the counters are not taken', async () => {
    await putSet(999_999_999_999);
    const { warnings, sets } = await rebuild(other);
    expect(sets.found).toBe(0);
    expect(warnings).toMatchObject([{ errno: 9010 }]);
    expect(other.nextId(TENANT_ID, 'backup_set')).toBe(1);
  });

  test('destinations without a format file, or of two tenants, are refused', async () => {
    await expect(rebuild(other, { kind: 'source' }, ['file:///memory/empty'])).rejects.toMatchObject({
      errorName: 'BACKUP_FORMAT_FILE_NOT_EXIST',
    });
    const strange = new MemoryDestination(`${directory}/strange`);
    await claimDestination(strange, {
      ...{ formatVersion: FORMAT_FILE_VERSION, clusterName: 'c9', clusterId: 9, clusterUuid: randomUUID() },
      ...{ tenantId: 1004, tenantName: 'x', destKind: 'archive_log', destId: 1001, createdNs: 0n },
    });
    await expect(rebuild(other, { kind: 'source' }, [DATA_URI, 'file:///strange'])).rejects.toMatchObject({
      errorName: 'BACKUP_FORMAT_FILE_NOT_MATCH',
    });
    await expect(rebuild(other, { kind: 'source' }, [])).rejects.toMatchObject({ errorName: 'INVALID_ARGUMENT' });
    dropMemoryDestination(`${directory}/strange`);
  });
});
