import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { toScn } from '../model/scn.ts';
import { pieceInfoFile, pieceStartFile, roundEndFile, roundStartFile } from './archive-info.ts';
import type { CheckedJson } from './checked-json.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');
const hash = new Uint8Array(32).fill(3);
const owner = {
  cluster: { name: 'holdfast', id: 1, uuid: '0f0e0d0c-0b0a-4908-8706-050403020100' },
  tenant: { id: 1002, name: 'oracle_tenant', mode: 'oracle' as const, timeZone: '+08:00' },
  engine: { engine: 'sqlite', version: '3.53.0' },
};
const round = { ...owner, destId: 1001, roundId: 1, startScn: toScn(5n) };
const piece = { ...round, pieceId: 2, endScn: toScn((1n << 64n) - 1n) };

const FILES: Array<[string, CheckedJson<unknown>, unknown]> = [
  [
    'round start',
    roundStartFile as CheckedJson<unknown>,
    { ...round, basePieceId: 1, pieceSwitchIntervalUs: 86_400_000_000n, createdNs: 1n, base: null },
  ],
  [
    'start of a round that repairs a gap',
    roundStartFile as CheckedJson<unknown>,
    {
      ...round,
      roundId: 2,
      basePieceId: 3,
      pieceSwitchIntervalUs: 86_400_000_000n,
      createdNs: 1n,
      base: { destId: 1001, roundId: 1, batchNo: 77, batchHash: hash, scn: toScn(4n) },
    },
  ],
  [
    'round end',
    roundEndFile as CheckedJson<unknown>,
    { ...round, checkpointScn: toScn(9n), basePieceId: 1, lastPieceId: 2, endedNs: 2n, status: 'STOP', comment: 'x' },
  ],
  ['piece start', pieceStartFile as CheckedJson<unknown>, { ...piece, createdNs: 1n, prevBatchHash: null }],
  [
    'piece info',
    pieceInfoFile as CheckedJson<unknown>,
    {
      ...piece,
      checkpointScn: toScn(9n),
      maxScn: toScn(8n),
      segments: [
        {
          name: 'logstream_1/log/1.obarc',
          size: 9,
          sha256: hash,
          firstBatchNo: 1,
          lastBatchNo: 4,
          lastBatchHash: hash,
        },
        {
          name: 'logstream_1/log/2.obarc',
          size: 9,
          sha256: null,
          firstBatchNo: 5,
          lastBatchNo: 5,
          lastBatchHash: hash,
        },
      ],
      inputBytes: 1n,
      outputBytes: 2n,
      firstBatchHash: hash,
      lastBatchHash: hash,
      createdNs: 1n,
      frozenNs: 2n,
    },
  ],
];

describe.each(FILES)('%s file', (_name, file, value) => {
  it('reads back what was written', () => {
    expect(file.decode(file.encode(value), 'x')).toEqual(value);
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    expect(acceptedMutations(file.encode(value), (bytes) => file.decode(bytes, 'x'), isDamage)).toEqual([]);
  });

  it('is not taken for another kind', () => {
    for (const [, other] of FILES.filter(([, candidate]) => candidate !== file))
      expect(() => other.decode(file.encode(value), 'x')).toThrowError('it is not a');
  });
});
