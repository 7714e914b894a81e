import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fail } from '../base/errors.ts';
import { FORMAT_FILE_BYTES_MAX, type FormatFile } from '../format/format-file.ts';
import { claimDestination, readFormatFile } from './claim-destination.ts';
import type { Destination } from './destination.ts';
import { FileDestination } from './file-destination.ts';
import { MemoryDestination } from './memory-destination.ts';

const OWNER: FormatFile = {
  formatVersion: 1,
  clusterName: 'holdfast',
  clusterId: 1,
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  tenantName: 'mysql_tenant',
  destKind: 'backup_data',
  destId: 1001,
  createdNs: 1_740_794_460_123_456_789n,
};
const named = (errorName: string) => expect.objectContaining({ errorName });
const NOT_MATCH = named('BACKUP_FORMAT_FILE_NOT_MATCH');

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'holdfast-claim-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));
const fileAt = (path: string) => new FileDestination({ scheme: 'file', path: join(base, path), options: {} });
const names = async (destination: Destination) => (await destination.list('')).map(({ name }) => name).sort();

describe.each([
  ['file', () => fileAt('root')],
  ['memory', () => new MemoryDestination(randomUUID())],
])('claiming a %s destination', (_kind, open) => {
  it('writes the format file and a check file into a new destination', async () => {
    const destination = open();
    expect(await claimDestination(destination, OWNER)).toEqual(OWNER);
    expect(await readFormatFile(destination)).toEqual(OWNER);
    expect(await names(destination)).toEqual(['check_file/1002_connect_file_20250301T020100.obbak', 'format.obbak']);
  });

  it('is fine with its own destination, whatever is in it, and keeps the first claim', async () => {
    const destination = open();
    await claimDestination(destination, OWNER);
    await destination.put('backup_set_1_full/x', new Uint8Array(1));
    expect(await claimDestination(destination, { ...OWNER, destId: 1005, tenantName: 'renamed' })).toEqual(OWNER);
    expect(await names(destination)).toHaveLength(3);
  });

  it.each([
    ['cluster', { clusterUuid: '99999999-0b0a-4908-8706-050403020100' }, 'cluster'],
    ['tenant', { tenantId: 1004 }, 'tenant'],
    ['kind', { destKind: 'archive_log' as const }, 'kind'],
  ])('refuses the destination of another %s and says so', async (_what, change, word) => {
    const destination = open();
    await claimDestination(destination, OWNER);
    const claim = claimDestination(destination, { ...OWNER, ...change });
    await expect(claim).rejects.toThrowError(NOT_MATCH);
    await expect(claim).rejects.toThrowError(word);
  });

  it('refuses a damaged format file', async () => {
    const destination = open();
    await claimDestination(destination, OWNER);
    const bytes = await destination.get('format.obbak');
    bytes[30]! ^= 1;
    await destination.remove('format.obbak');
    await destination.put('format.obbak', bytes);
    await expect(claimDestination(destination, OWNER)).rejects.toThrowError(NOT_MATCH);
  });

  it('does not read a format file that is too large to be one', async () => {
    const destination = open();
    await claimDestination(destination, OWNER);
    await destination.remove('format.obbak');
    await destination.put('format.obbak', new Uint8Array(FORMAT_FILE_BYTES_MAX + 1));
    destination.get = async (name) => {
      throw new Error(`${name} was read`);
    };
    await expect(claimDestination(destination, OWNER)).rejects.toThrowError(NOT_MATCH);
  });

  it('refuses other content without a format file', async () => {
    const destination = open();
    await claimDestination(destination, OWNER);
    await destination.put('backup_set_1_full/x', new Uint8Array(1));
    await destination.remove('format.obbak');
    await expect(claimDestination(destination, OWNER)).rejects.toThrowError(named('BACKUP_FORMAT_FILE_NOT_EXIST'));
  });

  it('goes on where a claim was interrupted', async () => {
    const destination = open();
    await claimDestination(destination, OWNER);
    await destination.remove('format.obbak');
    expect(await claimDestination(destination, { ...OWNER, createdNs: OWNER.createdNs + 10n ** 10n })).toMatchObject({
      tenantId: 1002,
    });
  });

  it('lets one of two claims at once win', async () => {
    const destination = open();
    const other = { ...OWNER, tenantId: 1004, tenantName: 'other' };
    const results = await Promise.allSettled([
      claimDestination(destination, OWNER),
      claimDestination(destination, other),
    ]);
    const winner = (await readFormatFile(destination))!.tenantId;
    expect(results.map((result) => result.status)).toEqual(
      winner === 1002 ? ['fulfilled', 'rejected'] : ['rejected', 'fulfilled'],
    );
  });
});

describe('claiming a directory', () => {
  it('makes it, with its parents', async () => {
    const destination = fileAt('a/b/c');
    await claimDestination(destination, OWNER);
    expect(await names(destination)).toContain('format.obbak');
  });

  it('refuses a directory with the files of others, also of names that no object has', async () => {
    await mkdir(join(base, 'root'));
    await writeFile(join(base, 'root', 'my photo (1).jpg'), '');
    await expect(claimDestination(fileAt('root'), OWNER)).rejects.toThrowError(named('BACKUP_FORMAT_FILE_NOT_EXIST'));
  });

  it('takes the root of a fresh file system', async () => {
    await mkdir(join(base, 'root', 'lost+found'), { recursive: true });
    await claimDestination(fileAt('root'), OWNER);
  });

  it('says that a path below a file can not be reached', async () => {
    await writeFile(join(base, 'file'), '');
    await expect(claimDestination(fileAt('file/x'), OWNER)).rejects.toThrowError(named('BACKUP_DEST_NOT_CONNECT'));
    await expect(claimDestination(fileAt('file'), OWNER)).rejects.toThrowError(named('BACKUP_DEST_NOT_CONNECT'));
  });

  it('passes on what the destination says when it can not be written', async () => {
    const destination = fileAt('root');
    destination.put = async () => {
      throw fail('BACKUP_DEVICE_OUT_OF_SPACE', { uri: 'x' });
    };
    await expect(claimDestination(destination, OWNER)).rejects.toThrowError(named('BACKUP_DEVICE_OUT_OF_SPACE'));
  });
});
