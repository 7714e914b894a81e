import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { FileDestination } from './file-destination.ts';
import { destinationFailure } from './file-errors.ts';
import { FileAppender, FileWriter } from './file-objects.ts';

const named = (errorName: string) => expect.objectContaining({ errorName });
const errno = (code: string) => Object.assign(new Error(`${code}: it failed`), { code });

let base: string;
let root: string;
let destination: FileDestination;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'holdfast-destination-'));
  root = join(base, 'root');
  await mkdir(root);
  destination = new FileDestination({ scheme: 'file', path: root, options: {} });
});
afterEach(() => rm(base, { recursive: true, force: true }));

describe('file destination', () => {
  it('keeps directories at 0700 and files at 0600', async () => {
    await destination.put('a/b/c', new Uint8Array(1));
    const appender = await destination.openAppend('a/log');
    await appender.close();
    const mode = async (path: string) => (await stat(join(root, path))).mode & 0o777;
    expect(await Promise.all(['a', 'a/b', 'a/b/c', 'a/log'].map(mode))).toEqual([0o700, 0o700, 0o600, 0o600]);
  });

  it('has only a temporary file before an object is finished and none after', async () => {
    const writer = await destination.create('a/b');
    await writer.write(randomBytes(100));
    expect(await readdir(join(root, 'a'))).toEqual([expect.stringMatching(/^\.tmp-/)]);
    await writer.finish();
    expect(await readdir(join(root, 'a'))).toEqual(['b']);
  });

  it('stores a large streamed object exactly, with its syncing in the background', async () => {
    const part = randomBytes(9 * MIB);
    const writer = await destination.create('large');
    for (let i = 0; i < 8; i++) await writer.write(part);
    await writer.finish();
    const written = await readFile(join(root, 'large'));
    expect(written.length).toBe(72 * MIB);
    for (let i = 0; i < 8; i++)
      expect(written.subarray(i * part.length, (i + 1) * part.length).equals(part)).toBe(true);
  });

  it('removes temporary files that a killed writer left', async () => {
    await mkdir(join(root, 'set'));
    await writeFile(join(root, 'set', '.tmp-0011223344556677'), 'x');
    await writeFile(join(root, '.tmp-0011223344556677'), 'x');
    expect(await destination.list('')).toEqual([]);
    await destination.removeAll('set');
    expect(await readdir(root)).toEqual(['.tmp-0011223344556677']);
    await destination.removeAll('');
    expect(await readdir(root)).toEqual([]);
  });

  it('does not make a root that is gone', async () => {
    await rm(root, { recursive: true });
    await expect(destination.put('a/b', new Uint8Array(1))).rejects.toThrowError(named('BACKUP_DEST_NOT_CONNECT'));
    await expect(destination.openAppend('a/b')).rejects.toThrowError(named('BACKUP_DEST_NOT_CONNECT'));
    expect(await readdir(base)).toEqual([]);
  });

  it('says that a root which is a file is no directory', async () => {
    await rm(root, { recursive: true });
    await writeFile(root, '');
    await expect(destination.list('')).rejects.toThrowError(named('BACKUP_DEST_NOT_CONNECT'));
  });

  it('refuses symbolic links that lead out of it, for reading, writing, listing and removing', async () => {
    const outside = join(base, 'outside');
    await mkdir(join(outside, 'deep'), { recursive: true });
    await writeFile(join(outside, 'deep', 'victim'), 'precious');
    await symlink(outside, join(root, 'escape'));
    await symlink(join(outside, 'deep', 'victim'), join(root, 'link'));
    const denied = named('BACKUP_PERMISSION_DENIED');
    await expect(destination.get('escape/deep/victim')).rejects.toThrowError(denied);
    await expect(destination.get('link')).rejects.toThrowError(denied);
    await expect(destination.size('escape/deep/victim')).rejects.toThrowError(denied);
    await expect(destination.put('escape/x', new Uint8Array(1))).rejects.toThrowError(denied);
    await expect(destination.put('escape/deep/x', new Uint8Array(1))).rejects.toThrowError(denied);
    await expect(destination.openAppend('escape/x')).rejects.toThrowError(denied);
    await expect(destination.remove('escape/deep/victim')).rejects.toThrowError(denied);
    await expect(destination.removeAll('escape/deep')).rejects.toThrowError(denied);
    await expect(destination.list('escape')).rejects.toThrowError(denied);
    expect(await destination.list('')).toEqual([]);
    await destination.removeAll('escape');
    await destination.removeAll('');
    expect(await readFile(join(outside, 'deep', 'victim'), 'utf8')).toBe('precious');
    expect(await readdir(outside)).toEqual(['deep']);
  });

  it('follows a root that is itself a symbolic link', async () => {
    await symlink(root, join(base, 'alias'));
    const alias = new FileDestination({ scheme: 'file', path: join(base, 'alias'), options: {} });
    await alias.put('a/b', Buffer.from('x'));
    expect(Buffer.from(await destination.get('a/b')).toString()).toBe('x');
  });

  it('refuses a name that is a directory', async () => {
    await mkdir(join(root, 'directory'));
    await expect(destination.get('directory')).rejects.toThrowError(named('BACKUP_PERMISSION_DENIED'));
    await expect(destination.size('directory')).rejects.toThrowError(named('BACKUP_PERMISSION_DENIED'));
    await expect(destination.put('directory', new Uint8Array(1))).rejects.toThrowError(named('ENTRY_EXISTS'));
  });

  it('does not list what is not named like an object', async () => {
    await mkdir(join(root, 'lost+found'));
    await writeFile(join(root, 'two words'), '');
    await destination.put('x', new Uint8Array(1));
    expect(await destination.list('')).toEqual([{ name: 'x', sizeBytes: 1 }]);
  });

  it('says permission denied in a directory that it may not write', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('root may write everywhere');
    await chmod(root, 0o500);
    await expect(destination.put('x', new Uint8Array(1))).rejects.toThrowError(named('BACKUP_PERMISSION_DENIED'));
    await chmod(root, 0o700);
  });

  it('goes on in a directory that was removed since it was last used', async () => {
    await destination.put('a/b', new Uint8Array(1));
    await rm(join(root, 'a'), { recursive: true });
    await destination.put('a/b', new Uint8Array(1));
    expect(await destination.size('a/b')).toBe(1);
  });
});

