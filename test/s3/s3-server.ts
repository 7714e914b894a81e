// A real S3 server for tests: Ceph's gateway (radosgw) with its data in memory, a process of its own for each test file.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { GIB } from '../../src/base/limits.ts';
import type { AccessKey, ObjectStoreUri } from '../../src/model/destination-uri.ts';

const SCRIPT = fileURLToPath(new URL('start-radosgw.sh', import.meta.url));
const PROGRAMS = ['radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'setpriv'];
/** It takes one to two seconds, on a busy machine more. */
const START_TIMEOUT_MS = 60_000;
/** Another process may take a free port before the daemon does. */
const STARTS_MAX = 3;
const POLL_MS = 20;
/** Nothing that is not used is taken. */
const MEMORY_BYTES = 2 * GIB;
/** The user `quota` may store so much: as much as a bucket that is full. */
export const QUOTA_BYTES = 1_000_000;

/** Whether the programs are there; `npm test` installs them where it may. */
export const hasS3Server = PROGRAMS.every(
  (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0,
);

/** What the title of tests says that need the server. */
export const SKIPPED = '(skipped where radosgw is not installed)';

export interface BucketOptions {
  /** Versions are kept, and no condition on a name is honoured. */
  isVersioned?: boolean;
  /** Objects may be locked; such a bucket is versioned too. */
  isLockable?: boolean;
}

const secretOf = (user: string) => `secret-of-${user}`;
const accessOf = (user: string): AccessKey => ({ accessId: user, accessKey: secretOf(user) });

export class S3Server implements AsyncDisposable {
  /** As a uri names it: `http://127.0.0.1:port`. */
  readonly host: string;
  /** Owns the buckets. */
  readonly owner = accessOf('owner');
  /** A user with a good key and no right to any bucket of the owner. */
  readonly stranger = accessOf('stranger');
  /** Owns the buckets of `newBucket({ user: 'quota' })`, in which only `QUOTA_BYTES` have room. */
  readonly quota = accessOf('quota');
  readonly #end: () => Promise<void>;
  #buckets = 0;

  private constructor(host: string, end: () => Promise<void>) {
    this.host = host;
    this.#end = end;
  }

  /** @param memoryBytes what has room in it; a write that finds none waits for ever */
  static async start(memoryBytes = MEMORY_BYTES): Promise<S3Server> {
    for (let starts = 1; ; starts++) {
      try {
        return await S3Server.#start(memoryBytes);
      } catch (error) {
        if (starts >= STARTS_MAX) throw error;
      }
    }
  }

  static async #start(memoryBytes: number): Promise<S3Server> {
    const [monitorPort, port] = await freePorts();
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
    const users = [`owner:${secretOf('owner')}`, `stranger:${secretOf('stranger')}`];
    users.push(`quota:${secretOf('quota')}:${QUOTA_BYTES}`);
    // A group of its own: what interrupts the tests must not interrupt the guard before it has cleaned up.
    const guard = spawn(SCRIPT, [dir, String(memoryBytes), String(monitorPort), String(port), ...users], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    let said = '';
    for (const stream of [guard.stdout, guard.stderr]) stream.on('data', (text: Buffer) => (said += text));
    const exited = once(guard, 'exit');
    const end = async () => {
      guard.stdin.end();
      await exited;
    };
    const host = `http://127.0.0.1:${port}`;
    const giveUpMs = performance.now() + START_TIMEOUT_MS;
    while (!said.includes('started') || !(await answers(host))) {
      if (guard.exitCode === null && performance.now() < giveUpMs) await sleep(POLL_MS);
      else {
        const logs = lastLines(join(dir, 'run'));
        await end();
        throw new Error(`the S3 server did not start: ${said}\n${logs}`);
      }
    }
    return new S3Server(host, end);
  }

  /** A client of the owner, to make buckets with and to look at what lies in them. */
  client(access: AccessKey = this.owner): S3Client {
    return new S3Client({
      endpoint: this.host,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: access.accessId, secretAccessKey: access.accessKey },
    });
  }

  /** An empty bucket. @returns its name */
  async newBucket(options: BucketOptions & { user?: 'owner' | 'quota' } = {}): Promise<string> {
    this.#buckets++;
    const Bucket = `bucket-${this.#buckets}`;
    const client = this.client(this[options.user ?? 'owner']);
    const lock = options.isLockable ? { ObjectLockEnabledForBucket: true } : {};
    await client.send(new CreateBucketCommand({ Bucket, ...lock }));
    if (options.isVersioned) {
      const VersioningConfiguration = { Status: 'Enabled' as const };
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
    client.destroy();
    return Bucket;
  }

  /** The uri of a path in a bucket, with the owner's key unless another is given. */
  uri(bucket: string, over: Partial<ObjectStoreUri> = {}): ObjectStoreUri {
    return { scheme: 's3', bucket, path: '/base', host: this.host, options: {}, access: this.owner, ...over };
  }

  /** The statement's text of such a uri. */
  uriText(bucket: string, path: string, host = this.host): string {
    const { accessId, accessKey } = this.owner;
    return `s3://${bucket}${path}?host=${host}&access_id=${accessId}&access_key=${accessKey}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

async function answers(host: string): Promise<boolean> {
  try {
    const { status } = await fetch(host);
    return status < 500;
  } catch {
    return false;
  }
}

/** Two different ports that nobody listens on. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) await once(server.close(), 'close');
  return [ports[0]!, ports[1]!];
}

function lastLines(runDir: string): string {
  if (!existsSync(runDir)) return '';
  const LINES = 10;
  return readdirSync(runDir)
    .filter((name) => /\.(log|out)$/.test(name))
    .map((name) => `${name}: ${readFileSync(join(runDir, name), 'utf8').split('\n').slice(-LINES).join('\n')}`)
    .join('\n');
}
