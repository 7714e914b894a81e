// Goal: what only object stores do: locks, tags, leftovers of killed writers, reading ahead. Method: a real S3 server.
import { randomBytes } from 'node:crypto';
import {
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { MIB } from '../../src/base/limits.ts';
import { S3Destination } from '../../src/destination/s3-destination.ts';
import { hasS3Server, S3Server, SKIPPED } from './s3-server.ts';

const DAY_MS = 24 * 3_600_000;
const named = (errorName: string) => expect.objectContaining({ errorName });
const later = (ms: number): Clock => ({ ...systemClock, nowNs: () => systemClock.nowNs() + BigInt(ms) * 1_000_000n });

describe.skipIf(!hasS3Server)(`objects of a store ${SKIPPED}`, () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await S3Server.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  const head = async (Bucket: string, name: string) => {
    const client = server.client();
    const found = await client.send(new HeadObjectCommand({ Bucket, Key: `base/${name}` }));
    client.destroy();
    return found;
  };
  const versionsOf = async (Bucket: string) => {
    const client = server.client();
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    client.destroy();
    return [...Versions, ...DeleteMarkers].map(({ Key }) => Key);
  };

  test.each(['put', 'in parts'])('a locked object stays until its time, and says so: %s', async (how) => {
    const bucket = await server.newBucket({ isLockable: true });
    const uri = server.uri(bucket, { options: { enable_worm: 'true', checksum_type: 'no_checksum' } });
    await using destination = new S3Destination(uri, { retainMs: () => DAY_MS });
    const bytes = randomBytes(9 * MIB);
    if (how === 'put') await destination.put('set/x', bytes);
    else {
      const writer = await destination.create('set/x');
      await writer.write(bytes);
      await writer.finish();
    }
    const { ObjectLockMode, ObjectLockRetainUntilDate } = await head(bucket, 'set/x');
    expect(ObjectLockMode).toBe('COMPLIANCE');
    const leftMs = ObjectLockRetainUntilDate!.getTime() - Number(systemClock.nowNs() / 1_000_000n);
    expect(Math.abs(leftMs - DAY_MS)).toBeLessThan(DAY_MS / 24);
    const until = ObjectLockRetainUntilDate!.toISOString();
    for (const remove of [() => destination.remove('set/x'), () => destination.removeAll('set')]) {
      const error = await remove().catch((reason: Error) => reason);
      expect(error).toEqual(named('OBJECT_LOCKED_BY_WORM'));
      expect((error as Error).message).toContain(until);
    }
    expect(Buffer.compare(await destination.get('set/x'), bytes)).toBe(0);
  });

  test('an object whose lock is over goes with all its versions', async () => {
    const bucket = await server.newBucket({ isLockable: true });
    const uri = server.uri(bucket, { options: { enable_worm: 'true' } });
    await using destination = new S3Destination(uri);
    await destination.put('a/xy', randomBytes(10));
    for (let life = 0; life < 2; life++) {
      await destination.put('a/x', randomBytes(10));
      await destination.put('a/kept', randomBytes(10)).catch((error) => expect(error).toEqual(named('ENTRY_EXISTS')));
      if (life === 0) await destination.remove('a/x');
    }
    expect((await versionsOf(bucket)).sort()).toEqual(['base/a/kept', 'base/a/x', 'base/a/xy']);
    await destination.removeAll('a', new Set(['a/kept']));
    expect(await versionsOf(bucket)).toEqual(['base/a/kept']);
  });

  test('with delete_mode=tagging an object is marked, and stays for the rule of the bucket', async () => {
    const bucket = await server.newBucket();
    await using destination = new S3Destination(server.uri(bucket, { options: { delete_mode: 'tagging' } }));
    for (const name of ['a/1', 'a/2', 'b/3', 'a/kept']) await destination.put(name, Buffer.from(name));
    await destination.remove('b/3');
    await destination.remove('b/nothing');
    await destination.removeAll('a', new Set(['a/kept']));
    const client = server.client();
    const tagsOf = async (name: string) =>
      (await client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: `base/${name}` }))).TagSet;
    for (const name of ['a/1', 'a/2', 'b/3'])
      expect(await tagsOf(name)).toEqual([{ Key: 'delete_mode', Value: 'tagging' }]);
    expect(await tagsOf('a/kept')).toEqual([]);
    client.destroy();
    expect(await destination.size('a/1')).toBe(3);
    expect(await destination.list('')).toHaveLength(4);
  });

  test('a sweep ends uploads that began more than a day ago, and only those below its path', async () => {
    const bucket = await server.newBucket();
    const client = server.client();
    const begin = (Key: string) => client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
    for (const key of ['base/set/old', 'base2/set/other', 'other']) await begin(key);
    const left = async () =>
      ((await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []).map(({ Key }) => Key);
    await using young = new S3Destination(server.uri(bucket), { clock: later(DAY_MS / 2) });
    await young.sweep();
    expect(await left()).toHaveLength(3);
    await using destination = new S3Destination(server.uri(bucket), { clock: later(1.5 * DAY_MS) });
    await destination.sweep();
    expect(await left()).toEqual(['base2/set/other', 'other']);
    client.destroy();
  });

  test.each(['md5', 'crc32', 'no_checksum'])('bytes come back as they were, checksum_type=%s', async (checksumType) => {
    const bucket = await server.newBucket();
    await using destination = new S3Destination(server.uri(bucket, { options: { checksum_type: checksumType } }));
    const bytes = randomBytes(21 * MIB + 17);
    await destination.put('large', bytes);
    await destination.put('small', bytes.subarray(0, 1000));
    expect(Buffer.compare(await destination.get('large'), bytes)).toBe(0);
    expect(Buffer.compare(await destination.get('small'), bytes.subarray(0, 1000))).toBe(0);
  });

  test('what was asked for ahead is read as it is, in any order, beside what was not', async () => {
    const seed = randomBytes(4).readUInt32LE();
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const bucket = await server.newBucket();
    await using destination = new S3Destination(server.uri(bucket));
    const bytes = randomBytes(30 * MIB);
    await destination.put('x', bytes);
    const reader = await destination.openRead('x');
    for (let round = 0; round < 12; round++) {
      const from = random(bytes.length - 1);
      const length = random(Math.min(12 * MIB, bytes.length - from));
      reader.willRead!(from, length);
      if (random(2)) reader.willRead!(random(bytes.length), random(40 * MIB));
      const reads = Array.from({ length: 8 }, async () => {
        const offset = Math.min(bytes.length, from + random(length + MIB));
        const size = random(Math.min(3 * MIB, bytes.length - offset));
        const read = await reader.read(offset, size);
        expect(Buffer.compare(read, bytes.subarray(offset, offset + size)), `seed ${seed}, round ${round}`).toBe(0);
      });
      await Promise.all(reads);
    }
    await reader.close();
  });

  test('an object that is replaced while it is read is not taken for the one that was opened', async () => {
    const bucket = await server.newBucket();
    await using destination = new S3Destination(server.uri(bucket));
    await destination.put('x', randomBytes(1 * MIB));
    const reader = await destination.openRead('x');
    const client = server.client();
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'base/x', Body: randomBytes(1 * MIB) }));
    client.destroy();
    await expect(reader.read(500_000, 1000)).rejects.toEqual(named('BACKUP_DATA_CORRUPT'));
    await reader.close();
  });
});
