import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeDirectory, makeDirectorySync } from './make-directory.ts';

const PRIVATE_MODE = 0o700;
let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'holdfast-directory-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

describe('makeDirectory', () => {
  test('makes what is missing, says so from the outside in, and gives each the mode', async () => {
    const made = await makeDirectory(join(base, 'a', 'b', 'c'), PRIVATE_MODE);
    expect(made).toEqual([join(base, 'a'), join(base, 'a', 'b'), join(base, 'a', 'b', 'c')]);
    for (const path of made) expect(statSync(path).mode & 0o777).toBe(PRIVATE_MODE);
    expect(await makeDirectory(join(base, 'a', 'b', 'c'), PRIVATE_MODE)).toEqual([]);
    expect(await makeDirectory(join(base, 'a', 'd'), PRIVATE_MODE)).toEqual([join(base, 'a', 'd')]);
  });

  test('gets on with another who makes the same directories', async () => {
    const path = join(base, 'a', 'b');
    await Promise.all(Array.from({ length: 8 }, () => makeDirectory(path, PRIVATE_MODE)));
    expect(statSync(path).isDirectory()).toBe(true);
  });

  test('says what the file system says, and comes back where the file system denies its own directories', async () => {
    writeFileSync(join(base, 'file'), '');
    await expect(makeDirectory(join(base, 'file', 'a'), PRIVATE_MODE)).rejects.toMatchObject({ code: 'ENOTDIR' });
    if (existsSync('/proc/self')) {
      await expect(makeDirectory('/proc/holdfast/a', PRIVATE_MODE)).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });
});

describe('makeDirectorySync', () => {
  test('makes what is missing and leaves alone what is there', () => {
    mkdirSync(join(base, 'a'), { mode: 0o755 });
    makeDirectorySync(join(base, 'a', 'b', 'c'), PRIVATE_MODE);
    expect(statSync(join(base, 'a', 'b', 'c')).mode & 0o777).toBe(PRIVATE_MODE);
    expect(statSync(join(base, 'a')).mode & 0o777).toBe(0o755);
    makeDirectorySync(join(base, 'a', 'b', 'c'), PRIVATE_MODE);
  });

  test('says what the file system says', () => {
    writeFileSync(join(base, 'file'), '');
    expect(() => makeDirectorySync(join(base, 'file', 'a'), PRIVATE_MODE)).toThrow(/ENOTDIR/);
  });
});
