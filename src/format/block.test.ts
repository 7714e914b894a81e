import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { BLOCK_OVERHEAD_BYTES, type BlockContext, blockContext, openBlock, sealBlock } from './block.ts';
import { acceptedMutations } from './mutations.fixture.ts';
import { type ObjectOwner, objectKey } from './object-key.ts';
import { decodePackHeader, encodePackHeader, PACK_HEADER_BYTES } from './pack.ts';

const OWNER: ObjectOwner = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const DATA_KEY = Buffer.alloc(32, 7);
const SALT = Buffer.alloc(16, 9);
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

function contextOf(isEncrypted: boolean, change: Partial<ObjectOwner> = {}, packNo = 3): BlockContext {
  const owner = { ...OWNER, ...change };
  const key = isEncrypted
    ? objectKey(DATA_KEY, { kind: 'pack', setUuid: OWNER.setUuid, objectNo: 3, salt: SALT })
    : null;
  return blockContext({ object: 'pack_3.obbak', owner, packNo, key });
}

function seal(context: BlockContext, plain: Uint8Array, at = { blockNo: 5, offset: 96 }, level = 1) {
  const into = new Uint8Array(plain.length + BLOCK_OVERHEAD_BYTES);
  const { storedBytes, checksum } = sealBlock(context, at, plain, level, into);
  const stored = into.slice(0, storedBytes);
  return { stored, checksum, place: { ...at, plainBytes: plain.length } };
}

describe.each([
  ['encrypted', true],
  ['plain', false],
])('block in an %s pack', (_name, isEncrypted) => {
  it.each([
    ['one byte', Buffer.from([1])],
    ['zeros', Buffer.alloc(BLOCK_PLAIN_BYTES)],
    ['bytes that do not shrink', randomBytes(BLOCK_PLAIN_BYTES)],
    ['text', Buffer.from('holdfast '.repeat(1000))],
  ])('opens to the same bytes: %s', (_what, plain) => {
    const context = contextOf(isEncrypted);
    const { stored, checksum, place } = seal(context, plain);
    expect(stored.length).toBeLessThanOrEqual(plain.length + BLOCK_OVERHEAD_BYTES);
    expect(Buffer.compare(openBlock(context, place, stored, checksum), plain)).toBe(0);
  });

  it.each([-7, 0, 1, 19])('opens to the same bytes whatever the level: %d', (level) => {
    const context = contextOf(isEncrypted);
    const plain = Buffer.from('holdfast '.repeat(1000));
    const { stored, checksum, place } = seal(context, plain, undefined, level);
    expect(stored.length === plain.length + BLOCK_OVERHEAD_BYTES).toBe(level === 0);
    expect(Buffer.compare(openBlock(context, place, stored, checksum), plain)).toBe(0);
  });

  it.each([
    ['compressed', Buffer.from('holdfast '.repeat(20))],
    ['stored as it is', randomBytes(40)],
  ])('rejects every flipped byte, truncation and addition: %s', (_what, plain) => {
    const context = contextOf(isEncrypted);
    const { stored, checksum, place } = seal(context, plain);
    expect(acceptedMutations(stored, (bytes) => openBlock(context, place, bytes, checksum), isDamage)).toEqual([]);
  });

  it.each([
    ['cluster', { clusterUuid: '99999999-0b0a-4908-8706-050403020100' }, 3],
    ['tenant', { tenantId: 1004 }, 3],
    ['set', { setUuid: '99999999-2222-4333-8444-555555555555' }, 3],
    ['pack', {}, 4],
  ])('rejects a block of another %s', (_what, change, packNo) => {
    const { stored, checksum, place } = seal(contextOf(isEncrypted), Buffer.from('x'.repeat(50)));
    expect(() => openBlock(contextOf(isEncrypted, change, packNo), place, stored, checksum)).toThrowError('tag');
  });

  it('rejects a block at another place, of another number or length', () => {
    const context = contextOf(isEncrypted);
    const { stored, checksum, place } = seal(context, Buffer.from('x'.repeat(50)));
    for (const change of [{ offset: 97 }, { blockNo: 6 }, { plainBytes: 51 }])
      expect(() => openBlock(context, { ...place, ...change }, stored, checksum)).toThrowError('tag');
  });

  it('rejects a block whose recorded checksum is another', () => {
    const context = contextOf(isEncrypted);
    const { stored, place } = seal(context, Buffer.from('x'.repeat(50)));
    expect(() => openBlock(context, place, stored, Buffer.alloc(16))).toThrowError('checksum');
    expect(() => openBlock(context, place, stored, Buffer.alloc(0))).toThrowError('checksum');
  });

  it('refuses lengths outside of their bounds before taking memory', () => {
    const context = contextOf(isEncrypted);
    const { stored, checksum, place } = seal(context, Buffer.from('x'.repeat(50)));
    for (const plainBytes of [0, -1, BLOCK_PLAIN_BYTES + 1, Number.NaN])
      expect(() => openBlock(context, { ...place, plainBytes }, stored, checksum)).toThrowError('plain length');
    expect(() => openBlock(context, place, new Uint8Array(17), checksum)).toThrowError('stored length');
    expect(() => openBlock(context, place, new Uint8Array(68), checksum)).toThrowError('stored length');
  });
});

