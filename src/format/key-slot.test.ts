import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import {
  derivePasswordKey,
  keySlotParameters,
  SCRYPT_DEFAULT,
  unwrapDataKey,
  unwrapWithPasswordKey,
  wrapDataKey,
} from './key-slot.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const SET = '0f0e0d0c-0b0a-4908-8706-050403020100';
const WHERE = { setUuid: SET, object: 'manifest' };
/** The cheapest cost that a reader accepts: tests must not take half a second each. */
const CHEAP = { n: 2 ** 15, r: 8, p: 1 };
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

/** Changes a field and puts the right checksum back: what somebody who can write to the destination could do. */
function forge(slot: string, change: Record<string, unknown>): string {
  const fields = { ...JSON.parse(slot), ...change };
  const sorted = (value: object) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  delete fields.sha256;
  const sha256 = createHash('sha256')
    .update(JSON.stringify(sorted(fields)))
    .digest('hex');
  return JSON.stringify(sorted({ ...fields, sha256 }));
}

describe('key slot', () => {
  it('gives the data key back for the password at the default cost', async () => {
    const dataKey = randomBytes(32);
    const slot = wrapDataKey(dataKey, await derivePasswordKey('correct horse'), SET);
    expect(keySlotParameters(slot, WHERE).cost).toEqual(SCRYPT_DEFAULT);
    expect(Buffer.from(await unwrapDataKey(slot, 'correct horse', WHERE))).toEqual(dataKey);
  });

  it('says invalid password for another password, also an empty one', async () => {
    const slot = wrapDataKey(randomBytes(32), await derivePasswordKey('secret', undefined, CHEAP), SET);
    for (const wrong of ['Secret', '', 'secret ']) {
      const error = await unwrapDataKey(slot, wrong, WHERE).catch((caught: unknown) => caught);
      expect(isFailure(error, 'BACKUP_INVALID_PASSWORD')).toBe(true);
      expect(String(error)).not.toContain('secret');
    }
  });

  it('takes a password however its accents are composed', async () => {
    const dataKey = randomBytes(32);
    const slot = wrapDataKey(dataKey, await derivePasswordKey('caf\u00e9', undefined, CHEAP), SET);
    expect(Buffer.from(await unwrapDataKey(slot, 'cafe\u0301', WHERE))).toEqual(dataKey);
  });

  it('wraps the keys of many sets under one derivation, each openable alone', async () => {
    const passwordKey = await derivePasswordKey('shared', undefined, CHEAP);
    const sets = Array.from({ length: 3 }, () => ({ uuid: randomUUID() as string, key: randomBytes(32) }));
    for (const { uuid, key } of sets) {
      const slot = wrapDataKey(key, passwordKey, uuid);
      const where = { setUuid: uuid, object: 'm' };
      expect(Buffer.from(unwrapWithPasswordKey(slot, passwordKey, where))).toEqual(key);
      expect(Buffer.from(await unwrapDataKey(slot, 'shared', where))).toEqual(key);
    }
  });

  it('rejects every flipped byte, every truncation and every addition as damage, never as a wrong password', async () => {
    const passwordKey = await derivePasswordKey('secret', undefined, CHEAP);
    const slot = Buffer.from(wrapDataKey(randomBytes(32), passwordKey, SET));
    const read = (bytes: Uint8Array) =>
      unwrapWithPasswordKey(Buffer.from(bytes).toString('latin1'), passwordKey, WHERE);
    expect(acceptedMutations(slot, read, isDamage)).toEqual([]);
  });

  it.each([
    ['too many rounds', { n: 2 ** 21 }],
    ['no power of two', { n: 2 ** 17 + 2 }],
    ['too much memory', { r: 17 }],
    ['too much time', { p: 5 }],
    ['fewer rounds than the floor', { n: 2 ** 14 }],
    ['smaller blocks than the floor', { r: 7 }],
    ['no lane', { p: 0 }],
    ['another derivation', { kdf: 'md5' }],
    ['a newer version', { slotVersion: 2 }],
    ['a short salt', { salt: '00' }],
    ['a stray field', { hint: 'x' }],
  ])('refuses %s before any work, also under a right checksum', async (_what, change) => {
    const slot = wrapDataKey(randomBytes(32), await derivePasswordKey('x', undefined, CHEAP), SET);
    const error = await unwrapDataKey(forge(slot, change), 'x', WHERE).catch((caught: unknown) => caught);
    expect(isDamage(error)).toBe(true);
  });

  it('refuses a slot of another set, and one whose facts were forged', async () => {
    const passwordKey = await derivePasswordKey('x', undefined, CHEAP);
    const slot = wrapDataKey(randomBytes(32), passwordKey, SET);
    const other = randomUUID();
    expect(() => unwrapWithPasswordKey(slot, passwordKey, { setUuid: other, object: 'm' })).toThrowError('belongs to');
    const moved = forge(slot, { setUuid: other });
    expect(() => unwrapWithPasswordKey(moved, passwordKey, { setUuid: other, object: 'm' })).toThrowError(
      expect.objectContaining({ errorName: 'BACKUP_INVALID_PASSWORD' }),
    );
  });

  it('refuses a text past its bound', async () => {
    const error = await unwrapDataKey(' '.repeat(5000), 'x', WHERE).catch((caught: unknown) => caught);
    expect(isDamage(error)).toBe(true);
  });

  it('makes a new salt for each password key and a new nonce for each slot', async () => {
    const one = await derivePasswordKey('x', undefined, CHEAP);
    const two = await derivePasswordKey('x', undefined, CHEAP);
    expect(one.salt).not.toEqual(two.salt);
    expect(wrapDataKey(Buffer.alloc(32), one, SET)).not.toBe(wrapDataKey(Buffer.alloc(32), one, SET));
  });
});
