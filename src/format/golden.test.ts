// Goal: what a released version wrote stays readable for ever. Method: bytes that version 1 of each format wrote, kept as
// they were; a change that can not read them, or reads something else, fails here. Never edit them: add new ones.
import { describe, expect, it } from 'vitest';
import { pieceInfoFile } from './archive-info.ts';
import { decodeIndex } from './backup-set-index.ts';
import { decodeManifest, verifyManifestMac } from './backup-set-manifest.ts';
import { blockChecksum, blockContext, openBlock } from './block.ts';
import { decodeFormatFile } from './format-file.ts';
import { unwrapDataKey } from './key-slot.ts';
import { objectKey } from './object-key.ts';
import { decodePackHeader } from './pack.ts';

const OWNER = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const KEY = Buffer.alloc(32, 7);
const SALT = Buffer.alloc(16, 9);
const PLAIN = 'holdfast '.repeat(20);
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

const PACK_HEADER =
  '48465041434b0d0a0001000100000003090909090909090909090909090909092e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f79575122365ff6f7588762ad41e043b069d32156f24ac32ab293d1bca0be15017c0';
const CHECKSUM = '665d1a3232a08062f289fa1611a6b93c';
const SEALED_BLOCK = '013086a22511a33ff28bfdffb8955df83edc96c7d558e3221ad9d6f450564ff9ba4ff9f19a2e472ef8f9';
const PLAIN_BLOCK = '0128b52ffd20b485000048686f6c64666173742001002852e50829b2fb977de4548b4a082419e2de4ec5';
const PLAIN_INDEX =
  '4846494e4445580a0001000000001000000001000000012c00000002000000000000000000000000000000002e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f79500000000000000010000000000000060000003e8001000000101010101010101010101010101010100000001000000010000000000000448000001f40002c00002020202020202020202020202020202b7084704ebd247fe13c0f2bd273dcbceae7a2cf44a4a1f29852256aed5d9b5f0';
const SEALED_INDEX =
  '4846494e4445580a0001000100001000000001000000012c000000022d4be74ba832f7c286961d6c46f0a6632e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f7956e92890efce5e2f4da2cbe03337988113348f96290c3d3cd885856948cfc97d4a4acaf7f50d665d720727c5e34024463097c14f2a77d28840db8e90f002c7b7a219492b69924fb4bb00492fe4f05f3ef097fc36be93250c78fec6b47e7536bee';
const KEY_SLOT =
  '{"kdf":"scrypt","n":32768,"nonce":"b63dd1f0bb606f9531ab0a44","p":1,"r":8,"salt":"0505050505050505050505050505050505050505050505050505050505050505","setUuid":"11111111-2222-4333-8444-555555555555","sha256":"32a930745b0a0e2e865467fadd6a3e291963c870c85338d959c171ef50999b1a","slotVersion":1,"wrapped":"4938dabf758780ccb4917b634627213994133aaeb8e9ee4d80723058b4809a6e879b79e375b601879f7bb0cf4ed029d2"}';
const FORMAT_FILE =
  'holdfast format-file 1\n{"clusterId":1,"clusterName":"holdfast","clusterUuid":"0f0e0d0c-0b0a-4908-8706-050403020100","createdNs":"1740794460123456789","destId":1001,"destKind":"backup_data","formatVersion":1,"tenantId":1002,"tenantName":"mysql_tenant"}\nsha256 c5724922161950d67ea7b9a926c4996458c7d8bbf3908498b6fb919cc7c35a28\n';
const MANIFEST =
  'holdfast set-manifest 1\n{"blockCount":2,"cluster":{"id":1,"name":"holdfast","uuid":"0f0e0d0c-0b0a-4908-8706-050403020100"},"compatible":{"server":"0.1.0","tenant":"3.53.0"},"description":"weekly","encryptionMode":"PASSWORD_ENCRYPTION","engine":{"engine":"sqlite","pageCount":300,"pageSize":4096,"skipPage":0,"tableCount":2,"version":"3.53.0"},"inputBytes":"1228800","keySlots":["{\\"kdf\\":\\"scrypt\\",\\"n\\":32768,\\"nonce\\":\\"b63dd1f0bb606f9531ab0a44\\",\\"p\\":1,\\"r\\":8,\\"salt\\":\\"0505050505050505050505050505050505050505050505050505050505050505\\",\\"setUuid\\":\\"11111111-2222-4333-8444-555555555555\\",\\"sha256\\":\\"32a930745b0a0e2e865467fadd6a3e291963c870c85338d959c171ef50999b1a\\",\\"slotVersion\\":1,\\"wrapped\\":\\"4938dabf758780ccb4917b634627213994133aaeb8e9ee4d80723058b4809a6e879b79e375b601879f7bb0cf4ed029d2\\"}"],"objects":[{"name":"pack_1.obbak","sha256":"0101010101010101010101010101010101010101010101010101010101010101","size":1000}],"outputBytes":"1200","set":{"backupSetId":7,"backupType":"FULL","consistentScn":"1740794458400000123","destId":1002,"endNs":"1740794460000000000","isPlusArchivelog":false,"minRestoreScn":"1740794458400001000","prevFullBackupSetId":0,"prevIncBackupSetId":0,"prevManifestSha256":null,"roundId":1,"startNs":"1740794440000000000","startReplayScn":"1740794283100200000","uuid":"11111111-2222-4333-8444-555555555555"},"tenant":{"id":1002,"mode":"mysql","name":"mysql_tenant","timeZone":"Asia/Shanghai"}}\nhmac-sha256 b9b764043527bd635faf5c321bf9c0f9370808e846d5e29d2796f839a7a2991c\nsha256 81288bdb0017c2891162e56f3a3ac882a8037cd6ed1b2cb3c7c5da2beea553fa\n';
