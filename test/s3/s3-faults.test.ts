// Goal: what a store or the way to it can do wrong is got over when it passes, told as it is when it does not, and never
// costs or alters an object. Method: each fault at each request, scripted, by a proxy before a real S3 server.
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KIB, MIB } from '../../src/base/limits.ts';
import { claimDestination, readFormatFile } from '../../src/destination/claim-destination.ts';
import type { Destination } from '../../src/destination/destination.ts';
import { openDestination } from '../../src/destination/open-destination.ts';
import type { FormatFile } from '../../src/format/format-file.ts';
import type { ObjectStoreUri } from '../../src/model/destination-uri.ts';
import { type Fault, FaultProxy } from './fault-proxy.ts';
import { hasS3Server, S3Server, SKIPPED } from './s3-server.ts';

const SMALL = randomBytes(300 * KIB);
/** Goes up in parts. */
const LARGE = randomBytes(17 * MIB);
/** Is read in several ranges at once. */
const MEDIUM = randomBytes(6 * MIB);
/** More attempts than this a call makes of nothing. */
const ATTEMPTS_MAX = 6;
const named = (errorName: string) => expect.objectContaining({ errorName });

/** The error of work that must fail, in which no key shows. */
async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  if (!error) throw new Error('this should have failed');
  expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toMatch(/secret-of|Signature=/);
  return error;
}

async function stream(destination: Destination, name: string, bytes: Buffer): Promise<void> {
  const writer = await destination.create(name);
  await writer.write(bytes);
  await writer.finish();
}

async function isThere(destination: Destination, name: string, bytes: Buffer): Promise<void> {
  expect([name, bytes.equals(await destination.get(name))]).toEqual([name, true]);
}

/** A bucket behind a proxy of its own. */
class Scene implements AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly bucket: string;
  readonly destination: Destination;
  readonly #server: S3Server;

  private constructor(of: { server: S3Server; proxy: FaultProxy; bucket: string }) {
    this.#server = of.server;
    this.proxy = of.proxy;
    this.bucket = of.bucket;
    this.destination = this.open();
  }

  static async start(server: S3Server): Promise<Scene> {
    const proxy = await FaultProxy.start(server.host, server.owner);
    return new Scene({ server, proxy, bucket: await server.newBucket() });
  }

  open(over: Partial<ObjectStoreUri> = {}): Destination {
    return openDestination(this.#server.uri(this.bucket, { host: this.proxy.host, ...over }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destination[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
  }
}

