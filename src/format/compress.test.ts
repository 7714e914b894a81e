import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MIB } from '../base/limits.ts';
import { compress, decompress } from './compress.ts';

describe('compress', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from([7])],
    ['text', Buffer.from('holdfast '.repeat(10_000))],
    ['noise', randomBytes(100_000)],
    ['more than the kept scratch buffer', Buffer.alloc(9 * MIB, 'x')],
  ])('gives %s back at every level', (_what, plain) => {
    for (const level of [-5, 1, 3, 19]) {
      const packed = compress(plain, level);
      expect(Buffer.compare(decompress(packed, plain.length), plain)).toBe(0);
    }
  });

  it('returns bytes of their own, untouched by the next call', () => {
    const first = compress(Buffer.from('a'.repeat(1000)), 1);
    const copy = Buffer.from(first);
    compress(randomBytes(1000), 1);
    expect(Buffer.compare(first, copy)).toBe(0);
  });

  it('refuses a frame that holds more or less than was said, without taking more memory', () => {
    const bomb = compress(Buffer.alloc(64 * MIB), 1);
    expect(() => decompress(bomb, 1000)).toThrow();
    const short = compress(Buffer.from('abc'), 1);
    expect(() => decompress(short, 4)).toThrowError('3 bytes instead of 4');
    expect(() => decompress(Buffer.alloc(0), 4)).toThrow();
    expect(() => decompress(randomBytes(50), 50)).toThrow();
    expect(() => decompress(short, -1)).toThrowError('whole number');
  });
});
