// Goal: what was said to be durable has its bytes and its name on the disk (Litestream 1344 synced no directory).
// Method: calls to the file system are recorded as they are made; the bytes of a file must be synced before it gets its
// name, and the directory after that. No power is cut: that disks keep what they were told to sync is taken for granted.

import { mkdtempSync, rmSync } from 'node:fs';
import fileSystem from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

interface Call {
  kind: 'write' | 'sync' | 'name' | 'unname';
  path: string;
  /** What got the name. */
  from?: string;
}

const calls: Call[] = [];
const real = { ...fileSystem };
let root: string;

/** The promises of `node:fs` that the code under test uses, each noted when it has succeeded. */
function record(): void {
  const noted = async <T>(work: Promise<T>, call: Call): Promise<T> => {
    const value = await work;
    calls.push(call);
    return value;
  };
  fileSystem.open = async (path, flags, mode) => {
    const handle = await real.open(path, flags, mode);
    const own = String(path);
    // A new file has its name at once.
    if (flags === 'w' || (Number(flags) & 0o100) !== 0) calls.push({ kind: 'name', path: own });
    for (const name of ['write', 'writeFile', 'sync', 'datasync'] as const) {
      const call = handle[name].bind(handle) as (...args: unknown[]) => Promise<unknown>;
      const kind = name.startsWith('write') ? 'write' : 'sync';
      Object.assign(handle, { [name]: (...args: unknown[]) => noted(call(...args), { kind, path: own }) });
    }
    return handle;
  };
  fileSystem.link = (from, path) =>
    noted(real.link(from, path), { kind: 'name', path: String(path), from: String(from) });
  fileSystem.rename = (from, path) =>
    noted(real.rename(from, path), { kind: 'name', path: String(path), from: String(from) });
  fileSystem.unlink = (path) => noted(real.unlink(path), { kind: 'unname', path: String(path) });
  fileSystem.mkdir = (async (path: string, options: object) => {
    const made = await real.mkdir(path, options);
    calls.push({ kind: 'name', path });
    return made;
  }) as typeof real.mkdir;
  syncBuiltinESMExports();
}

/** What a power loss now could take back; files that have lost their name again do not count. */
function undurable(): string[] {
  const gone = (path: string) => calls.some((call) => call.kind === 'unname' && call.path === path);
  const problems: string[] = [];
  for (const [i, { kind, path, from }] of calls.entries()) {
    const isSynced = (what: string, after: number, before = calls.length) =>
      calls.some((call, at) => call.kind === 'sync' && call.path === what && after < at && at < before);
    if (kind === 'write' && !gone(path) && !isSynced(path, i)) problems.push(`bytes of ${path}`);
    if (kind === 'name' && !gone(path) && !isSynced(dirname(path), i)) problems.push(`the name ${path}`);
    if (kind !== 'name' || from === undefined) continue;
    const written = calls.findLastIndex((call, at) => call.kind === 'write' && call.path === from && at < i);
    if (written >= 0 && !isSynced(from, written, i)) problems.push(`bytes of ${path} when it got its name`);
  }
  return problems;
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-durable-'));
  record();
});
afterAll(() => {
  Object.assign(fileSystem, real);
  syncBuiltinESMExports();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  calls.length = 0;
});

describe('durable, bytes and names up to the root, is', () => {
  const open = async () => {
    const { openDestination } = await import('../../src/destination/open-destination.ts');
    const { parseDestinationUri } = await import('../../src/model/destination-uri.ts');
    return openDestination(parseDestinationUri(`file://${root}`));
  };

  test('an object that was put', async () => {
    await (await open()).put('a/b/one', Buffer.from('bytes'));
    expect(calls.filter(({ kind }) => kind === 'name').map(({ path }) => path)).toContain(join(root, 'a/b/one'));
    expect(undurable()).toEqual([]);
  });

  test('an object that was streamed', async () => {
    const writer = await (await open()).create('a/c/two');
    await writer.write(Buffer.from('some'));
    await writer.write(Buffer.from('bytes'));
    expect(undurable()).not.toEqual([]);
    await writer.finish();
    expect(undurable()).toEqual([]);
  });

  test('each append to an object', async () => {
    const appender = await (await open()).openAppend('d/three');
    expect(undurable()).toEqual([]);
    for (let i = 0; i < 3; i++) {
      await appender.append(Buffer.from('more'));
      expect(undurable()).toEqual([]);
    }
    await appender.close();
    expect(calls.filter(({ kind }) => kind === 'write').length).toBe(3);
  });

  test('a removal', async () => {
    const destination = await open();
    await destination.put('e/four', Buffer.from('bytes'));
    calls.length = 0;
    await destination.remove('e/four');
    expect(calls.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      `unname ${join(root, 'e/four')}`,
      `sync ${join(root, 'e')}`,
    ]);
  });

  test('a small file of the server that was replaced', async () => {
    const { writeFileDurably } = await import('../../src/base/write-file-durably.ts');
    const path = join(root, 'five');
    await writeFileDurably(path, Buffer.from('first'));
    await writeFileDurably(path, Buffer.from('second'));
    expect(calls.filter(({ from }) => from !== undefined).length).toBe(2);
    expect(undurable()).toEqual([]);
  });

  test('the name of a restored database', async () => {
    const { publishFile } = await import('../../src/restore/target-file.ts');
    const [temporary, location] = [join(root, 'six.part'), join(root, 'six')];
    const handle = await fileSystem.open(temporary, 'w');
    await handle.writeFile('pages');
    await handle.sync();
    await handle.close();
    await publishFile(temporary, location);
    expect(calls.filter(({ from }) => from === temporary).length).toBe(1);
    expect(undurable()).toEqual([]);
  });
});
