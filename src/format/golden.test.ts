// Goal: what a released version wrote stays readable for ever. Method: bytes that the first release of each format wrote, kept as
// they were; a change that can not read them, or reads something else, fails here. Never edit them: add new ones.
import { describe, expect, it } from 'vitest';
import { pieceInfoFile, roundStartFile } from './archive-info.ts';
import { decodeIndex } from './backup-set-index.ts';
import { decodeManifest, verifyManifestMac } from './backup-set-manifest.ts';
import { blockChecksum, blockContext, openBlock } from './block.ts';
import { decodeFormatFile } from './format-file.ts';
import { decodeKeyFile } from './key-file.ts';
import { unwrapDataKey } from './key-slot.ts';
import { verifyLogBatch } from './log-batch.ts';
import { decodeImageBlock } from './log-batch-table.ts';
import { objectKey } from './object-key.ts';
import { decodePackHeader } from './pack.ts';
import { pageHash } from './page-map.ts';
import { decodePageMap } from './page-map-file.ts';
import { findKeyOf } from './tenant-key.fixture.ts';
import { unwrapWithTenantKey } from './tenant-key-slot.ts';

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
  '4846494e4445580a00020000000010000000012c0000012b000000010000000300000003000000000000000000000000000000002e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f7950000000000000000000000010000000000000060000003e80010000000000001010101010101010101010101010101010000000000000001000000010000000000000448000001f40003100000000101020202020202020202020202020202020001000100000000000000010000000000000060000002bc00003000000000070303030303030303030303030303030300000007000000090000012c4bc4ea94ce20b58c12d9e96c648ba4b506791d89af4d55bdeeb22ec09e1e8e9d';
const SEALED_INDEX =
  '4846494e4445580a00020001000010000000012c0000012b0000000100000003000000036593b6b621c444bbdb8f905642587f312e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f7956ac4c9a42edf2e1419c2b69b5d6e0117ad3d4a297080783d22cfe26efa19d49ba55f491d83521467252f40f61dd43816817bc4ba577d5b05a803bc68ef5159f41a5c1a452fa2e6bd05c529d03313c78869ba907f08a46fd81378ac5baa532506037ba479a495224c81782f13ae3502253082919f6243923cce6d32a7aa6175cad81de48538d2a68c72b9a9fbe9d87f7d62bcdc70383b440951d149fbd2676c4d425cbb70473141dcb47cfa06';
const PLAIN_PAGE_MAP =
  '484650414745530a000100000000100000000003000000000000000318288b5637e6887b000000000000000000000000000000002e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f7950102030405060708fffefdfcfbfaf9f800000000000000003feda148648fc53c8cc555e6c347873bbea0bbc97892a4dbdf2afc7f6d35abb4';
const SEALED_PAGE_MAP =
  '484650414745530a000100010000100000000003000000000000000318288b5637e6887b30474f3e2cc21fbe38dfc3d8bb65aca32e6c6eb9854232ac2613db4500cbca8dff8ef9a39e84de39d384a272cda5f7956741f3bcaf752afcf1fda44922bebd979338e77572ce551704cc2a00bb451dc91f0658582d0e21a5';
const KEY_SLOT =
  '{"kdf":"scrypt","n":32768,"nonce":"b63dd1f0bb606f9531ab0a44","p":1,"r":8,"salt":"0505050505050505050505050505050505050505050505050505050505050505","setUuid":"11111111-2222-4333-8444-555555555555","sha256":"32a930745b0a0e2e865467fadd6a3e291963c870c85338d959c171ef50999b1a","slotVersion":1,"wrapped":"4938dabf758780ccb4917b634627213994133aaeb8e9ee4d80723058b4809a6e879b79e375b601879f7bb0cf4ed029d2"}';
