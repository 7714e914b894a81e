// Object stores against the contract of every destination: a real S3 server, directly, with versions kept, and through a
// proxy that lets every request fail with a chance.
import { randomBytes } from 'node:crypto';
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { MIB } from '../../src/base/limits.ts';
import { openDestination } from '../../src/destination/open-destination.ts';
import type { ObjectStoreUri } from '../../src/model/destination-uri.ts';
import { FaultProxy } from '../s3/fault-proxy.ts';
import { type BucketOptions, hasS3Server, S3Server, SKIPPED } from '../s3/s3-server.ts';
import { type DestinationFixture, testDestination } from './destination.ts';

const SEED = process.env.HOLDFAST_SEED ?? randomBytes(4).toString('hex');
/** Of a hundred requests so many fail. */
const FAULT_RATE = 0.15;
const PART_BYTES = 8 * MIB;

describe.skipIf(!hasS3Server)(`object stores ${SKIPPED}`, () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await S3Server.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** Objects and unfinished uploads of a bucket, by their names below the destination's path. */
  async function residueOf(Bucket: string): Promise<string[]> {
    const client = server.client();
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    client.destroy();
    const names = [...Contents.map(({ Key }) => Key!), ...Uploads.map(({ Key }) => `${Key} (upload)`)];
    return names.map((name) => name.replace(/^base\//, '')).sort();
  }

  const fixtureOf = async (
    bucketOptions: BucketOptions,
    over: Partial<ObjectStoreUri> = {},
  ): Promise<DestinationFixture> => {
    const bucket = await server.newBucket(bucketOptions);
    const full = await server.newBucket({ user: 'quota' });
    const { owner, stranger, quota } = server;
    const open = (more: Partial<ObjectStoreUri> = {}) => openDestination(server.uri(bucket, { ...over, ...more }));
    return {
      open,
      cleanUp: async () => {},
      residue: () => residueOf(bucket),
      openDenied: () => open({ access: stranger }),
      openAway: () => open({ host: 'http://127.0.0.1:1' }),
      openFull: () => openDestination(server.uri(full, { ...over, access: quota })),
      secrets: [owner, stranger, quota].map(({ accessKey }) => accessKey),
    };
  };

  // The test server is what Ceph was in its release 16: it does not heed conditions everywhere.
  const isAtomicInParts = false;
  const direct = async () => ({ ...(await fixtureOf({})), isAtomicInParts });
  testDestination('s3', direct, { partBytes: PART_BYTES });

  const versioned = async () => ({ ...(await fixtureOf({ isVersioned: true })), isAtomicInParts });
  testDestination('s3 with versions', versioned, { partBytes: PART_BYTES });

  describe(`behind a proxy that fails at random, seed ${SEED}`, () => {
    let proxy: FaultProxy;
    beforeAll(async () => {
      proxy = await FaultProxy.start(server.host, server.owner);
      proxy.injectAtRandom({ seed: SEED, rate: FAULT_RATE });
      proxy.manners = { ifNoneMatch: 'everywhere', pageEntries: 50 };
    });
    afterAll(async () => {
      process.stdout.write(
        `faults of seed ${SEED} in ${proxy.seen.length} requests: ${JSON.stringify(proxy.counts)}\n`,
      );
      expect(proxy.faultsInjected).toBeGreaterThan(100);
      await proxy[Symbol.asyncDispose]();
    });
    const faulty = async () => ({ ...(await fixtureOf({}, { host: proxy.host })), losesAnswers: true });
    testDestination('s3 with faults', faulty, { partBytes: PART_BYTES });
  });
});
