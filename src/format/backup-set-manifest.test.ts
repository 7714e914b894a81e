import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { toScn } from '../model/scn.ts';
import {
  type BackupSetManifest,
  decodeManifest,
  encodeManifest,
  MANIFEST_BYTES_MAX,
  manifestSha256,
  type SetFacts,
  type SetSource,
  verifyManifestMac,
} from './backup-set-manifest.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const KEY = Buffer.alloc(32, 7);
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

function manifestOf(change: Partial<BackupSetManifest> = {}): BackupSetManifest {
  return {
    cluster: { name: 'holdfast', id: 1, uuid: '0f0e0d0c-0b0a-4908-8706-050403020100' },
    tenant: { id: 1002, name: 'mysql_tenant', mode: 'mysql', timeZone: 'Asia/Shanghai' },
    set: {
      backupSetId: 7,
      uuid: '11111111-2222-4333-8444-555555555555',
      destId: 1002,
      backupType: 'FULL',
      prevFullBackupSetId: 0,
      prevIncBackupSetId: 0,
      prevManifestSha256: null,
      roundId: 1,
      consistentScn: toScn(1_740_794_458_400_000_123n),
      startReplayScn: toScn(1_740_794_283_100_200_000n),
      minRestoreScn: toScn(1_740_794_458_400_001_000n),
      startNs: 1_740_794_440_000_000_000n,
      endNs: 1_740_794_460_000_000_000n,
      isPlusArchivelog: false,
    },
    engine: {
      engine: 'sqlite',
      version: '3.53.0',
      pageSize: 4096,
      pageCount: 300,
      tableCount: 2,
      skipPage: 0,
      databaseChecksum: (1n << 64n) - 1n,
    },
    encryptionMode: 'PASSWORD_ENCRYPTION',
    keySlots: ['{"slot":1}'],
    objects: [
      { name: 'pack_1.obbak', size: 1000, checksum: new Uint8Array(16).fill(1) },
      { name: 'index.obbak', size: 200, checksum: new Uint8Array(16).fill(2) },
    ],
    sources: [],
    blockCount: 2,
    inputBytes: 1_228_800n,
    outputBytes: 1200n,
    description: 'weekly "full"\n',
    compatible: { server: '0.1.0', tenant: '3.53.0' },
    ...change,
  };
}
const SOURCES: SetSource[] = [
  {
    backupSetId: 2,
    backupType: 'FULL',
    uuid: '22222222-2222-4333-8444-555555555555',
    manifestSha256: new Uint8Array(32),
  },
  {
    backupSetId: 5,
    backupType: 'INC',
    uuid: '55555555-2222-4333-8444-555555555555',
    manifestSha256: new Uint8Array(32),
  },
];
/** An increment on the sets 2 and 5. */
function incrementOf(change: Partial<SetFacts> = {}, sources: SetSource[] = SOURCES): Partial<BackupSetManifest> {
  const { set } = manifestOf();
  const increment = { prevFullBackupSetId: 2, prevIncBackupSetId: 5, prevManifestSha256: new Uint8Array(32) };
  return { set: { ...set, backupType: 'INC', ...increment, ...change }, sources };
}
const plainOf = (change: Partial<BackupSetManifest> = {}) =>
  manifestOf({ encryptionMode: 'NONE', keySlots: [], ...change });