const FORMAT_FILE =
  'holdfast format-file 1\n{"clusterId":1,"clusterName":"holdfast","clusterUuid":"0f0e0d0c-0b0a-4908-8706-050403020100","createdNs":"1740794460123456789","destId":1001,"destKind":"backup_data","formatVersion":1,"tenantId":1002,"tenantName":"mysql_tenant"}\nsha256 c5724922161950d67ea7b9a926c4996458c7d8bbf3908498b6fb919cc7c35a28\n';
const MANIFEST =
  'holdfast set-manifest 3\n{"blockCount":2,"cluster":{"id":1,"name":"holdfast","uuid":"0f0e0d0c-0b0a-4908-8706-050403020100"},"compatible":{"server":"0.1.0","tenant":"4.3.3.0"},"description":"weekly","encryptionMode":"PASSWORD_ENCRYPTION","engine":{"databaseChecksum":"18446460386757245432","engine":"sqlite","pageCount":300,"pageSize":4096,"skipPage":0,"tableCount":2,"version":"3.53.0"},"inputBytes":"1228800","keySlots":["{\\"kdf\\":\\"scrypt\\",\\"n\\":32768,\\"nonce\\":\\"b63dd1f0bb606f9531ab0a44\\",\\"p\\":1,\\"r\\":8,\\"salt\\":\\"0505050505050505050505050505050505050505050505050505050505050505\\",\\"setUuid\\":\\"11111111-2222-4333-8444-555555555555\\",\\"sha256\\":\\"32a930745b0a0e2e865467fadd6a3e291963c870c85338d959c171ef50999b1a\\",\\"slotVersion\\":1,\\"wrapped\\":\\"4938dabf758780ccb4917b634627213994133aaeb8e9ee4d80723058b4809a6e879b79e375b601879f7bb0cf4ed029d2\\"}"],"objects":[{"checksum":"01010101010101010101010101010101","name":"pack_1.obbak","size":1000}],"outputBytes":"1200","set":{"backupSetId":7,"backupType":"INC","consistentScn":"1740794458400000123","destId":1002,"endNs":"1740794460000000000","isPlusArchivelog":false,"minRestoreScn":"1740794458400001000","prevFullBackupSetId":4,"prevIncBackupSetId":6,"prevManifestSha256":"0404040404040404040404040404040404040404040404040404040404040404","roundId":1,"startNs":"1740794440000000000","startReplayScn":"1740794283100200000","uuid":"11111111-2222-4333-8444-555555555555"},"sources":[{"backupSetId":4,"backupType":"FULL","manifestSha256":"0505050505050505050505050505050505050505050505050505050505050505","uuid":"44444444-2222-4333-8444-555555555555"}],"tenant":{"id":1002,"mode":"mysql","name":"mysql_tenant","timeZone":"Asia/Shanghai"}}\nhmac-sha256 54caed465d971dfd024f9422e1a45e1f181a5524a65065a6f8641f214f5f81d7\nsha256 b313e006b87cb3aef1a89f79bf4f0705969cddfe0f67815b3b6ac3d271ca4d7f\n';
const ROUND_START =
  'holdfast round-start 2\n{"base":{"batchHash":"0303030303030303030303030303030303030303030303030303030303030303","batchNo":4,"destId":1001,"roundId":1,"scn":"90"},"basePieceId":3,"cluster":{"id":1,"name":"holdfast","uuid":"0f0e0d0c-0b0a-4908-8706-050403020100"},"createdNs":"1","destId":1001,"engine":{"engine":"sqlite","version":"3.53.0"},"pieceSwitchIntervalUs":"86400000000","roundId":2,"startScn":"5","tenant":{"id":1002,"mode":"mysql","name":"mysql_tenant","timeZone":"Asia/Shanghai"}}\nsha256 743e793a4e0efe19fbfbd24b4d184da0fdd8ae00feb794730c998d39d9d3dbd3\n';
