import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { toScn } from '../model/scn.ts';
import { acceptedMutations } from './mutations.fixture.ts';
import { PageMap } from './page-map.ts';
import {
  decodePageMap,
  decodePageMapInTurns,
  encodePageMap,
  encodePageMapInTurns,
  PAGE_MAP_BYTES_MAX,
  type PageMapPoint,
} from './page-map-file.ts';

const OWNER = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const KEY = Buffer.alloc(32, 7);
const HEADER = 84;
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

function pointOf(pageCount: number): PageMapPoint {
  const hashes = new BigUint64Array(pageCount).map(() => randomBytes(8).readBigUInt64BE());
  return { roundId: 3, scn: toScn(1_740_794_458_400_000_123n), map: new PageMap(4096, hashes) };
}

describe.each([
  ['encrypted', KEY],
  ['plain', null],
])('page map of an %s set', (_name, dataKey) => {
  const expected = { object: 'page_map.obbak', owner: OWNER, dataKey };

  it.each([0, 1, 2, 300_000])('reads back what was written, %i pages', (pageCount) => {
    const point = pointOf(pageCount);
    const read = decodePageMap(encodePageMap(point, OWNER, dataKey), expected);
    expect({ ...read, map: undefined }).toEqual({ ...point, map: undefined });
    expect(Buffer.from(read.map.hashes.buffer).equals(Buffer.from(point.map.hashes.buffer))).toBe(true);
    expect(read.map.checksum).toBe(point.map.checksum);
    expect(read.map.pageSize).toBe(4096);
  });

  it('writes and reads the same in turns, as the map was at the call', async () => {
    const point = pointOf(300_000);
    const before = point.map.hashes.slice();
    const writing = encodePageMapInTurns(point, OWNER, dataKey);
    point.map.set(300_000, 5n);
    const bytes = await writing;
    expect(decodePageMap(bytes, expected).map.hashes).toEqual(before);
    expect((await decodePageMapInTurns(bytes, expected)).map.hashes).toEqual(before);
    bytes[bytes.length - 40]! ^= 1;
    await expect(decodePageMapInTurns(bytes, expected)).rejects.toThrow("'page_map.obbak'");
  });

  it('reads the map as it is after it was cut, and leaves it as it was', () => {
    const { map, ...rest } = pointOf(9);
    map.resize(4);
    const before = map.hashes.slice();
    const read = decodePageMap(encodePageMap({ ...rest, map }, OWNER, dataKey), expected).map;
    expect(read.hashes).toEqual(before);
    expect(map.hashes).toEqual(before);
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    const bytes = encodePageMap(pointOf(5), OWNER, dataKey);
    expect(acceptedMutations(bytes, (mutated) => decodePageMap(mutated, expected), isDamage)).toEqual([]);
  });

  it('rejects the map of another set or tenant, and plain for encrypted', () => {
    const bytes = encodePageMap(pointOf(5), OWNER, dataKey);
    const otherSet = { ...expected, owner: { ...OWNER, setUuid: '' } };
    const otherTenant = { ...expected, owner: { ...OWNER, tenantId: 1004 } };
    const otherMode = { ...expected, dataKey: dataKey ? null : KEY };
    for (const other of [otherSet, otherTenant, otherMode])
      expect(() => decodePageMap(bytes, other)).toThrowError("'page_map.obbak'");
  });
});

describe('page map', () => {
  const expected = { object: 'm', owner: OWNER, dataKey: null };

  it('does not open with another key, and is never sealed twice under one', () => {
    const point = pointOf(5);
    const [one, two] = [encodePageMap(point, OWNER, KEY), encodePageMap(point, OWNER, KEY)];
    expect(one.subarray(HEADER)).not.toEqual(two.subarray(HEADER));
    expect(() => decodePageMap(one, { ...expected, dataKey: Buffer.alloc(32) })).toThrowError('tag');
  });

  it('holds the hash of page n, big-endian, at 84 + 8 (n - 1)', () => {
    const point = pointOf(5);
    const file = Buffer.from(encodePageMap(point, OWNER, null));
    for (let page = 1; page <= 5; page++)
      expect(file.readBigUInt64BE(HEADER + 8 * (page - 1))).toBe(point.map.get(page));
  });

  it.each([
    ['a page size that is none', 14, 0x11],
    ['a round past 2^53', 20, 0xff],
  ])('rejects %s even under a right checksum', (_what, at, value) => {
    const bytes = Buffer.from(encodePageMap(pointOf(5), OWNER, null));
    bytes[at] = value;
    const body = bytes.subarray(0, bytes.length - 32);
    bytes.set(createHash('sha256').update(body).digest(), body.length);
    expect(() => decodePageMap(bytes, expected)).toThrowError("'m'");
  });

  it('refuses a page count that does not fit the size before taking memory', () => {
    const bytes = Buffer.from(encodePageMap(pointOf(5), OWNER, null));
    bytes.writeUInt32BE(0xffffffff, 16);
    expect(() => decodePageMap(bytes, expected)).toThrowError('do not make');
  });

  it('refuses a file past its bound before reading it, and to write one', () => {
    const huge = new Uint8Array(new ArrayBuffer(PAGE_MAP_BYTES_MAX + 1));
    expect(() => decodePageMap(huge, expected)).toThrowError('more than');
    const map = new PageMap(4096);
    map.resize(PAGE_MAP_BYTES_MAX / 8);
    expect(() => encodePageMap({ roundId: 1, scn: toScn(1n), map }, OWNER, null)).toThrowError('not supported');
  });
});