describe('manifest', () => {
  it('reads back what was written, plain and encrypted', () => {
    expect(decodeManifest(encodeManifest(manifestOf(), KEY))).toEqual(manifestOf());
    expect(decodeManifest(encodeManifest(plainOf(), null))).toEqual(plainOf());
  });

  it('reads back an increment with its sources', () => {
    const increment = manifestOf(incrementOf());
    expect(decodeManifest(encodeManifest(increment, KEY))).toEqual(increment);
    const alone = manifestOf(incrementOf({}, []));
    expect(decodeManifest(encodeManifest(alone, KEY))).toEqual(alone);
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    for (const bytes of [encodeManifest(manifestOf(), KEY), encodeManifest(plainOf(), null)])
      expect(acceptedMutations(bytes, (mutated) => decodeManifest(mutated), isDamage)).toEqual([]);
  });

  it('proves that it was written with the data key', () => {
    const bytes = encodeManifest(manifestOf(), KEY);
    expect(() => verifyManifestMac(bytes, KEY)).not.toThrow();
    expect(() => verifyManifestMac(bytes, Buffer.alloc(32))).toThrowError('MAC');
  });

  it('gives a forger no MAC: changed facts under the old MAC or none are refused with the key', () => {
    const whole = Buffer.from(encodeManifest(manifestOf(), KEY)).toString();
    const forged = Buffer.from(encodeManifest(manifestOf({ description: 'forged' }), Buffer.alloc(32, 1))).toString();
    const mac = /hmac-sha256 (\w+)/;
    const texts = [forged, forged.replace(mac, mac.exec(whole)![0]), forged.replace(mac, 'hmac-sha256 none')];
    for (const text of texts) {
      const body = text.slice(0, -72);
      const { sum } = { sum: Buffer.from(manifestSha256(Buffer.from(body))).toString('hex') };
      const bytes = Buffer.from(`${body}sha256 ${sum}\n`);
      expect(decodeManifest(bytes).description).toBe('forged');
      expect(() => verifyManifestMac(bytes, KEY)).toThrowError('MAC');
    }
  });

  it('is bound to its set: the same data key makes another MAC for another set', () => {
    const bytes = encodeManifest(plainOf(), null);
    expect(() => verifyManifestMac(bytes, KEY)).toThrowError('MAC');
  });

  it.each([
    ['scns out of order', { set: { ...manifestOf().set, startReplayScn: toScn(1n << 63n) } }],
    ['an end before the start', { set: { ...manifestOf().set, endNs: 0n } }],
    ['a full set with a predecessor', { set: { ...manifestOf().set, prevManifestSha256: new Uint8Array(32) } }],
    ['a full set that follows a full set', { set: { ...manifestOf().set, prevFullBackupSetId: 2 } }],
    ['a full set that follows an increment', { set: { ...manifestOf().set, prevIncBackupSetId: 2 } }],
    ['a full set with sources', { sources: SOURCES }],
    ['an increment without a predecessor', incrementOf({ prevManifestSha256: null })],
    ['an increment without a full set before it', incrementOf({ prevFullBackupSetId: 0 })],
    ['an increment that follows itself', incrementOf({ prevIncBackupSetId: 7 })],
    ['an increment on an increment older than its full set', incrementOf({ prevIncBackupSetId: 1 })],
    ['sources out of order', incrementOf({}, [...SOURCES].reverse())],
    ['a source twice', incrementOf({}, [SOURCES[0]!, SOURCES[0]!])],
    ['a source that is not older', incrementOf({}, [{ ...SOURCES[0]!, backupSetId: 7 }])],
    ['an encrypted set without a key slot', { keySlots: [] }],
    ['an object twice', { objects: [manifestOf().objects[0]!, manifestOf().objects[0]!] }],
    ['a name that climbs', { objects: [{ ...manifestOf().objects[0]!, name: '../pack' }] }],
    ['an absolute name', { objects: [{ ...manifestOf().objects[0]!, name: '/pack' }] }],
  ])('stops at once when told to write %s', (_what, change) => {
    expect(() => encodeManifest(manifestOf(change), KEY)).toThrowError('assertion failed');
  });

  it('rejects facts that contradict each other even under a right checksum', () => {
    const text = Buffer.from(encodeManifest(plainOf(), null)).toString();
    const changes = [
      text.replace('"backupType":"FULL"', '"backupType":"INC"'),
      text.replace('"encryptionMode":"NONE"', '"encryptionMode":"PASSWORD_ENCRYPTION"'),
      text.replace('"name":"index.obbak"', '"name":"pack_1.obbak"'),
      text.replace('"endNs":"1740794460', '"endNs":"1640794460'),
      text.replace('"startReplayScn":"1740794283', '"startReplayScn":"1840794283'),
    ];
    for (const changed of changes) {
      expect(changed).not.toBe(text);
      const body = changed.slice(0, -72);
      const sum = Buffer.from(manifestSha256(Buffer.from(body))).toString('hex');
      expect(() => decodeManifest(Buffer.from(`${body}sha256 ${sum}\n`))).toThrowError('is damaged');
    }
  });

  it('refuses a file past its bound', () => {
    expect(() => decodeManifest(new Uint8Array(MANIFEST_BYTES_MAX + 1))).toThrowError('more than');
  });
});