const PIECE_INFO =
  'holdfast piece-info 2\n{"checkpointScn":"90","cluster":{"id":1,"name":"holdfast","uuid":"0f0e0d0c-0b0a-4908-8706-050403020100"},"createdNs":"1","destId":1001,"endScn":"100","engine":{"engine":"sqlite","version":"3.53.0"},"firstBatchHash":null,"frozenNs":"2","inputBytes":"1","lastBatchHash":"0303030303030303030303030303030303030303030303030303030303030303","maxScn":"80","outputBytes":"2","pieceId":2,"roundId":1,"segments":[{"firstBatchNo":1,"lastBatchHash":"0303030303030303030303030303030303030303030303030303030303030303","lastBatchNo":4,"name":"logstream_1/log/1.obarc","sha256":null,"size":9}],"startScn":"5","tenant":{"id":1002,"mode":"mysql","name":"mysql_tenant","timeZone":"Asia/Shanghai"}}\nsha256 490ec266a9b14fdd60b912d519d24001334cc89c7e4aca05cea68045d7676f90\n';
const SEALED_BATCH =
  '48464c4f4742415400000003000000040000018000000001000000000000021b000000000000000330663065306430632d306230612d343930382d383730362d3035303430333032303130300000000000000000000003ea000000000000000100000000000000500000000000000050000000000000005a00000001000002000000000100000071000000640000000301020300000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000303030303030303030303030303030303030303030303030303030303030303db7ab089c87b9bc381a08c4be5b417dcca020ea1586b278440c4700102251e4fd05bdff571833f2d015ac6fb0e6c910340aa08dadf3865af472eaf3ca35ff495cd4887af2c9e8f14d1226498c638179a55785bb9cee88b1e74ce092b2e105eb6c444d6540bb8ee8ad00d9482abd244c425c72f40b75b29659d0b80c7dee8210aece5751a1cfea3dd9e3a4dac641ad2219dc87b8dcd7a1409df06f31d0af8e34363e5a97950ce79849f4c50ad0d24f32015858b8887ed815b189bb76bc99d994f3346787c8bb9b43054ab88ff2666c5735adf742257180bc09e3173b7eafe313628ac5f3c537524bf10772c';
const TENANT_KEY_SLOT =
  '{"kdf":"tenant-key","keyId":"d05bdff571833f2d","salt":"88631e2f6f3a25eea8cd2118f29c0c8f","setUuid":"11111111-2222-4333-8444-555555555555","sha256":"36d66899b40677a6f25c1c391fb1cff7e6aa1a54f5f7528ea1707f3b4e3c6f8f","slotVersion":1,"wrapped":"d752dd6e2173cc7554a5743e0d0ddfe9355eae62c8108e27e0c03c2f3511f4ba5855383ba82fca79522fcbe5ca014449"}';
const KEY_FILE =
  'holdfast tenant-keys 1\n{"cluster":{"id":1,"name":"holdfast","uuid":"0f0e0d0c-0b0a-4908-8706-050403020100"},"kdf":"scrypt","keys":[{"createdNs":"4","keyId":"d05bdff571833f2d","version":1,"wrapped":"4bf69b6c7732db199497bf52809957d2233015d3853cdd136abff846849cb867cd2c36289ae39cbdcffe810ba748258d"}],"n":32768,"p":1,"r":8,"salt":"350f737e9912915d64a5c09bca942989739a6f6f8ef0b6ae6c5199c11bcdeb82","tenant":{"id":1002,"mode":"mysql","name":"mysql_tenant","timeZone":"Asia/Shanghai"},"writtenNs":"5"}\nsha256 2cd8a90ba9daf396aa6dbb73aaebddac2a774637982edf6a70b84b434ee986e3\n';