describe('stored blocks that no writer makes', () => {
  it('are rejected: unknown flags, and a payload that is neither packed nor whole', () => {
    const context = contextOf(false);
    const { checksum, place } = seal(context, Buffer.from('x'.repeat(50)));
    const unknown = Buffer.concat([Buffer.from([2]), Buffer.alloc(40)]);
    expect(() => openBlock(context, place, unknown, checksum)).toThrowError('unknown flags');
    expect(() => openBlock(context, place, Buffer.alloc(40), checksum)).toThrowError('does not fit');
  });
});

describe('encryption of blocks', () => {
  it('does not open with another key, and hides the text', () => {
    const plain = Buffer.from('a secret that does not shrink 8#');
    const { stored, checksum, place } = seal(contextOf(true), plain);
    expect(Buffer.from(stored).includes('secret')).toBe(false);
    const key = objectKey(DATA_KEY, { kind: 'pack', setUuid: OWNER.setUuid, objectNo: 3, salt: Buffer.alloc(16) });
    const other = blockContext({ object: 'p', owner: OWNER, packNo: 3, key });
    expect(() => openBlock(other, place, stored, checksum)).toThrowError('tag');
  });

  it('gives each object and each salt its own key', () => {
    const of = (change: object) =>
      objectKey(DATA_KEY, { kind: 'pack', setUuid: OWNER.setUuid, objectNo: 1, salt: SALT, ...change })
        .export()
        .toString('hex');
    const keys = [
      of({}),
      of({ kind: 'index' }),
      of({ objectNo: 2 }),
      of({ setUuid: 'x' }),
      of({ salt: randomBytes(16) }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('pack header', () => {
  const expected = { object: 'pack_3.obbak', owner: OWNER, packNo: 3, isEncrypted: true };
  const header = encodePackHeader({ packNo: 3, isEncrypted: true, salt: SALT }, OWNER);

  it('reads back what was written', () => {
    expect(header.length).toBe(PACK_HEADER_BYTES);
    expect(Buffer.from(decodePackHeader(header, expected).salt)).toEqual(SALT);
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    expect(acceptedMutations(header, (bytes) => decodePackHeader(bytes, expected), isDamage)).toEqual([]);
  });

  it('rejects a newer version even under a right checksum', () => {
    const newer = Buffer.from(header);
    newer.writeUInt16BE(2, 8);
    newer.set(createHash('sha256').update(newer.subarray(0, 64)).digest(), 64);
    expect(() => decodePackHeader(newer, expected)).toThrowError('its format version is 2');
  });

  it.each([
    ['another pack', { packNo: 4 }],
    ['another set', { owner: { ...OWNER, setUuid: 'x' } }],
    ['another tenant', { owner: { ...OWNER, tenantId: 1004 } }],
    ['a plain set', { isEncrypted: false }],
  ])('rejects the header for %s', (_what, change) => {
    expect(() => decodePackHeader(header, { ...expected, ...change })).toThrowError('pack_3.obbak');
  });
});
