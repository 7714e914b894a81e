// Goal: a set's data key comes out of a tenant's slot with that tenant's key only. Method: every mutation of a slot, wrong
// keys, and a slot that says it is another set's.
import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hexOf } from '../base/bytes.ts';
import { isFailure } from '../base/errors.ts';
import { acceptedMutations } from './mutations.fixture.ts';
import { newTenantKey, tenantKeyId } from './tenant-key.ts';
import { isTenantKeySlot, slotKeyId, unwrapWithTenantKey, wrapUnderTenantKey } from './tenant-key-slot.ts';

const setUuid = randomUUID();
const tenantKey = newTenantKey();
const dataKey = new Uint8Array(randomBytes(32));
const slot = wrapUnderTenantKey(dataKey, tenantKey, setUuid);
const of = { setUuid, object: 'manifest' };
const find = (keyId: string) => (keyId === hexOf(tenantKeyId(tenantKey)) ? tenantKey.slice() : undefined);

describe('a slot under a tenant key', () => {
  it('gives the data key back, and names the key without holding it', () => {
    expect(unwrapWithTenantKey(slot, find, of)).toEqual(dataKey);
    expect(slotKeyId(slot, of)).toBe(hexOf(tenantKeyId(tenantKey)));
    expect(isTenantKeySlot(slot)).toBe(true);
    for (const secret of [tenantKey, dataKey]) expect(slot).not.toContain(hexOf(secret));
  });

  it('stays closed without the key', () => {
    expect(unwrapWithTenantKey(slot, () => undefined, of)).toBeUndefined();
  });

  it('is damage when the key that it names does not open it', () => {
    expect(() => unwrapWithTenantKey(slot, () => newTenantKey(), of)).toThrow(
      'not made with the tenant key that it names',
    );
  });

  it('is refused for another set', () => {
    expect(() => unwrapWithTenantKey(slot, find, { ...of, setUuid: randomUUID() })).toThrow('belongs to the set');
  });

  it('notices every flipped byte, cut and addition', () => {
    const read = (mutated: Uint8Array) => unwrapWithTenantKey(Buffer.from(mutated).toString('latin1'), find, of);
    const isExpected = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');
    expect(acceptedMutations(Buffer.from(slot, 'latin1'), read, isExpected)).toEqual([]);
  });
});
