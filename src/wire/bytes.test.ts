// Goal: the protocol's basic types survive the way there and back, and nothing is read beyond a packet's end.
import { describe, expect, test } from 'vitest';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { fromHex, toHex } from './wire.fixture.ts';

function written(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter();
  write(writer);
  return writer.take();
}

describe('length-encoded integers', () => {
  test.each([
    [0n, '00'],
    [250n, 'fa'],
    [251n, 'fc fb 00'],
    [65_535n, 'fc ff ff'],
    [65_536n, 'fd 00 00 01'],
    [16_777_215n, 'fd ff ff ff'],
    [16_777_216n, 'fe 00 00 00 01 00 00 00 00'],
    [18_446_744_073_709_551_615n, 'fe ff ff ff ff ff ff ff ff'],
  ])('writes and reads %s as %s', (value, hex) => {
    expect(toHex(written((writer) => writer.lenencInt(value)))).toBe(hex);
    expect(new ByteReader(fromHex(hex), 'test').lenencInt()).toBe(value);
  });

  test('refuses the bytes that stand for NULL and errors', () => {
    expect(() => new ByteReader(fromHex('fb'), 'test').lenencInt()).toThrow('Malformed communication packet: test');
    expect(() => new ByteReader(fromHex('ff'), 'test').lenencInt()).toThrow('Malformed');
  });

  test('refuses to write what has more than 64 bits or a sign', () => {
    expect(() => written((writer) => writer.lenencInt(-1))).toThrow('64 bits');
    expect(() => written((writer) => writer.lenencInt(2n ** 64n))).toThrow('64 bits');
  });
});

describe('ByteReader', () => {
  test('reads integers of every size with and without a sign', () => {
    const reader = new ByteReader(fromHex('ff ff ff ff ff ff 00 00 80 ff ff ff ff ff ff ff ff'), 'test');
    expect([reader.u8(), reader.i8()]).toEqual([255, -1]);
    expect([reader.u16(), reader.i16()]).toEqual([65_535, -1]);
    expect(reader.u24()).toBe(0x80_0000);
    expect(reader.i64()).toBe(-1n);
    expect(reader.remaining).toBe(0);
  });

  test('reads floating point numbers as the documentation shows them', () => {
    expect(new ByteReader(fromHex('66 66 66 66 66 66 24 40'), 'test').double()).toBe(10.2);
    expect(new ByteReader(fromHex('33 33 23 41'), 'test').float()).toBeCloseTo(10.2, 5);
    expect(new ByteReader(fromHex('ff ff ff ff'), 'test').i32()).toBe(-1);
  });

  test('refuses every read beyond the end', () => {
    expect(() => new ByteReader(fromHex('00'), 'test').u16()).toThrow('Malformed');
    expect(() => new ByteReader(fromHex('05 61'), 'test').lenencBytes()).toThrow('Malformed');
    expect(() => new ByteReader(fromHex('fe ff ff ff ff ff ff ff ff 61'), 'test').lenencString()).toThrow('Malformed');
    expect(() => new ByteReader(fromHex('61 62'), 'test').nulString()).toThrow('Malformed');
  });

  test('refuses text that is not utf8mb4', () => {
    expect(() => new ByteReader(fromHex('c3 28'), 'statement').restString()).toThrow(
      'Invalid utf8mb4 character string in statement',
    );
    expect(new ByteReader(Buffer.from('né 😀'), 'statement').restString()).toBe('né 😀');
  });
});

describe('ByteWriter', () => {
  test('grows beyond its first size and keeps what was written', () => {
    const writer = new ByteWriter();
    writer.lenencString('x'.repeat(100_000));
    writer.double(10.2);
    writer.u64(-1n);
    const bytes = writer.take();
    expect(toHex(bytes.subarray(0, 5))).toBe('fd a0 86 01 78');
    expect(toHex(bytes.subarray(-16))).toBe('66 66 66 66 66 66 24 40 ff ff ff ff ff ff ff ff');
    expect(writer.length).toBe(0);
  });

  test('does not change what was taken when it is used again', () => {
    const writer = new ByteWriter();
    writer.nulString('first');
    const first = writer.take();
    writer.nulString('other');
    writer.take();
    expect(first.toString('latin1')).toBe('first\0');
  });
});
