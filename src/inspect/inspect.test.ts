// Goal: everything that lies at a destination can be looked at without a server, damage is named, and no secret is shown.
// Method: a small set (plain and encrypted) and a small archive are written with the formats' own encoders to memory
// destinations; their print is compared with what was written, and again after bytes were changed.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Destination } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { pieceInfoFile, pieceStartFile, roundEndFile, roundStartFile } from '../format/archive-info.ts';
import { encodeIndex } from '../format/backup-set-index.ts';
import { encodeManifest } from '../format/backup-set-manifest.ts';
import { encodeFormatFile, FORMAT_FILE_VERSION } from '../format/format-file.ts';
import { derivePasswordKey, wrapDataKey } from '../format/key-slot.ts';
import {
  FORMAT_FILE_NAME,
  indexName,
  manifestName,
  pageMapName,
  pieceInfoName,
  pieceStartName,
  roundEndName,
  roundStartName,
  segmentName,
  setDirectory,
} from '../format/layout.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import { encodeSegmentHeader, LOG_HASH_BYTES } from '../format/log-batch-header.ts';
import { sha256 } from '../format/log-batch-table.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { encodePageMap } from '../format/page-map-file.ts';
import { xxh3 } from '../format/xxh3.ts';
import { toScn } from '../model/scn.ts';
import { type InspectOptions, inspect } from './inspect.ts';
import { visible } from './print.ts';

const CLUSTER = '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11';
const SET_UUID = '6f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d12';
const SCN = toScn(1_740_790_800_000_000_000n);
const PAGE_BYTES = 512;
const PASSWORD = 'correct horse battery staple';
/** The weakest that a reader takes: tests derive it often. */
const COST = { n: 2 ** 15, r: 8, p: 1 };
const facts = {
  cluster: { name: 'c1', id: 1, uuid: CLUSTER },
  tenant: { id: 1002, name: 't1', mode: 'mysql' as const, timeZone: '+00:00' },
};
const owner = { clusterUuid: CLUSTER, tenantId: 1002 };

let destination: MemoryDestination;
let id: string;
beforeEach(() => {
  id = `inspect-${randomBytes(8).toString('hex')}`;
  destination = new MemoryDestination(id);
});
afterEach(() => dropMemoryDestination(id));

const open = ({ path }: { path: string }): Destination =>
  path === '/d' ? destination : new MemoryDestination(`${id}${path}`);

async function run(uri: string, over: Partial<InspectOptions> = {}): Promise<{ text: string; damageCount: number }> {
  let text = '';
  const write = async (part: string) => {
    text += part;
  };
  const choices = { isJson: false, isWithTables: false, page: null, passwords: [] };
  const damageCount = await inspect(uri, { ...choices, write, open, ...over });
  return { text, damageCount };
}

async function putFormat(destKind: 'backup_data' | 'archive_log'): Promise<void> {
  const format = {
    ...{ formatVersion: FORMAT_FILE_VERSION, clusterName: 'c1', clusterId: 1, clusterUuid: CLUSTER, tenantId: 1002 },
    ...{ tenantName: 't1', destKind, destId: 1001, createdNs: SCN },
  };
  await destination.put(FORMAT_FILE_NAME, encodeFormatFile(format));
}

const image = (fill: number) => new Uint8Array(PAGE_BYTES).fill(fill);
const hashOf = (fill: number) => pageHash(image(fill));

interface Secrets {
  dataKey: Uint8Array;
  slot: string;
}