describe('the first release of the formats', () => {
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
    expect(index).toMatchObject({ pageSize: 4096, pageCount: 300, skipPage: 299, sourceCount: 1 });
    expect(
      index.entries.map((entry) => [
        entry.source,
        entry.blockNo,
        entry.packNo,
        entry.offset,
        entry.storedBytes,
        entry.plainBytes,
        entry.checksum[0],
        entry.pages ? [...entry.pages] : [entry.firstPage, entry.pageCount],
      ]),
    ).toEqual([
      [0, 0, 1, 96, 1000, 1048576, 1, [1, 256]],
      [0, 1, 1, 1096, 500, 200704, 2, [257, 49]],
      [1, 0, 1, 96, 700, 12288, 3, [7, 9, 300]],
    ]);
  });

  it.each([
    ['plain', PLAIN_PAGE_MAP, null],
    ['sealed', SEALED_PAGE_MAP, KEY],
  ])('has this %s page map', (_how, stored, dataKey) => {
    const { roundId, scn, map } = decodePageMap(bytes(stored), { object: 'm', owner: OWNER, dataKey });
    expect([roundId, scn, map.pageSize]).toEqual([3, 1740794458400000123n, 4096]);
    expect([...map.hashes]).toEqual([0x0102030405060708n, 0xfffefdfcfbfaf9f8n, 0n]);
    expect(map.checksum).toBe((0x0102030405060708n * 3n + 0xfffefdfcfbfaf9f8n * 5n) % 2n ** 64n);
  });

  it('has XXH3-64 of its bytes as the hash of a page', () => {
    expect(pageHash(new Uint8Array(0)).toString(16)).toBe('2d06800538d394c2');
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
    expect(manifest.engine.databaseChecksum).toBe(0xfffefdfcfbfaf9f8n);
    expect(manifest.sources).toMatchObject([{ backupSetId: 4, backupType: 'FULL' }]);
    expect(manifest.set).toMatchObject({ backupSetId: 7, consistentScn: 1740794458400000123n, uuid: OWNER.setUuid });
  });

  it('has this round start', () => {
    const round = roundStartFile.decode(Buffer.from(ROUND_START), 'r');
    expect(round).toMatchObject({ roundId: 2, base: { destId: 1001, roundId: 1, batchNo: 4, scn: 90n } });
    expect(round.base!.batchHash).toEqual(new Uint8Array(32).fill(3));
  });

  it('has this piece info', () => {
    const piece = pieceInfoFile.decode(Buffer.from(PIECE_INFO), 'p');
    expect(piece).toMatchObject({ pieceId: 2, startScn: 5n, endScn: 100n, firstBatchHash: null });
    expect(piece.segments).toHaveLength(1);
  });

  it('has this encrypted batch', () => {
    const owner = { clusterUuid: OWNER.clusterUuid, tenantId: 1002, roundId: 1 };
    const place = { owner, batchNo: 3, prevHash: new Uint8Array(32).fill(3), findKey: findKeyOf(KEY) };
    const stored = bytes(SEALED_BATCH);
    const { header, table } = verifyLogBatch(stored, place, 'b');
    expect([header.checkpointScn, [...table.pages], table.commits[0]!.checksum]).toEqual([90n, [4], 5n]);
    const [block] = table.blocks;
    const image = decodeImageBlock(stored.subarray(block!.offset, block!.offset + block!.storedBytes), block!, 'b');
    expect(Buffer.from(image).toString('latin1', 0, 18)).toBe('holdfast holdfast ');
  });

  it('has this slot under a tenant key', () => {
    const of = { setUuid: OWNER.setUuid, object: 'm' };
    expect(unwrapWithTenantKey(TENANT_KEY_SLOT, () => new Uint8Array(KEY), of)).toEqual(new Uint8Array(32).fill(9));
  });

  it('has this key file', async () => {
    const { keys, tenant } = await decodeKeyFile(Buffer.from(KEY_FILE), 'correct horse', 'k');
    expect(keys).toEqual([{ version: 1, createdNs: 4n, key: new Uint8Array(KEY) }]);
    expect(tenant.name).toBe('mysql_tenant');
  });
});