describe('errors of the operating system', () => {
  it.each([
    ['ENOSPC', 'BACKUP_DEVICE_OUT_OF_SPACE'],
    ['EDQUOT', 'BACKUP_DEVICE_OUT_OF_SPACE'],
    ['EACCES', 'BACKUP_PERMISSION_DENIED'],
    ['EPERM', 'BACKUP_PERMISSION_DENIED'],
    ['EROFS', 'BACKUP_PERMISSION_DENIED'],
    ['ENOENT', 'BACKUP_DEST_NOT_CONNECT'],
    ['ENOTDIR', 'BACKUP_DEST_NOT_CONNECT'],
    ['EIO', 'BACKUP_DEST_NOT_CONNECT'],
    ['ETIMEDOUT', 'BACKUP_DEST_NOT_CONNECT'],
    ['ESTALE', 'BACKUP_DEST_NOT_CONNECT'],
  ])('%s is %s', (code, errorName) => {
    expect(destinationFailure(errno(code), 'file:///b', 'write x')).toEqual(named(errorName));
  });

  it('leaves expected errors and bugs what they are', () => {
    const known = fail('CANCELED', {});
    expect(destinationFailure(known, 'file:///b', 'x')).toBe(known);
    const bug = new TypeError('x is undefined');
    expect(destinationFailure(bug, 'file:///b', 'x')).toBe(bug);
  });
});

/** A file handle whose writes are short and whose calls fail when told to. */
function stubHandle(behaviour: { writeBytesMax?: number; failOn?: { call: string; nth: number; code: string } }) {
  const written: Buffer[] = [];
  const calls: string[] = [];
  const count = (call: string) => {
    calls.push(call);
    const { failOn } = behaviour;
    if (failOn?.call === call && calls.filter((seen) => seen === call).length === failOn.nth) throw errno(failOn.code);
  };
  const handle = {
    async write(bytes: Uint8Array, offset: number, length: number) {
      count('write');
      const taken = Math.min(length, behaviour.writeBytesMax ?? length);
      written.push(Buffer.from(bytes.subarray(offset, offset + taken)));
      return { bytesWritten: taken };
    },
    datasync: async () => count('datasync'),
    sync: async () => count('sync'),
    close: async () => count('close'),
  };
  return { handle: handle as unknown as FileHandle, written: () => Buffer.concat(written).toString('latin1'), calls };
}
const map = (error: unknown) => destinationFailure(error, 'file:///b', 'append');

describe('appending', () => {
  it('goes on after short writes until everything is written, then syncs', async () => {
    const { handle, written, calls } = stubHandle({ writeBytesMax: 3 });
    const appender = new FileAppender(handle, map);
    await appender.append(Buffer.from('0123456789'));
    expect(written()).toBe('0123456789');
    expect(calls).toEqual(['write', 'write', 'write', 'write', 'datasync']);
  });

  it.each(['write', 'datasync'])('is broken for good after a failed %s', async (call) => {
    const { handle } = stubHandle({ failOn: { call, nth: 2, code: 'ENOSPC' } });
    const appender = new FileAppender(handle, map);
    await appender.append(Buffer.from('one'));
    await expect(appender.append(Buffer.from('two'))).rejects.toThrowError(named('BACKUP_DEVICE_OUT_OF_SPACE'));
    await expect(appender.append(Buffer.from('three'))).rejects.toThrowError('broken');
    expect(appender.sizeBytes).toBe(3);
    await appender.close();
  });
});

describe('streaming', () => {
  const writerOf = (handle: FileHandle) =>
    new FileWriter(handle, { temporary: join(base, 'none'), publish: async () => {}, map });

  it('reports a failed background sync, which the kernel tells only once, when the object is finished', async () => {
    const { handle, calls } = stubHandle({ failOn: { call: 'datasync', nth: 1, code: 'EIO' } });
    const writer = writerOf(handle);
    const part = Buffer.alloc(16 * MIB);
    for (let i = 0; i < 4; i++) await writer.write(part);
    await expect(writer.finish()).rejects.toThrowError(named('BACKUP_DEST_NOT_CONNECT'));
    expect(calls).not.toContain('sync');
    await writer.abort();
    expect(calls.filter((call) => call === 'close')).toHaveLength(1);
  });

  it('refuses to go on after a failed write', async () => {
    const { handle } = stubHandle({ failOn: { call: 'write', nth: 1, code: 'EDQUOT' } });
    const writer = writerOf(handle);
    await expect(writer.write(Buffer.from('x'))).rejects.toThrowError(named('BACKUP_DEVICE_OUT_OF_SPACE'));
    await expect(writer.write(Buffer.from('x'))).rejects.toThrowError('open and whole');
    await expect(writer.finish()).rejects.toThrowError('open and whole');
    await writer.abort();
  });
});
