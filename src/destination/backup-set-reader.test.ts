// Goal: what describes a set is believed only when all of it fits together. Method: a small set of real objects in a memory
// destination; each test changes one of them.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BackupSetIndex, encodeIndex } from '../format/backup-set-index.ts';
import { type BackupSetManifest, encodeManifest } from '../format/backup-set-manifest.ts';
import { derivePasswordKey, wrapDataKey } from '../format/key-slot.ts';
import { indexName, manifestName, pageMapName } from '../format/layout.ts';
import { PageMap } from '../format/page-map.ts';
import { encodePageMap } from '../format/page-map-file.ts';
import { xxh3 } from '../format/xxh3.ts';
import { toScn } from '../model/scn.ts';
import { readManifest, readPageMap, readSetIndex, setOwner, unlockSet } from './backup-set-reader.ts';
import { dropMemoryDestination, MemoryDestination } from './memory-destination.ts';

const REF = { backupSetId: 7, type: 'FULL' as const };
const OWNER = { clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100', tenantId: 1002 };
const SET_UUID = '11111111-2222-4333-8444-555555555555';
const OBJECT_OWNER = { ...OWNER, setUuid: SET_UUID };
const KEY = new Uint8Array(32).fill(7);
const SCN = toScn(1_740_794_458_400_000_123n);
const PAGES = 3;
const named = (errorName: string) => expect.objectContaining({ errorName });
const CORRUPT = named('BACKUP_DATA_CORRUPT');

let id: string;
let destination: MemoryDestination;
beforeEach(() => {
  id = randomUUID();
  destination = new MemoryDestination(id);
});
afterEach(() => dropMemoryDestination(id));

const mapOf = () => new PageMap(4096, BigUint64Array.of(5n, 6n, 7n));

function indexOf(change: Partial<BackupSetIndex> = {}): BackupSetIndex {
  const block = { blockNo: 0, packNo: 1, offset: 96, storedBytes: 99, plainBytes: PAGES * 4096 };
  const entry = { ...block, source: 0, checksum: new Uint8Array(16), firstPage: 1, pageCount: PAGES, pages: null };
  return { pageSize: 4096, pageCount: PAGES, skipPage: 0, sourceCount: 0, entries: [entry], ...change };
}

type Change = (manifest: BackupSetManifest) => BackupSetManifest;

/** Puts a set; `change` makes the manifest another one than the objects need. */
async function putSet(
  of: { dataKey?: Uint8Array; keySlots?: string[]; index?: BackupSetIndex; change?: Change } = {},
): Promise<BackupSetManifest> {
  const { dataKey = null, keySlots = [], change = (manifest) => manifest } = of;
  const index = encodeIndex(of.index ?? indexOf(), OBJECT_OWNER, dataKey);
  const map = encodePageMap({ roundId: 1, scn: SCN, map: mapOf() }, OBJECT_OWNER, dataKey);
  const objects = [
    { name: 'index.obbak', size: index.length, checksum: xxh3(index) },
    { name: 'page_map.obbak', size: map.length, checksum: xxh3(map) },
  ];
  const made = change({
    cluster: { name: 'holdfast', id: 1, uuid: OWNER.clusterUuid },
    tenant: { id: OWNER.tenantId, name: 't', mode: 'mysql', timeZone: '+08:00' },
    set: {
      backupSetId: REF.backupSetId,
      uuid: SET_UUID,
      destId: 1002,
      backupType: 'FULL',
      prevFullBackupSetId: 0,
      prevIncBackupSetId: 0,
      prevManifestSha256: null,
      roundId: 1,
      consistentScn: SCN,
      startReplayScn: SCN,
      minRestoreScn: SCN,
      startNs: 1n,
      endNs: 2n,
      isPlusArchivelog: false,
    },
    engine: {
      engine: 'sqlite',
      version: '3',
      pageSize: 4096,
      pageCount: PAGES,
      tableCount: 1,
      skipPage: 0,
      databaseChecksum: mapOf().checksum,
    },
    encryptionMode: dataKey ? 'PASSWORD_ENCRYPTION' : 'NONE',
    keySlots,
    objects,
    sources: [],
    blockCount: 1,
    inputBytes: 1n,
    outputBytes: 1n,
    description: '',
    compatible: { server: '0.1.0', tenant: '4.3.3.0' },
  });
  await destination.put(indexName(REF), index);
  await destination.put(pageMapName(REF), map);
  await destination.put(manifestName(REF), encodeManifest(made, dataKey));
  return made;
}

const replace = async (name: string, bytes: Uint8Array) => {
  await destination.remove(name);
  await destination.put(name, bytes);
};
const engine =
  (change: Partial<BackupSetManifest['engine']>): Change =>
  (manifest) => ({ ...manifest, engine: { ...manifest.engine, ...change } });
const set =
  (change: Partial<BackupSetManifest['set']>): Change =>
  (manifest) => ({ ...manifest, set: { ...manifest.set, ...change } });
const without =
  (name: string): Change =>
  (manifest) => ({ ...manifest, objects: manifest.objects.filter((object) => object.name !== name) });
const sized =
  (size: number): Change =>
  (manifest) => ({ ...manifest, objects: manifest.objects.map((object) => ({ ...object, size })) });

describe.each([
  ['plain', undefined],
  ['encrypted', KEY],
])('a set, %s', (_how, dataKey) => {
  const keySlots = dataKey ? ['{}'] : [];

  it('is read whole', async () => {
    const manifest = await putSet({ ...(dataKey && { dataKey }), keySlots });
    expect((await readManifest(destination, REF, OWNER)).manifest).toEqual(manifest);
    expect(setOwner(manifest)).toEqual(OBJECT_OWNER);
    const described = { ref: REF, manifest };
    expect(await readSetIndex(destination, described, dataKey ?? null)).toEqual(indexOf());
    const { roundId, scn, map } = await readPageMap(destination, described, dataKey ?? null);
    expect([roundId, scn, [...map.hashes]]).toEqual([1, SCN, [5n, 6n, 7n]]);
  });
});

describe('a manifest', () => {
  it('is refused where it does not belong, or when it is not there', async () => {
    await expect(readManifest(destination, REF, OWNER)).rejects.toThrowError(named('BACKUP_FILE_NOT_EXIST'));
    await putSet();
    const attempt = (owner: typeof OWNER) => readManifest(destination, REF, owner);
    await expect(attempt({ ...OWNER, tenantId: 1004 })).rejects.toThrowError('another cluster or tenant');
    await expect(attempt({ ...OWNER, clusterUuid: SET_UUID })).rejects.toThrowError('another cluster or tenant');
    const other = { backupSetId: 8, type: 'FULL' as const };
    await destination.put(manifestName(other), await destination.get(manifestName(REF)));
    await expect(readManifest(destination, other, OWNER)).rejects.toThrowError('that of the backup set 7');
  });
});

describe('an index', () => {
  it.each<[string, Change]>([
    ['page size', engine({ pageSize: 8192 })],
    ['page count', engine({ pageCount: 4 })],
    ['skip page', engine({ skipPage: 2 })],
    ['number of blocks', (manifest) => ({ ...manifest, blockCount: 2 })],
  ])('is refused when its %s is not the one in the manifest', async (_what, change) => {
    const manifest = await putSet({ change });
    await expect(readSetIndex(destination, { ref: REF, manifest }, null)).rejects.toThrowError('fit the manifest');
  });

  it('is refused when it names other sources than the manifest', async () => {
    const { entries } = indexOf();
    const manifest = await putSet({ index: indexOf({ sourceCount: 1, entries: [{ ...entries[0]!, source: 1 }] }) });
    await expect(readSetIndex(destination, { ref: REF, manifest }, null)).rejects.toThrowError('fit the manifest');
  });

  it('is refused when an object of its set is not there', async () => {
    const manifest = await putSet();
    await destination.remove(pageMapName(REF));
    const reading = readSetIndex(destination, { ref: REF, manifest }, null);
    await expect(reading).rejects.toThrowError(named('BACKUP_FILE_NOT_EXIST'));
  });
});

describe('a page map', () => {
  it.each<[string, Change]>([
    ['page size', engine({ pageSize: 8192 })],
    ['page count', engine({ pageCount: 4 })],
    ['checksum', engine({ databaseChecksum: 1n })],
    ['round', set({ roundId: 2 })],
    ['scn', set({ consistentScn: toScn(SCN + 1n), minRestoreScn: toScn(SCN + 1n) })],
  ])('is refused when its %s is not the one in the manifest', async (_what, change) => {
    const manifest = await putSet({ change });
    await expect(readPageMap(destination, { ref: REF, manifest }, null)).rejects.toThrowError('fit the manifest');
  });

  it.each<[string, Change, string]>([
    ['not named', without('page_map.obbak'), 'it names no page-map'],
    ['larger than a map may be', sized(2 ** 30 + 1), 'more than'],
    ['of another length', sized(99), 'bytes instead of 99'],
  ])('is refused when it is %s', async (_what, change, message) => {
    const manifest = await putSet({ change });
    const reading = readPageMap(destination, { ref: REF, manifest }, null);
    await expect(reading).rejects.toThrowError(CORRUPT);
    await expect(reading).rejects.toThrowError(message);
  });

  it('is refused when it is gone, or another one of the same length', async () => {
    const manifest = await putSet();
    const other = new PageMap(4096, BigUint64Array.of(5n, 6n, 8n));
    const bytes = encodePageMap({ roundId: 1, scn: SCN, map: other }, OBJECT_OWNER, null);
    await replace(pageMapName(REF), bytes);
    const reading = readPageMap(destination, { ref: REF, manifest }, null);
    await expect(reading).rejects.toThrowError('its checksum is not the one in the manifest');
    await destination.remove(pageMapName(REF));
    const missing = readPageMap(destination, { ref: REF, manifest }, null);
    await expect(missing).rejects.toThrowError(named('BACKUP_FILE_NOT_EXIST'));
  });
});

describe('the key of a set', () => {
  it('is found with one of the passwords, and proves the manifest', async () => {
    const slot = wrapDataKey(KEY, await derivePasswordKey('right'), SET_UUID);
    await putSet({ dataKey: KEY, keySlots: [slot] });
    const { manifest, bytes } = await readManifest(destination, REF, OWNER);
    const opened = { ref: REF, manifest, manifestBytes: bytes };
    expect(await unlockSet(opened, ['wrong', 'right'])).toEqual(KEY);
    await expect(unlockSet(opened, ['wrong'])).rejects.toThrowError('the given password does not open');
    await expect(unlockSet(opened, [])).rejects.toThrowError('no password was given');
    const many = Array.from({ length: 17 }, () => 'right');
    await expect(unlockSet(opened, many)).rejects.toThrowError('more than 16 passwords');
    const forged = encodeManifest({ ...manifest, description: 'forged' }, new Uint8Array(32));
    await expect(unlockSet({ ...opened, manifestBytes: forged }, ['right'])).rejects.toThrowError('MAC');
  });

  it('is none for a plain set, and not to be had for one without a slot', async () => {
    const manifest = await putSet();
    const plain = { ref: REF, manifest, manifestBytes: new Uint8Array(0) };
    expect(await unlockSet(plain, [])).toBeNull();
    const other = { ...plain, manifest: { ...manifest, encryptionMode: 'TRANSPARENT_ENCRYPTION' as const } };
    await expect(unlockSet(other, ['x'])).rejects.toThrowError('it has no key slot');
  });
});
