import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { decodeFormatFile, encodeFormatFile, FORMAT_FILE_BYTES_MAX, type FormatFile } from './format-file.ts';
import { acceptedMutations } from './mutations.fixture.ts';

const FILE: FormatFile = {
  formatVersion: 1,
  clusterName: 'holdfast',
  clusterId: 4_294_967_295,
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  tenantName: 'mysql_tenant "ü"',
  destKind: 'backup_data',
  destId: 1001,
  createdNs: 18_446_744_073_709_551_615n,
};
const isDamage = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

/** Puts a right checksum under any text: what somebody who can write to the destination could do. */
function withChecksum(text: string): Uint8Array {
  return Buffer.from(`${text}sha256 ${createHash('sha256').update(text).digest('hex')}\n`);
}
function forged(change: (json: string) => string): Uint8Array {
  const text = Buffer.from(encodeFormatFile(FILE)).toString();
  return withChecksum(change(text.slice(0, -72)));
}

describe('format file', () => {
  it('reads back what was written', () => {
    expect(decodeFormatFile(encodeFormatFile(FILE))).toEqual(FILE);
  });

  it('is the same text for the same facts, whatever their order', () => {
    const reversed = Object.fromEntries(Object.entries(FILE).reverse()) as unknown as FormatFile;
    expect(encodeFormatFile(reversed)).toEqual(encodeFormatFile(FILE));
  });

  it('rejects every flipped byte, every truncation and every addition', () => {
    expect(acceptedMutations(encodeFormatFile(FILE), (bytes) => decodeFormatFile(bytes), isDamage)).toEqual([]);
  });

  it.each([
    ['an unknown field', (json: string) => json.replace('{', '{"a":1,')],
    ['a missing field', (json: string) => json.replace('"destId":1001,', '')],
    ['a doubled field', (json: string) => json.replace('"destId":1001', '"destId":1001,"destId":1001')],
    ['a blank', (json: string) => json.replace('"destId":', '"destId": ')],
    ['fields out of order', (json: string) => json.replace(/("destId":1001),("destKind":"\w+")/, '$2,$1')],
    ['an escaped letter', (json: string) => json.replace('holdfast"', '\\u0068oldfast"')],
    ['a number as text', (json: string) => json.replace('"destId":1001', '"destId":"1001"')],
    ['minus zero', (json: string) => json.replace('"destId":1001', '"destId":-0')],
    ['a fraction', (json: string) => json.replace('"destId":1001', '"destId":1001.5')],
    ['a number past 64 bits', (json: string) => json.replace('18446744073709551615', '18446744073709551616')],
    ['a leading zero', (json: string) => json.replace('"18446744073709551615"', '"018"')],
    ['another kind of destination', (json: string) => json.replace('backup_data', 'elsewhere')],
    ['half a character', (json: string) => json.replace('mysql_tenant', '\\ud800')],
    ['an overlong name', (json: string) => json.replace('mysql_tenant', 'x'.repeat(64))],
    ['no object', (json: string) => json.replace(/\{.*\}/, '[]')],
    ['no JSON', (json: string) => json.replace('{', '(')],
    ['a newer version', (json: string) => json.replace('format-file 1', 'format-file 2')],
    ['another kind of file', (json: string) => json.replace('format-file', 'set-manifest')],
    ['no last line end', (json: string) => json.slice(0, -1)],
    ['deep nesting', (json: string) => json.replace(/\{.*\}/, '['.repeat(5_000) + ']'.repeat(5_000))],
  ])('rejects %s even under a right checksum', (_what, change) => {
    const bytes = forged(change);
    expect(() => decodeFormatFile(bytes)).toThrowError(expect.objectContaining({ errorName: 'BACKUP_DATA_CORRUPT' }));
  });

  it('rejects bytes that are no UTF-8 under a right checksum', () => {
    const body = Buffer.concat([Buffer.from('holdfast format-file 1\n'), Buffer.from([0xc3, 0x28, 10])]);
    const sum = Buffer.from(`sha256 ${createHash('sha256').update(body).digest('hex')}\n`);
    expect(() => decodeFormatFile(Buffer.concat([body, sum]))).toThrowError('not UTF-8');
  });

  it('refuses a file past its bound before reading it', () => {
    expect(() => decodeFormatFile(new Uint8Array(FORMAT_FILE_BYTES_MAX + 1))).toThrowError('more than');
  });

  it('names the object in the error', () => {
    expect(() => decodeFormatFile(new Uint8Array(3), 'here/format.obbak')).toThrowError("'here/format.obbak'");
  });

  it('stops at once when told to write what could not be read back', () => {
    expect(() => encodeFormatFile({ ...FILE, clusterId: 0 })).toThrowError('assertion failed');
  });
});
