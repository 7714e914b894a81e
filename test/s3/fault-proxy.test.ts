// Goal: the faults that other tests rely on do happen. Method: AWS's client without retries, through the proxy, to a real
// server: what it sees, and what the server has done.
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Fault, FaultProxy, PASSING_FAULTS } from './fault-proxy.ts';
import { hasS3Server, S3Server, SKIPPED } from './s3-server.ts';

const BYTES = 100_000;
const BODY = Buffer.alloc(BYTES, 'body');
/** No more than this is waited for an answer that never comes. */
const PATIENCE_MS = 500;

describe.skipIf(!hasS3Server)(`the fault proxy ${SKIPPED}`, () => {
  let server: S3Server;
  let proxy: FaultProxy;
  let client: S3Client;
  let direct: S3Client;
  let Bucket: string;

  beforeAll(async () => {
    server = await S3Server.start();
    direct = server.client();
  });
  afterAll(async () => {
    direct?.destroy();
    await server?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    proxy = await FaultProxy.start(server.host, server.owner);
    Bucket = await server.newBucket();
    client = clientOf(1);
  });
  afterEach(async () => {
    client.destroy();
    await proxy[Symbol.asyncDispose]();
  });

  function clientOf(maxAttempts: number, patienceMs = 0): S3Client {
    return new S3Client({
      endpoint: proxy.host,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.owner.accessId, secretAccessKey: server.owner.accessKey },
      maxAttempts,
      requestHandler: { requestTimeout: patienceMs, throwOnRequestTimeout: true },
    });
  }

  const put = (Key: string, over: { IfNoneMatch?: string } = {}) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body: BODY, ...over }));
  const get = async (Key: string, of = client) => {
    const { Body } = await of.send(new GetObjectCommand({ Bucket, Key }));
    return Buffer.from(await Body!.transformToByteArray());
  };
  const isThere = (Key: string) =>
    direct.send(new HeadObjectCommand({ Bucket, Key })).then(
      () => true,
      () => false,
    );
  /** Status of an answer, or what the client calls a failure without one. */
  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => 'fine',
      (error: Error & { code?: string }) =>
        error instanceof S3ServiceException
          ? `${error.$metadata.httpStatusCode} ${error.name}`
          : (error.code ?? error.name),
    );

  test('changes nothing while it injects nothing', async () => {
    await put('x');
    expect((await get('x')).equals(BODY)).toBe(true);
    expect(proxy.faultsInjected).toBe(0);
    expect(proxy.seen.map(({ operation, key }) => `${operation} ${key}`)).toEqual(['PutObject x', 'GetObject x']);
  });

  test.each<[Fault, RegExp, boolean]>([
    ['internalError', /^500 InternalError$/, false],
    ['slowDown', /^503 SlowDown$/, false],
    ['tooManyRequests', /^429 TooManyRequests$/, false],
    ['requestTimeout', /^408 RequestTimeout$/, false],
    ['silence', /^ETIMEDOUT$/, false],
    ['resetAtOnce', /^ECONNRESET$/, false],
    ['resetUpload', /^(ECONNRESET|EPIPE)$/, false],
    ['doneThenError', /^500 InternalError$/, true],
    ['doneThenReset', /^ECONNRESET$/, true],
    ['doneThenSilence', /^ETIMEDOUT$/, true],
    ['corruptUpload', /^400 (BadDigest|XAmzContentSHA256Mismatch)$/, false],
  ])('%s: a put ends in %s; the object is there: %s', async (fault, expected, isDone) => {
    proxy.inject({ fault, on: ['PutObject'] });
    const patient = client;
    if (/silence$/i.test(fault)) client = clientOf(1, PATIENCE_MS);
    expect(await outcome(put('x'))).toMatch(expected);
    await vi.waitFor(async () => expect(await isThere('x')).toBe(isDone));
    client = patient;
    expect(proxy.counts).toEqual({ [fault]: 1 });
    expect(await outcome(put('y'))).toBe('fine');
  });

  test.each<[Fault, RegExp]>([
    ['resetDownload', /^(ECONNRESET|aborted)$/],
    ['truncated', /^(ECONNRESET|aborted)$/],
  ])('%s: a get fails in the middle', async (fault, expected) => {
    await put('x');
    proxy.inject({ fault, on: ['GetObject'] });
    expect(await outcome(get('x'))).toMatch(expected);
    expect((await get('x')).equals(BODY)).toBe(true);
    expect(proxy.counts).toEqual({ [fault]: 1 });
  });

  test('shortLength: a get gives half of the object as if it were all', async () => {
    await put('x');
    proxy.inject({ fault: 'shortLength', on: ['GetObject'] });
    expect((await get('x')).equals(BODY.subarray(0, BYTES / 2))).toBe(true);
  });

  test('corruptDownload: a get gives other bytes', async () => {
    await put('x');
    proxy.inject({ fault: 'corruptDownload', on: ['GetObject'] });
    const read = await get('x');
    expect(read.filter((byte, at) => byte !== BODY[at])).toHaveLength(1);
  });

  test('trickle: a get gives the right bytes, late', async () => {
    await put('x');
    proxy.inject({ fault: 'trickle', on: ['GetObject'] });
    expect((await get('x')).equals(BODY)).toBe(true);
    expect(proxy.counts).toEqual({ trickle: 1 });
  });

  test('staleList: a listing shows what was there before', async () => {
    const list = async () =>
      ((await client.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key);
    await put('x');
    proxy.inject({ fault: 'staleList' });
    expect(await list()).toEqual(['x']);
    expect(proxy.counts).toEqual({});
    await put('y');
    expect(await list()).toEqual(['x']);
    expect(await list()).toEqual(['x', 'y']);
  });

  test('a store that ignores the condition of a put overwrites', async () => {
    await put('x', { IfNoneMatch: '*' });
    expect(await outcome(put('x', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    proxy.manners = { ifNoneMatch: 'ignores' };
    expect(await outcome(put('x', { IfNoneMatch: '*' }))).toBe('fine');
    proxy.manners = { ifNoneMatch: 'refuses' };
    expect(await outcome(put('y', { IfNoneMatch: '*' }))).toBe('501 NotImplemented');
    expect(await isThere('y')).toBe(false);
  });

  test('a store that heeds the condition everywhere lets one of many uploads in parts have the name', async () => {
    const upload = async () => {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'x' }));
      const part = { Bucket, Key: 'x', UploadId, PartNumber: 1 };
      const { ETag } = await client.send(new UploadPartCommand({ ...part, Body: BODY }));
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      return new CompleteMultipartUploadCommand({ Bucket, Key: 'x', UploadId, MultipartUpload, IfNoneMatch: '*' });
    };
    const ends = await Promise.all([upload(), upload(), upload()]);
    proxy.manners = { ifNoneMatch: 'everywhere' };
    const outcomes = await Promise.all(ends.map((end) => outcome(client.send(end))));
    expect(outcomes.sort()).toEqual(['412 PreconditionFailed', '412 PreconditionFailed', 'fine']);
  });

  test('a store whose pages are short lists all on several', async () => {
    for (const key of ['a', 'b', 'c']) await put(key);
    proxy.manners = { pageEntries: 2 };
    const list = new ListObjectsV2Command({ Bucket });
    const { Contents, IsTruncated, NextContinuationToken: ContinuationToken } = await client.send(list);
    expect([Contents?.map(({ Key }) => Key), IsTruncated]).toEqual([['a', 'b'], true]);
    const next = await client.send(new ListObjectsV2Command({ Bucket, ContinuationToken }));
    expect([next.Contents?.map(({ Key }) => Key), next.IsTruncated]).toEqual([['c'], false]);
  });

  test.each([1, -1])('a store whose clock is %s h ahead refuses what is signed by another clock', async (hours) => {
    proxy.manners = { clockAheadMs: hours * 3_600_000 };
    expect(await outcome(put('x'))).toBe('403 RequestTimeTooSkewed');
    // The client has seen the time of the server now.
    expect(await outcome(put('x'))).toBe('fine');
    expect(await isThere('x')).toBe(true);
  });

  test('the same seed fails the same requests, whatever their order, and never one of them for ever', async () => {
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const failedOf = async (order: string[]) => {
      await using again = await FaultProxy.start(server.host, server.owner);
      again.injectAtRandom({ seed: 'a', rate: 0.3, faults: ['internalError', 'slowDown'] });
      const before = proxy;
      proxy = again;
      const through = clientOf(1);
      const failed: string[] = [];
      for (const Key of order) {
        const work = through.send(new HeadObjectCommand({ Bucket, Key }));
        const { name } = await work
          .catch((error: Error) => error as { name?: string })
          .then((of) => of as { name?: string });
        if (name !== 'NotFound') failed.push(Key);
      }
      through.destroy();
      proxy = before;
      return failed.sort();
    };
    const failed = await failedOf(keys);
    expect(failed.length).toBeGreaterThan(5);
    expect(failed.length).toBeLessThan(40);
    expect(await failedOf([...keys].reverse())).toEqual(failed);
  });

  test('a client that tries three times gets over what fails at random', async () => {
    const faults = PASSING_FAULTS.filter((fault) => fault !== 'corruptUpload');
    proxy.injectAtRandom({ seed: 'b', rate: 0.9, faults });
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        // A client of its own for each: one spends a common allowance on its retries.
        const own = clientOf(3);
        await own.send(new PutObjectCommand({ Bucket, Key: `k${i}`, Body: BODY }));
        own.destroy();
      }),
    );
    client.destroy();
    client = clientOf(3);
    expect(await outcome(get('k1'))).toMatch(/^(fine|ECONNRESET|aborted)$/);
    const ofPuts = faults.filter((fault) => !['resetDownload', 'truncated'].includes(fault));
    expect(ofPuts.filter((fault) => !proxy.counts[fault])).toEqual([]);
  });
});