/** A set of three pages in one block; with secrets an encrypted one. */
async function putSet(secrets: Secrets | null = null): Promise<void> {
  await putFormat('backup_data');
  const ref = { backupSetId: 1, type: 'FULL' as const };
  const setOwner = { ...owner, setUuid: SET_UUID };
  const dataKey = secrets?.dataKey ?? null;
  const map = new PageMap(PAGE_BYTES, BigUint64Array.of(hashOf(1), hashOf(2), hashOf(3)));
  const block = { blockNo: 0, packNo: 1, offset: 96, storedBytes: 100, plainBytes: 3 * PAGE_BYTES };
  const entry = { ...block, source: 0, checksum: new Uint8Array(16), firstPage: 1, pageCount: 3, pages: null };
  const shape = { pageSize: PAGE_BYTES, pageCount: 3, skipPage: 0, sourceCount: 0, entries: [entry] };
  const parts: Array<[string, Uint8Array]> = [
    ['pack_1.obbak', new Uint8Array([1, 2, 3])],
    ['index.obbak', encodeIndex(shape, setOwner, dataKey)],
    ['page_map.obbak', encodePageMap({ roundId: 1, scn: SCN, map }, setOwner, dataKey)],
  ];
  for (const [name, bytes] of parts) await destination.put(`${setDirectory(ref)}/${name}`, bytes);
  const bytes = encodeManifest(
    {
      ...facts,
      set: {
        ...{ backupSetId: 1, uuid: SET_UUID, destId: 1001, backupType: 'FULL', roundId: 1, isPlusArchivelog: false },
        ...{ prevFullBackupSetId: 0, prevIncBackupSetId: 0, prevManifestSha256: null },
        ...{ consistentScn: SCN, startReplayScn: SCN, minRestoreScn: SCN, startNs: SCN, endNs: SCN },
      },
      engine: {
        ...{ engine: 'sqlite', version: '3.51.3', pageSize: PAGE_BYTES, pageCount: 3, tableCount: 2, skipPage: 0 },
        databaseChecksum: map.checksum,
      },
      encryptionMode: secrets ? 'PASSWORD_ENCRYPTION' : 'NONE',
      keySlots: secrets ? [secrets.slot] : [],
      objects: parts.map(([name, content]) => ({ name, size: content.length, checksum: xxh3(content) })),
      ...{ sources: [], blockCount: 1, inputBytes: 1536n, outputBytes: 100n, description: 'nightly\u001b[2J' },
      compatible: { server: '0.1.0', tenant: '4.3.3.0' },
    },
    dataKey,
  );
  await destination.put(manifestName(ref), bytes);
}

async function makeSecrets(): Promise<Secrets> {
  const dataKey = new Uint8Array(randomBytes(32));
  const passwordKey = await derivePasswordKey(PASSWORD, new Uint8Array(randomBytes(32)), COST);
  return { dataKey, slot: wrapDataKey(dataKey, passwordKey, SET_UUID) };
}

/** A round of one frozen piece of two segments with two batches each, and an active piece with a torn tail. */
async function putArchive(): Promise<void> {
  await putFormat('archive_log');
  const archive = { ...facts, engine: { engine: 'sqlite', version: '3.51.3' } };
  const round = { destId: 1001, roundId: 1 };
  const first = { ...round, pieceId: 1 };
  const second = { ...round, pieceId: 2 };
  const startScn = SCN;
  const endScn = toScn(SCN + 1_000_000n);
  const created = { createdNs: SCN, base: null, pieceSwitchIntervalUs: 1000n };
  await destination.put(
    roundStartName(round),
    roundStartFile.encode({ ...archive, ...round, startScn, basePieceId: 1, ...created }),
  );
  let prevHash: Uint8Array = new Uint8Array(LOG_HASH_BYTES);
  let batchNo = 0;
  const segment = async (piece: typeof first, segmentNo: number, tail: Uint8Array) => {
    const firstBatchNo = batchNo + 1;
    const parts = [encodeSegmentHeader({ ...owner, ...piece, segmentNo, firstBatchNo, prevHash })];
    for (let i = 0; i < 2; i++) {
      batchNo++;
      const scn = toScn(SCN + BigInt(batchNo) * 1000n + (piece.pieceId === 2 ? 1_000_000n : 0n));
      const pages = { pages: Uint32Array.of(2), hashes: BigUint64Array.of(hashOf(batchNo)), images: [image(batchNo)] };
      const { bytes, header } = encodeLogBatch({
        owner: { ...owner, roundId: 1 },
        ...{ batchNo, prevHash, checkpointScn: scn, pageSize: PAGE_BYTES, position: Buffer.from('POSITION') },
        commits: [{ scn, databasePages: 3, checksum: 0x1234n, ...pages }],
        compressionLevel: 1,
      });
      prevHash = header.hash;
      parts.push(bytes);
    }
    const bytes = Buffer.concat([...parts, tail]);
    const directory = `piece_d1001r1p${piece.pieceId}`;
    const name = segmentName(directory, segmentNo);
    await destination.put(name, bytes);
    const last = { lastBatchNo: batchNo, lastBatchHash: prevHash };
    return { name: name.slice(directory.length + 1), size: bytes.length, sha256: sha256(bytes), firstBatchNo, ...last };
  };
  const none = new Uint8Array(0);
  const start = { ...archive, createdNs: SCN };
  await destination.put(
    pieceStartName(first, startScn),
    pieceStartFile.encode({ ...start, ...first, startScn, endScn, prevBatchHash: null }),
  );
  const segments = [await segment(first, 1, none), await segment(first, 2, none)];
  const hashes = { firstBatchHash: prevHash, lastBatchHash: prevHash };
  const scns = { startScn, endScn, checkpointScn: endScn, maxScn: toScn(SCN + 4000n) };
  const sizes = { inputBytes: 2048n, outputBytes: 4000n, frozenNs: SCN };
  await destination.put(
    pieceInfoName(first),
    pieceInfoFile.encode({ ...start, ...first, ...scns, segments, ...sizes, ...hashes }),
  );
  const next = { startScn: endScn, endScn: toScn(endScn + 1_000_000n), prevBatchHash: prevHash };
  await destination.put(pieceStartName(second, endScn), pieceStartFile.encode({ ...start, ...second, ...next }));
  await segment(second, 1, Buffer.alloc(100, 7));
}

