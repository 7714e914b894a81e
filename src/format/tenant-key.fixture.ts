// For tests: opens encrypted log with one tenant key.
import { sameBytes } from '../base/bytes.ts';
import { type FindLogKey, roundLogKey, tenantKeyId } from './tenant-key.ts';

export function findKeyOf(tenantKey: Uint8Array): FindLogKey {
  const own = tenantKeyId(tenantKey);
  return (keyId, of) => (sameBytes(keyId, own) ? roundLogKey(tenantKey, of) : undefined);
}
