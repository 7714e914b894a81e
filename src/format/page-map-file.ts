// Page map file: the hash of every page of a database at one point. In a set, `page_map.obbak`; beside a server's own
// records, where its log archive goes on from.
//   header  0 magic "HFPAGES\n" · 8 version u16 · 10 flags u16 (1 encrypted) · 12 page size u32 · 16 page count u32
//          20 round u64 · 28 scn u64 · 36 salt 16 bytes · 52 owner binding 32 bytes          (big-endian; 84 bytes)
//   body    XXH3-64 of each page, u64
//   end     as in `sealed-body`
import { randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { runAtOnce, runInTurns, type Slices } from '../base/in-turns.ts';
import { GIB } from '../base/limits.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { isPageSize } from './backup-set-index.ts';
import { putHashes, takeHashes } from './hash-bytes.ts';
import { OBJECT_SALT_BYTES, type ObjectOwner, objectKey, ownerBinding } from './object-key.ts';
import { checksumSlices, PAGE_HASH_BYTES, PageMap } from './page-map.ts';
import { endBytes, openSlices, sealSlices } from './sealed-body.ts';
import { versionFault } from './version-fault.ts';

export const PAGE_MAP_VERSION = 1;
/** 134 million pages: 512 GiB in pages of 4 KiB, 8 TiB in pages of 64 KiB. Bounds the memory of reader and writer. */
export const PAGE_MAP_BYTES_MAX = 1 * GIB;

const MAGIC = Buffer.from('HFPAGES\n', 'latin1');
const HEADER_BYTES = 84;
const FLAG_ENCRYPTED = 1;
const SALT_AT = 36;
const OWNER_AT = 52;

/** What a reader knows of a page map before it reads it. */
export interface ExpectedPageMap {
  object: string;
  owner: ObjectOwner;
  dataKey: Uint8Array | null;
}

/** State after every commit up to `scn` of a round. */
export interface PageMapPoint {
  /** 0 for a database without an archive. */
  roundId: number;
  scn: Scn;
  map: PageMap;
}

const keyOf = (dataKey: Uint8Array | null, owner: ObjectOwner, salt: Uint8Array) =>
  dataKey && objectKey(dataKey, { kind: 'page-map', setUuid: owner.setUuid, objectNo: 0, salt });

/** Size of the file; a caller that may meet a larger database asks before it reads one. */
export function pageMapBytes(pageCount: number, isEncrypted: boolean): number {
  return HEADER_BYTES + pageCount * PAGE_HASH_BYTES + endBytes(isEncrypted);
}

/**
 * Writes a page map.
 * @param owner `setUuid` is empty for a map that is in no set
 * @param dataKey of an encrypted set; null for a plain one
 * @throws NOT_SUPPORTED (4007) for a database of more pages than a map may have
 */
export function encodePageMap(point: PageMapPoint, owner: ObjectOwner, dataKey: Uint8Array | null): Uint8Array {
  return runAtOnce(encodeSlices(point, owner, dataKey));
}

/** `encodePageMap` where others wait; what is written is the map at the call. */
export async function encodePageMapInTurns(
  point: PageMapPoint,
  owner: ObjectOwner,
  dataKey: Uint8Array | null,
): Promise<Uint8Array> {
  return await runInTurns(encodeSlices(point, owner, dataKey));
}

function* encodeSlices(point: PageMapPoint, owner: ObjectOwner, dataKey: Uint8Array | null): Slices<Uint8Array> {
  const { roundId, scn, map } = point;
  assert(isPageSize(map.pageSize), `${map.pageSize} is a page size`);
  assert(Number.isSafeInteger(roundId) && roundId >= 0, 'a round has an id');
  const sizeBytes = pageMapBytes(map.pageCount, dataKey !== null);
  if (sizeBytes > PAGE_MAP_BYTES_MAX) throw fail('NOT_SUPPORTED', { what: `a database of ${map.pageCount} pages is` });
  const salt = dataKey ? randomBytes(OBJECT_SALT_BYTES) : Buffer.alloc(OBJECT_SALT_BYTES);
  const file = Buffer.alloc(sizeBytes);
  MAGIC.copy(file, 0);
  file.writeUInt16BE(PAGE_MAP_VERSION, 8);
  file.writeUInt16BE(dataKey ? FLAG_ENCRYPTED : 0, 10);
  file.writeUInt32BE(map.pageSize, 12);
  file.writeUInt32BE(map.pageCount, 16);
  file.writeBigUInt64BE(BigInt(roundId), 20);
  file.writeBigUInt64BE(scn, 28);
  file.set(salt, SALT_AT);
  file.set(ownerBinding(owner), OWNER_AT);
  putHashes(map.hashes, file, HEADER_BYTES);
  yield* sealSlices(file, HEADER_BYTES, keyOf(dataKey, owner, salt));
  return new Uint8Array(file.buffer, file.byteOffset, file.length);
}

/**
 * Reads and checks a page map.
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodePageMap(bytes: Uint8Array, expected: ExpectedPageMap): PageMapPoint {
  return runAtOnce(decodeSlices(bytes, expected));
}

/** `decodePageMap` where others wait. */
export async function decodePageMapInTurns(bytes: Uint8Array, expected: ExpectedPageMap): Promise<PageMapPoint> {
  return await runInTurns(decodeSlices(bytes, expected));
}

function* decodeSlices(bytes: Uint8Array, expected: ExpectedPageMap): Slices<PageMapPoint> {
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object: expected.object, because });
  const { owner, dataKey } = expected;
  if (bytes.length > PAGE_MAP_BYTES_MAX) throw damaged(`it has ${bytes.length} bytes, more than ${PAGE_MAP_BYTES_MAX}`);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < HEADER_BYTES) throw damaged('its header is cut off');
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it is not a page map');
  const version = file.readUInt16BE(8);
  if (version !== PAGE_MAP_VERSION) throw damaged(versionFault(version, PAGE_MAP_VERSION));
  if (file.readUInt16BE(10) !== (dataKey ? FLAG_ENCRYPTED : 0))
    throw damaged('it is encrypted or plain against what its set says');
  if (!file.subarray(OWNER_AT, HEADER_BYTES).equals(ownerBinding(owner))) throw damaged('it belongs to another set');
  const pageCount = file.readUInt32BE(16);
  if (file.length !== pageMapBytes(pageCount, dataKey !== null))
    throw damaged(`it has ${file.length} bytes, which ${pageCount} pages do not make`);
  const salt = file.subarray(SALT_AT, OWNER_AT);
  const body = yield* openSlices(file, HEADER_BYTES, keyOf(dataKey, owner, salt));
  if (body === undefined) throw damaged('its checksum or tag does not match');
  const pageSize = file.readUInt32BE(12);
  if (!isPageSize(pageSize)) throw damaged(`a page size of ${pageSize}`);
  const roundId = Number(file.readBigUInt64BE(20));
  if (!Number.isSafeInteger(roundId)) throw damaged(`a round ${roundId}`);
  const hashes = takeHashes(body, 0, pageCount);
  return {
    roundId,
    scn: toScn(file.readBigUInt64BE(28)),
    map: new PageMap(pageSize, hashes, yield* checksumSlices(hashes)),
  };
}