const PIECE_INFO =
  'holdfast piece-info 1\n{"checkpointScn":"90","cluster":{"id":1,"name":"holdfast","uuid":"0f0e0d0c-0b0a-4908-8706-050403020100"},"createdNs":"1","destId":1001,"endScn":"100","engine":{"engine":"sqlite","version":"3.53.0"},"firstBatchHash":null,"frozenNs":"2","inputBytes":"1","lastBatchHash":"0303030303030303030303030303030303030303030303030303030303030303","maxScn":"80","outputBytes":"2","pieceId":2,"roundId":1,"segments":[{"firstBatchNo":1,"lastBatchHash":"0303030303030303030303030303030303030303030303030303030303030303","lastBatchNo":4,"name":"logstream_1/log/1.obarc","sha256":null,"size":9}],"startScn":"5","tenant":{"id":1002,"mode":"mysql","name":"mysql_tenant","timeZone":"Asia/Shanghai"}}\nsha256 f903372ecd16a0dd8b8c2589a8a78d655612dbd97be94ec43e09df5ce3238700\n';

describe('version 1 of the formats', () => {
  it('has XXH3-128 in its canonical byte order as the checksum of a block', () => {
    expect(Buffer.from(blockChecksum(new Uint8Array(0))).toString('hex')).toBe('99aa06d3014798d86001c324468d497f');
  });

  it('has this pack header', () => {
    const expected = { object: 'p', owner: OWNER, packNo: 3, isEncrypted: true };
    expect(Buffer.from(decodePackHeader(bytes(PACK_HEADER), expected).salt)).toEqual(SALT);
  });

  it.each([
    ['sealed', SEALED_BLOCK, true],
    ['plain', PLAIN_BLOCK, false],
  ])('has this %s block', (_how, stored, isSealed) => {
    const packKey = objectKey(KEY, { kind: 'pack', setUuid: OWNER.setUuid, objectNo: 3, salt: SALT });
    const context = blockContext({ object: 'p', owner: OWNER, packNo: 3, key: isSealed ? packKey : null });
    const place = { blockNo: 5, offset: 96, plainBytes: PLAIN.length };
    const plain = openBlock(context, place, bytes(stored), bytes(CHECKSUM));
    expect(Buffer.from(plain).toString()).toBe(PLAIN);
  });

  it.each([
    ['plain', PLAIN_INDEX, null],
    ['sealed', SEALED_INDEX, KEY],
  ])('has this %s index', (_how, stored, dataKey) => {
    const index = decodeIndex(bytes(stored), { object: 'i', owner: OWNER, dataKey });
    expect(index).toMatchObject({ pageSize: 4096, pageCount: 300, pagesPerBlock: 256 });
    expect(
      index.entries.map(({ blockNo, packNo, offset, storedBytes, plainBytes, checksum }) => [
        blockNo,
        packNo,
        offset,
        storedBytes,
        plainBytes,
        checksum[0],
      ]),
    ).toEqual([
      [0, 1, 96, 1000, 1048576, 1],
      [1, 1, 1096, 500, 180224, 2],
    ]);
  });

  it('has this key slot', async () => {
    const options = { setUuid: OWNER.setUuid, object: 'm' };
    expect(Buffer.from(await unwrapDataKey(KEY_SLOT, 'correct horse', options))).toEqual(KEY);
  });

  it('has this format file', () => {
    const file = decodeFormatFile(Buffer.from(FORMAT_FILE));
    expect(file).toMatchObject({
      tenantName: 'mysql_tenant',
      destKind: 'backup_data',
      createdNs: 1740794460123456789n,
    });
  });

  it('has this manifest', () => {
    const stored = Buffer.from(MANIFEST);
    const manifest = decodeManifest(stored);
    verifyManifestMac(stored, KEY);
    expect(manifest.keySlots).toEqual([KEY_SLOT]);
    expect(manifest.set).toMatchObject({ backupSetId: 7, consistentScn: 1740794458400000123n, uuid: OWNER.setUuid });
  });

  it('has this piece info', () => {
    const piece = pieceInfoFile.decode(Buffer.from(PIECE_INFO), 'p');
    expect(piece).toMatchObject({ pieceId: 2, startScn: 5n, endScn: 100n, firstBatchHash: null });
    expect(piece.segments).toHaveLength(1);
  });
});
