import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import {
  type BackupSetIndex,
  decodeIndex,
  encodeIndex,
  INDEX_BYTES_MAX,
  INDEX_ENTRIES_MAX,
  type IndexEntry,
  pagesPerBlock,
} from './backup-set-index.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const OWNER = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const KEY = Buffer.alloc(32, 7);
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

/** Two sources and the set itself: runs, a list, and a block of an earlier set that ends past the database. */
function indexOf(): BackupSetIndex {
  const entry = (
    place: Pick<IndexEntry, 'source' | 'blockNo' | 'firstPage' | 'pageCount'>,
    pages: number[] | null = null,
  ): IndexEntry => ({
    ...place,
    packNo: place.blockNo + 1,
    offset: place.blockNo === 2 ? 2 ** 40 : 96,
    storedBytes: 1000 + place.blockNo,
    plainBytes: place.pageCount * 4096,
    checksum: new Uint8Array(randomBytes(16)),
    pages: pages && Uint32Array.from(pages),
  });
  const entries = [
    entry({ source: 0, blockNo: 0, firstPage: 1, pageCount: 256 }),
    entry({ source: 0, blockNo: 2, firstPage: 513, pageCount: 256 }),
    entry({ source: 1, blockNo: 0, firstPage: 7, pageCount: 3 }, [7, 9, 4_000_000_000]),
    entry({ source: 2, blockNo: 0, firstPage: 257, pageCount: 254 }),
    entry({ source: 2, blockNo: 3, firstPage: 512, pageCount: 4 }, [512, 514, 516, 700]),
  ];
  return { pageSize: 4096, pageCount: 700, skipPage: 511, sourceCount: 2, entries };
}
/** Bytes of the header, and of an entry. */
const [HEADER, ENTRY] = [84, 48];

describe.each([
  ['encrypted', KEY],
  ['plain', null],
])('index of an %s set', (_name, dataKey) => {
  const expected = { object: 'index.obbak', owner: OWNER, dataKey };

  it('reads back what was written, also from one source only', () => {
    const index = indexOf();
    expect(decodeIndex(encodeIndex(index, OWNER, dataKey), expected)).toEqual(index);
    const whole = { ...index, pageCount: 256, skipPage: 0, sourceCount: 0, entries: index.entries.slice(0, 1) };
    expect(decodeIndex(encodeIndex(whole, OWNER, dataKey), expected)).toEqual(whole);
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    const bytes = encodeIndex(indexOf(), OWNER, dataKey);
    expect(acceptedMutations(bytes, (mutated) => decodeIndex(mutated, expected), isDamage)).toEqual([]);
  });

  it('rejects the index of another set or tenant, and plain for encrypted', () => {
    const bytes = encodeIndex(indexOf(), OWNER, dataKey);
    const otherSet = { ...expected, owner: { ...OWNER, setUuid: '99999999-2222-4333-8444-555555555555' } };
    const otherTenant = { ...expected, owner: { ...OWNER, tenantId: 1004 } };
    const otherMode = { ...expected, dataKey: dataKey ? null : KEY };
    for (const other of [otherSet, otherTenant, otherMode])
      expect(() => decodeIndex(bytes, other)).toThrowError("'index.obbak'");
  });
});

describe('index', () => {
  it('does not open with another key', () => {
    const bytes = encodeIndex(indexOf(), OWNER, KEY);
    expect(() => decodeIndex(bytes, { object: 'i', owner: OWNER, dataKey: Buffer.alloc(32) })).toThrowError('tag');
  });

  it('uses another key each time, so that a rewritten index never repeats a nonce', () => {
    const index = indexOf();
    const [one, two] = [encodeIndex(index, OWNER, KEY), encodeIndex(index, OWNER, KEY)];
    expect(one.subarray(HEADER)).not.toEqual(two.subarray(HEADER));
  });

  it.each([
    ['a source that there is not', HEADER + 3 * ENTRY + 1, 3],
    ['sources out of order', HEADER + 2 * ENTRY + 1, 2],
    ['a block twice', HEADER + ENTRY + 7, 0],
    ['pages of one source that do not ascend', HEADER + ENTRY + 30, 0],
    ['a page past the end in a block of its own', HEADER + 4 * ENTRY + 30, 9],
    ['a plain length that is no number of pages', HEADER + ENTRY + 27, 1],
    ['no plain bytes', HEADER + ENTRY + 25, 0],
    ['more plain bytes than a block may have', HEADER + ENTRY + 25, 0x20],
    ['a stored length of nothing', HEADER + ENTRY + 20, 0xff],
    ['a block inside the header', HEADER + 19, 1],
    ['an offset past 2^53', HEADER + 12, 0xff],
    ['page 0', HEADER + 31, 0],
    ['a page that no block has', 22, 0],
    ['more pages than its blocks have', 16, 1],
    ['flags that nobody knows', HEADER + 3, 2],
    ['a list that is not there', HEADER + 3, 1],
    ['a list that no block has', HEADER + 2 * ENTRY + 3, 0],
    ['a list that begins with another page', HEADER + 5 * ENTRY + 3, 6],
    ['a list that does not ascend', HEADER + 5 * ENTRY + 7, 7],
    ['a list that ends past the database', HEADER + 5 * ENTRY + 6 * 4, 1],
    ['a page size that is none', 14, 0x11],
  ])('rejects %s even under a right checksum', (_what, at, value) => {
    const bytes = Buffer.from(encodeIndex(indexOf(), OWNER, null));
    expect(bytes[at]).not.toBe(value);
    bytes[at] = value;
    const body = bytes.subarray(0, bytes.length - 32);
    bytes.set(createHash('sha256').update(body).digest(), body.length);
    expect(() => decodeIndex(bytes, { object: 'index.obbak', owner: OWNER, dataKey: null })).toThrowError(
      'index.obbak',
    );
  });

  it('needs no block for the page that is skipped', () => {
    const index = { ...indexOf(), skipPage: 0 };
    expect(() => encodeIndex(index, OWNER, null)).toThrowError('page 511 is in no block');
  });

  it.each([
    [28, 0xffffffff, `more than ${INDEX_ENTRIES_MAX}`],
    [28, INDEX_ENTRIES_MAX, 'do not make'],
    [32, 0xffffffff, 'do not make'],
  ])('refuses a count (byte %i: %i) before taking memory for it', (at, count, because) => {
    const bytes = Buffer.from(encodeIndex(indexOf(), OWNER, null));
    bytes.writeUInt32BE(count, at);
    expect(() => decodeIndex(bytes, { object: 'i', owner: OWNER, dataKey: null })).toThrowError(because);
  });

  it('refuses a file past its bound before reading it', () => {
    const huge = new Uint8Array(new ArrayBuffer(INDEX_BYTES_MAX + 1));
    expect(() => decodeIndex(huge, { object: 'i', owner: OWNER, dataKey: null })).toThrowError('more than');
  });

  it('puts as many pages as fit 1 MiB into a block', () => {
    expect([512, 4096, 65536].map(pagesPerBlock)).toEqual([2048, 256, 16]);
    expect(() => pagesPerBlock(1000)).toThrowError('page size');
  });

  it('stops at once when told to write an index that is not sound', () => {
    const index = indexOf();
    expect(() => encodeIndex({ ...index, entries: [...index.entries].reverse() }, OWNER, null)).toThrowError(
      'assertion',
    );
  });
});