async function change(name: string, at: number): Promise<void> {
  const bytes = new Uint8Array(await destination.get(name));
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  await destination.remove(name);
  await destination.put(name, bytes);
}

describe('a data destination', () => {
  test('is printed as text', async () => {
    await putSet();
    const { text, damageCount } = await run('file:///d');
    expect(damageCount).toBe(0);
    const stable = text
      .replace(/[0-9a-f]{64}/g, '<sha256>')
      .replace(/bytes (\d+) {2}xxh3 [0-9a-f]{32}/g, 'bytes <n>  xxh3 <xxh3>');
    expect(stable).toBe(`file:///d

format file format.obbak
  cluster         c1 (id 1, ${CLUSTER})
  tenant          t1 (id 1002)
  holds           backup sets
  dest id         1001
  layout version  1
  created         1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)

backup set backup_set_1_full
  cluster            c1 (id 1, ${CLUSTER})
  tenant             t1 (id 1002, mode mysql)
  type               FULL
  uuid               ${SET_UUID}
  dest id            1001
  previous           -
  round id           1
  consistent scn     1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)
  start replay scn   1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)
  min restore scn    1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)
  started            1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)
  ended              1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)
  plus archivelog    no
  engine             sqlite 3.51.3
  database           3 pages of 512 bytes, 2 tables
  skip page          -
  database checksum  ${text.match(/database checksum {2}([0-9a-f]{16})/)?.[1]}
  encryption         NONE
  key slots          -
  own blocks         1
  input bytes        1536
  output bytes       100
  description        nightly\\u001b[2J
  written by         0.1.0
  manifest sha256    <sha256>
  object pack_1.obbak  bytes <n>  xxh3 <xxh3>
  object index.obbak  bytes <n>  xxh3 <xxh3>
  object page_map.obbak  bytes <n>  xxh3 <xxh3>

  index backup_set_1_full/index.obbak
    blocks   1
    pages    3
    sources  0
    blocks of backup_set_1_full  blocks 1  stored bytes 100  live pages 3  packs 1

  page map backup_set_1_full/page_map.obbak
    pages              3
    page size          512
    database checksum  ${text.match(/database checksum {2}([0-9a-f]{16})/)?.[1]}
    round id           1
    scn                1740790800000000000 (2025-03-01 01:00:00.000000 +00:00)

no damage found
`);
  });

  test('tells where a page lies and what its hash is', async () => {
    await putSet();
    const { text } = await run('file:///d/backup_set_1_full', { page: 2 });
    expect(text).toContain('page 2  pack backup_set_1_full/pack_1.obbak  block no 0  offset 96  stored bytes 100');
    expect(text).toContain(`page 2  hash ${hashOf(2).toString(16).padStart(16, '0')}`);
    expect((await run('file:///d/backup_set_1_full', { page: 9 })).text).toContain('page 9  lies nowhere in this set');
  });

  test('names each object that is damaged, cut or missing, once', async () => {
    const ref = { backupSetId: 1, type: 'FULL' as const };
    const pack = 'backup_set_1_full/pack_1.obbak';
    const cases: Array<[string, () => Promise<void>, string]> = [
      ['index', () => change(indexName(ref), -40), indexName(ref)],
      ['page map', () => change(pageMapName(ref), 100), pageMapName(ref)],
      ['manifest', () => change(manifestName(ref), 50), manifestName(ref)],
      ['no manifest', () => destination.remove(manifestName(ref)), ''],
      ['no pack', () => destination.remove(pack), pack],
      ['format file', () => change(FORMAT_FILE_NAME, 40), FORMAT_FILE_NAME],
    ];
    for (const [what, damage, object] of cases) {
      await destination.removeAll('');
      await putSet();
      await damage();
      const { text, damageCount } = await run('file:///d');
      if (object === '') expect(text, what).toContain('unfinished set backup_set_1_full');
      else {
        expect(damageCount, what).toBeGreaterThan(0);
        expect(text, what).toContain(`DAMAGED ${object}: `);
      }
    }
  });

  test('one object is shown alone', async () => {
    await putSet();
    expect((await run('file:///d/format.obbak')).text).toContain('holds           backup sets');
    const pack = await run('file:///d/backup_set_1_full/pack_1.obbak');
    expect(pack).toMatchObject({ damageCount: 0, text: expect.stringContaining('bytes  3') });
    await change('backup_set_1_full/pack_1.obbak', 1);
    const changed = await run('file:///d/backup_set_1_full/pack_1.obbak');
    expect(changed).toMatchObject({ damageCount: 1, text: expect.stringContaining('its checksum is not the one') });
    const index = await run('file:///d/backup_set_1_full/index.obbak');
    expect(index.text).toContain('blocks of backup_set_1_full');
    expect(index.text).not.toContain('page map');
    await expect(run('file:///nothing')).rejects.toMatchObject({ errorName: 'BACKUP_FILE_NOT_EXIST' });
    await expect(run('nonsense')).rejects.toMatchObject({ errorName: 'INVALID_BACKUP_DEST' });
  });
});