let server: S3Server;
beforeAll(async () => {
  if (hasS3Server) server = await S3Server.start();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

describe.skipIf(!hasS3Server).concurrent(`a fault that passes ${SKIPPED}`, () => {
  test.each<Fault>([
    'internalError',
    'slowDown',
    'tooManyRequests',
    'requestTimeout',
    'resetAtOnce',
    'resetUpload',
    'resetDownload',
    'truncated',
    'shortLength',
    'doneThenError',
    'doneThenReset',
    'corruptUpload',
    'trickle',
  ])('%s, twice at each request, is got over', async (fault) => {
    await using scene = await Scene.start(server);
    const { destination, proxy } = scene;
    for (const [name, bytes] of Object.entries({ small: SMALL, medium: MEDIUM, gone: SMALL }))
      await destination.put(`there/${name}`, bytes);
    const work: Array<[operations: string[], work: () => Promise<unknown>]> = [
      [['PutObject'], () => destination.put('p/small', SMALL)],
      [['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'], () => stream(destination, 'p/large', LARGE)],
      [['GetObject'], () => isThere(destination, 'there/small', SMALL)],
      [['GetObject'], () => isThere(destination, 'there/medium', MEDIUM)],
      [['HeadObject'], async () => expect(await destination.size('there/small')).toBe(SMALL.length)],
      [['ListObjectsV2'], async () => expect(await destination.list('there')).toHaveLength(3)],
      [['DeleteObject'], () => destination.remove('there/gone')],
    ];
    for (const [operations, run] of work) {
      for (const operation of operations) proxy.inject({ fault, on: [operation], times: 2 });
      await run();
      proxy.heal();
    }
    expect(Object.keys(proxy.counts)).toEqual([fault]);
    expect(proxy.faultsInjected).toBeGreaterThan(1);
    await isThere(destination, 'p/large', LARGE);
    await isThere(destination, 'p/small', SMALL);
    const names = (await destination.list('')).map(({ name }) => name).sort();
    expect(names).toEqual(['p/large', 'p/small', 'there/medium', 'there/small']);
  });

  test('silence is got over, once nothing came for long enough', async () => {
    await using scene = await Scene.start(server);
    const { destination, proxy } = scene;
    await destination.put('there/small', SMALL);
    for (const operation of ['PutObject', 'GetObject', 'ListObjectsV2'])
      proxy.inject({ fault: 'silence', on: [operation] });
    proxy.inject({ fault: 'doneThenSilence', on: ['CompleteMultipartUpload'] });
    await Promise.all([
      destination.put('p/small', SMALL),
      stream(destination, 'p/large', LARGE),
      isThere(destination, 'there/small', SMALL),
      destination.list('there'),
    ]);
    expect(proxy.counts).toEqual({ silence: 3, doneThenSilence: 1 });
    await isThere(destination, 'p/small', SMALL);
    await isThere(destination, 'p/large', LARGE);
  });
});

describe.skipIf(!hasS3Server)(`a store ${SKIPPED}`, () => {
  let scene: Scene;
  let proxy: FaultProxy;
  let destination: Destination;
  beforeEach(async () => {
    scene = await Scene.start(server);
    ({ proxy, destination } = scene);
  });
  afterEach(async () => {
    await scene[Symbol.asyncDispose]();
  });

  test('that fails for good is told with what it said, after few tries; when it is over all is well', async () => {
    proxy.inject({ fault: 'slowDown', times: Number.POSITIVE_INFINITY });
    const error = await failureOf(destination.list(''));
    expect(error).toEqual(named('BACKUP_DEST_NOT_CONNECT'));
    expect(error.message).toContain('SlowDown');
    expect(proxy.faultsInjected).toBeLessThanOrEqual(ATTEMPTS_MAX);
    proxy.heal();
    await destination.put('x', SMALL);
    await isThere(destination, 'x', SMALL);
  });

  test.each<[string, Partial<ObjectStoreUri>, RegExp]>([
    ['a key that nobody has', { access: { accessId: 'nobody', accessKey: 'secret-of-nobody' } }, /InvalidAccessKeyId/],
    ['a wrong key', { access: { accessId: 'owner', accessKey: 'secret-of-other' } }, /SignatureDoesNotMatch/],
    ['a key without rights', { access: { accessId: 'stranger', accessKey: 'secret-of-stranger' } }, /s3:PutObject/],
  ])('that is given %s says so, at once', async (_what, over, expected) => {
    await using denied = scene.open(over);
    // Which right is missing the answer to a HEAD does not tell: it has no body.
    const listing = await failureOf(denied.list(''));
    expect(listing).toEqual(named('BACKUP_PERMISSION_DENIED'));
    expect(listing.message).toMatch(expected.source.startsWith('s3') ? /s3:ListBucket/ : expected);
    expect(proxy.seen).toHaveLength(1);
    expect(await failureOf(denied.put('x', SMALL))).toEqual(named('BACKUP_PERMISSION_DENIED'));
  });

  test('without the bucket says so', async () => {
    await using none = scene.open({ bucket: 'nothing-here' });
    const error = await failureOf(none.put('x', SMALL));
    expect(error).toEqual(named('BACKUP_DEST_NOT_CONNECT'));
    expect(error.message).toContain('NoSuchBucket');
    expect(await failureOf(none.size('x'))).toEqual(named('BACKUP_DEST_NOT_CONNECT'));
  });

  test.each([2, -2])('whose clock is %i h ahead is used', async (hours) => {
    proxy.manners = { clockAheadMs: hours * 3_600_000 };
    await destination.put('small', SMALL);
    await stream(destination, 'large', LARGE);
    await isThere(destination, 'small', SMALL);
    await isThere(destination, 'large', LARGE);
    expect(await destination.list('')).toHaveLength(2);
    await destination.remove('small');
  });

  test.each(['ignores', 'refuses'] as const)('that %s conditions overwrites nothing', async (ifNoneMatch) => {
    proxy.manners = { ifNoneMatch };
    await destination.put('small', SMALL);
    await stream(destination, 'large', LARGE);
    const other = randomBytes(LARGE.length);
    expect(await failureOf(destination.put('small', other.subarray(0, 100)))).toEqual(named('ENTRY_EXISTS'));
    expect(await failureOf(destination.put('large', other))).toEqual(named('ENTRY_EXISTS'));
    const writer = await destination.create('late');
    await writer.write(other);
    await destination.put('late', SMALL);
    expect(await failureOf(writer.finish())).toEqual(named('ENTRY_EXISTS'));
    await writer.abort();
    await isThere(destination, 'small', SMALL);
    await isThere(destination, 'large', LARGE);
    await isThere(destination, 'late', SMALL);
  });

  test('that shows old listings is claimed by one of two', async () => {
    const owner: FormatFile = {
      ...{
        formatVersion: 1,
        clusterName: 'holdfast',
        clusterId: 1,
        clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
      },
      ...{ tenantId: 1002, tenantName: 'one', destKind: 'backup_data', destId: 1001, createdNs: 1n },
    };
    const other = { ...owner, tenantId: 1004, tenantName: 'two', createdNs: 2n };
    await destination.list('');
    proxy.inject({ fault: 'staleList', times: Number.POSITIVE_INFINITY });
    await using second = scene.open();
    const claims = await Promise.allSettled([claimDestination(destination, owner), claimDestination(second, other)]);
    const { tenantId } = (await readFormatFile(destination))!;
    const statuses = claims.map(({ status }) => status);
    expect(statuses).toEqual(tenantId === 1002 ? ['fulfilled', 'rejected'] : ['rejected', 'fulfilled']);
    expect(
      await failureOf(claimDestination(tenantId === 1002 ? second : destination, tenantId === 1002 ? other : owner)),
    ).toEqual(named('BACKUP_FORMAT_FILE_NOT_MATCH'));
  });

  test('that does not answer is not waited for when it is closed', async () => {
    proxy.inject({ fault: 'silence', times: Number.POSITIVE_INFINITY });
    const closing = scene.open();
    const call = failureOf(closing.put('x', SMALL));
    while (proxy.faultsInjected === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await closing[Symbol.asyncDispose]();
    expect(await call).toEqual(named('BACKUP_DEST_NOT_CONNECT'));
  });

  test('that did what it called a failure for good is left without the object, when its writer gives it up', async () => {
    const writer = await destination.create('x');
    await writer.write(LARGE);
    proxy.inject({ fault: 'doneThenReset', on: ['CompleteMultipartUpload'] });
    const [fault, on] = ['internalError' as const, ['CompleteMultipartUpload', 'HeadObject']];
    proxy.inject({ fault, on, nth: 2, times: Number.POSITIVE_INFINITY });
    expect(await failureOf(writer.finish())).toEqual(named('BACKUP_DEST_NOT_CONNECT'));
    proxy.heal();
    expect(await destination.size('x')).toBe(LARGE.length);
    await writer.abort();
    expect(await destination.size('x')).toBeUndefined();
  });
});
