import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { decodeLeaseFile, encodeLeaseFile, type LeaseFile } from './lease-file.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const LEASE: LeaseFile = {
  generation: 7,
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  destKind: 'archive_log',
  instanceId: new Uint8Array(16).fill(1),
  machine: new Uint8Array(32).fill(2),
  life: null,
  process: new Uint8Array(16).fill(3),
  hostName: 'db1',
  dataDir: '/var/lib/holdfast',
  serverVersion: '0.1.0',
  acquiredNs: 1_740_794_460_123_456_789n,
};
/** As it was written first. Never edited: what a release wrote stays readable. */
const FIRST =
  'holdfast lease 1\n{"acquiredNs":"1740794460123456789","clusterUuid":"0f0e0d0c-0b0a-4908-8706-050403020100","dataDir":"/var/lib/holdfast","destKind":"archive_log","generation":7,"hostName":"db1","instanceId":"01010101010101010101010101010101","life":null,"machine":"0202020202020202020202020202020202020202020202020202020202020202","process":"03030303030303030303030303030303","serverVersion":"0.1.0","tenantId":1002}\n';
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

describe('lease file', () => {
  it('reads back what was written, and what was written first', () => {
    const bytes = encodeLeaseFile(LEASE);
    expect(decodeLeaseFile(bytes, 'l')).toEqual(LEASE);
    expect(Buffer.from(bytes).toString().startsWith(FIRST)).toBe(true);
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    expect(acceptedMutations(encodeLeaseFile(LEASE), (bytes) => decodeLeaseFile(bytes, 'l'), isDamage)).toEqual([]);
  });
});