describe('an encrypted set', () => {
  /** Whatever would help to open it. */
  const planted = ({ dataKey, slot }: Secrets): string[] => {
    const { salt, nonce, wrapped } = JSON.parse(slot) as Record<string, string>;
    const key = Buffer.from(dataKey);
    return [
      PASSWORD,
      salt!,
      nonce!,
      wrapped!,
      wrapped!.slice(0, 16),
      key.toString('hex'),
      key.toString('base64'),
      slot,
    ];
  };

  test('shows its manifest without a password, index and page map with it, and never a secret', async () => {
    const secrets = await makeSecrets();
    await putSet(secrets);
    const outputs: string[] = [];
    for (const isJson of [false, true]) {
      for (const passwords of [[], ['wrong'], ['wrong', PASSWORD]]) {
        const { text, damageCount } = await run('file:///d', { isJson, passwords, isWithTables: true, page: 1 });
        expect(damageCount).toBe(0);
        expect(text).toContain('scrypt n=32768 r=8 p=1');
        expect(text.includes('live'), passwords.join()).toBe(passwords.length === 2);
        expect(text.includes('closed'), passwords.join()).toBe(passwords.length !== 2);
        outputs.push(text);
      }
    }
    for (const secret of planted(secrets)) for (const text of outputs) expect(text).not.toContain(secret);
  });
});

