import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { type BackupSetIndex, decodeIndex, encodeIndex, INDEX_BYTES_MAX, pagesPerBlock } from './backup-set-index.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const OWNER = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const KEY = Buffer.alloc(32, 7);
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

function indexOf(): BackupSetIndex {
  const entry = (blockNo: number, plainBytes: number, offset: number) => ({
    blockNo,
    packNo: blockNo + 1,
    offset,
    storedBytes: 1000 + blockNo,
    plainBytes,
    checksum: new Uint8Array(randomBytes(16)),
  });
  const entries = [entry(0, 2 ** 20, 96), entry(2, 2 ** 20, 2 ** 40), entry(3, 10 * 4096, 96)];
  return { pageSize: 4096, pageCount: 3 * 256 + 10, pagesPerBlock: 256, entries };
}

describe.each([
  ['encrypted', KEY],
  ['plain', null],
])('index of an %s set', (_name, dataKey) => {
  const expected = { object: 'index.obbak', owner: OWNER, dataKey };

  it('reads back what was written, also blocks left out and none at all', () => {
    const index = indexOf();
    expect(decodeIndex(encodeIndex(index, OWNER, dataKey), expected)).toEqual(index);
    const empty = { ...index, entries: [] };
    expect(decodeIndex(encodeIndex(empty, OWNER, dataKey), expected)).toEqual(empty);
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
    expect(one.subarray(76)).not.toEqual(two.subarray(76));
  });

  it.each([
    ['a block twice', 76 + 40 + 3, 0],
    ['a block past the end', 76 + 80 + 3, 9],
    ['a wrong plain length', 76 + 20, 1],
    ['a stored length of nothing', 76 + 16, 0xff],
    ['a block inside the header', 76 + 15, 1],
    ['an offset past 2^53', 76 + 8, 0xff],
    ['a page size that is none', 14, 0x11],
    ['blocks larger than their bound', 18, 0xff],
  ])('rejects %s even under a right checksum', (_what, at, value) => {
    const bytes = Buffer.from(encodeIndex(indexOf(), OWNER, null));
    bytes[at] = value;
    const body = bytes.subarray(0, bytes.length - 32);
    bytes.set(createHash('sha256').update(body).digest(), body.length);
    expect(() => decodeIndex(bytes, { object: 'index.obbak', owner: OWNER, dataKey: null })).toThrowError(
      'index.obbak',
    );
  });

  it('refuses an entry count that does not fit the size before taking memory', () => {
    const bytes = Buffer.from(encodeIndex(indexOf(), OWNER, null));
    bytes.writeUInt32BE(0xffffffff, 24);
    expect(() => decodeIndex(bytes, { object: 'i', owner: OWNER, dataKey: null })).toThrowError('entries');
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
