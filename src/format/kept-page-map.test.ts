import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toScn } from '../model/scn.ts';
import { basePageMapPath, readKeptPageMap, removeKeptPageMaps, writeKeptPageMap } from './kept-page-map.ts';
import { PageMap } from './page-map.ts';

const OWNER = { clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100', tenantId: 1002 };

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kept-page-map-'));
  path = join(directory, 'maps', '1002.map');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const point = () => ({ roundId: 3, scn: toScn(77n), map: new PageMap(4096, BigUint64Array.of(1n, 2n, 3n)) });

test('a kept page map is read as it was when it was to be written', async () => {
  expect(await readKeptPageMap(path, OWNER)).toBeUndefined();
  const { map, ...at } = point();
  const writing = writeKeptPageMap(path, { ...at, map }, { owner: OWNER });
  map.set(2, 9n);
  await writing;
  const read = await readKeptPageMap(path, OWNER);
  expect(read).toMatchObject(at);
  expect([...read!.map.hashes]).toEqual([1n, 2n, 3n]);
  expect(readdirSync(join(directory, 'maps'))).toEqual(['1002.map']);
});

test('a damaged one and that of another tenant are refused, and named without their place', async () => {
  await writeKeptPageMap(path, point(), { owner: OWNER });
  const refused = async (owner: typeof OWNER) => {
    const error: unknown = await readKeptPageMap(path, owner).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('the page map of tenant');
    expect(String(error)).not.toContain(directory);
  };
  await refused({ ...OWNER, tenantId: 1004 });
  const bytes = readFileSync(path);
  bytes[90]! ^= 1;
  writeFileSync(path, bytes);
  await refused(OWNER);
});

test('nothing of a dropped tenant is left, and nothing of another is touched', async () => {
  const other = join(directory, 'maps', '1004.map');
  for (const map of [path, basePageMapPath(path), other, basePageMapPath(other)]) {
    await writeKeptPageMap(map, point(), { owner: OWNER });
    for (const ending of ['.tmp', '.backup']) writeFileSync(`${map}${ending}`, 'half');
  }
  await removeKeptPageMaps(path);
  await removeKeptPageMaps(path);
  expect(readdirSync(join(directory, 'maps')).every((name) => name.startsWith('1004.'))).toBe(true);
  expect(readdirSync(join(directory, 'maps'))).toHaveLength(6);
});