describe('an archive destination', () => {
  test('is printed with rounds, pieces, segments and the torn tail', async () => {
    await putArchive();
    const { text, damageCount } = await run('file:///d');
    expect(damageCount).toBe(0);
    expect(text).toContain('round rounds/round_d1001r1_start.obarc');
    expect(text).toMatch(/piece piece_d1001r1p1\n {2}status +FROZEN/);
    expect(text).toMatch(/piece piece_d1001r1p2\n {2}status +ACTIVE/);
    expect(text).toMatch(
      /segment piece_d1001r1p1\/logstream_1\/log\/2\.obarc {2}bytes \d+ {2}batches 2 {2}batch no 3 to 4/,
    );
    expect(text).toMatch(/unfinished append piece_d1001r1p2\/logstream_1\/log\/1\.obarc {2}offset \d+/);
    expect(text).not.toContain('POSITION');
    expect(text.endsWith('\nno damage found\n')).toBe(true);
  });

  test('shows batches of a piece or a segment, commits where asked, and what changed a page', async () => {
    await putArchive();
    const piece = await run('file:///d/piece_d1001r1p1');
    expect(piece.text.match(/^ {4}batch \d+ .*checksum 0000000000001234/gm)).toHaveLength(4);
    expect(piece.text).not.toContain('commit ');
    const segment = await run('file:///d/piece_d1001r1p1/logstream_1/log/2.obarc', { isWithTables: true });
    expect(segment.text.match(/^ {6}commit .*pages 2$/gm)).toHaveLength(2);
    const page = await run('file:///d', { page: 2 });
    expect(page.text.match(/^ {4}page 2 /gm)).toHaveLength(6);
    expect(page.text).toContain(hashOf(4).toString(16).padStart(16, '0'));
    expect((await run('file:///d', { page: 3 })).text).not.toMatch(/^ {4}page 3 /m);
  });

  test('is one JSON document', async () => {
    await putArchive();
    const { text } = await run('file:///d', { isJson: true, isWithTables: true });
    const document = JSON.parse(text) as { items: Array<{ kind: string; checkpointScn?: string }>; damage: unknown[] };
    expect(document).toMatchObject({ uri: 'file:///d', damage: [], damageCount: 0 });
    const kinds = document.items.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'batch')).toHaveLength(6);
    expect(kinds.filter((kind) => kind === 'commit')).toHaveLength(6);
    expect(document.items.find(({ kind }) => kind === 'batch')?.checkpointScn).toBe(String(SCN + 1000n));
  });

  test('damage is named, and what is whole is printed all the same', async () => {
    const second = segmentName('piece_d1001r1p1', 2);
    const cases: Array<[() => Promise<void>, string]> = [
      [() => change(second, 400), second],
      [() => destination.remove(second), second],
      [() => change(pieceInfoName({ destId: 1001, roundId: 1, pieceId: 1 }), 60), 'piece_d1001r1p1/single_piece_info'],
      [() => change(roundStartName({ destId: 1001, roundId: 1 }), 60), 'rounds/round_d1001r1_start.obarc'],
      [() => destination.remove(roundStartName({ destId: 1001, roundId: 1 })), 'rounds/round_d1001r1_start.obarc'],
    ];
    for (const [damage, object] of cases) {
      await destination.removeAll('');
      await putArchive();
      await damage();
      const { text, damageCount } = await run('file:///d');
      expect(damageCount, object).toBe(1);
      expect(text, object).toContain(`DAMAGED ${object}`);
      const { damage: listed } = JSON.parse((await run('file:///d', { isJson: true })).text) as { damage: unknown[] };
      expect(listed).toMatchObject([{ object: expect.stringContaining(object) }]);
    }
  });

  test('a round’s end, a piece’s files and a foreign owner are told', async () => {
    await putArchive();
    const round = { destId: 1001, roundId: 1 };
    const archive = { ...facts, engine: { engine: 'sqlite', version: '3.51.3' } };
    const tenant = { ...facts.tenant, id: 1004 };
    await destination.put(
      roundEndName(round),
      roundEndFile.encode({
        ...{ ...archive, tenant, ...round, startScn: SCN, checkpointScn: SCN, basePieceId: 1, lastPieceId: 2 },
        ...{ endedNs: SCN, status: 'STOP', comment: '' },
      }),
    );
    const { text, damageCount } = await run('file:///d');
    expect(text).toMatch(/round end .*\n {2}status +STOP/);
    expect(damageCount).toBe(1);
    expect(text).toContain('belongs to another cluster or tenant');
    expect((await run('file:///d/piece_d1001r1p1/single_piece_info.obarc')).text).toContain('segments        2');
    expect(
      (await run(`file:///d/${pieceStartName({ ...round, pieceId: 2 }, toScn(SCN + 1_000_000n))}`)).text,
    ).toContain('piece piece_d1001r1p2');
  });
});

test('text that would move a cursor is shown as escapes', () => {
  expect(visible('a\u001b[2J\u202eb\nc\u00e9')).toBe('a\\u001b[2J\\u202eb\\u000ac\u00e9');
});
