// Goal: no uri leads to a machine that it must not reach, and none to one whose certificate is not trusted. Method: real
// servers on loopback, and every notation of its address.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlain, request as plainRequest, type RequestListener } from 'node:http';
import { createServer as createSecure, request as secureRequest } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NetworkRules, ObjectStoreUri } from '../model/destination-uri.ts';
import { certificateFault, guardedAgents, guardOf } from './guarded-agents.ts';

let dir: string;
let caFile: string;
let plain: Server;
let secure: Server;
/** Its certificate names another host. */
let misnamed: Server;
/** Requests that came through to any server. */
let seen = 0;

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

async function certificateOf(name: string) {
  return await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: name }] },
    ],
  });
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-agents-'));
  caFile = join(dir, 'ca.pem');
  const [own, other] = [await certificateOf('localhost'), await certificateOf('elsewhere.example')];
  writeFileSync(caFile, `${own.cert}\n${other.cert}`);
  const answer: RequestListener = (_, response) => {
    seen++;
    response.writeHead(302, { Location: 'http://169.254.169.254/latest/meta-data/' }).end();
  };
  plain = createPlain(answer);
  secure = createSecure({ key: own.private, cert: own.cert }, answer);
  misnamed = createSecure({ key: other.private, cert: other.cert }, answer);
  for (const server of [plain, secure, misnamed]) await listen(server);
});
afterAll(() => {
  for (const server of [plain, secure, misnamed]) server.close();
  rmSync(dir, { recursive: true, force: true });
});

const portOf = (server: Server) => (server.address() as AddressInfo).port;

interface Asked extends Partial<NetworkRules> {
  isPlain?: boolean;
}

/** One GET; its status, or its error. */
async function get(host: string, port: number, of: Asked = {}): Promise<number> {
  const { isPlain = true, ...rules } = of;
  const network = { isOfTenant: false, hostsAllow: '', caFile: '', ...rules };
  const uri: ObjectStoreUri = {
    scheme: 's3',
    bucket: 'box',
    path: '/p',
    host: `${host}:${port}`,
    options: {},
    network,
  };
  const agents = guardedAgents(uri);
  try {
    return await new Promise((resolve, reject) => {
      const options = { host, port, path: '/' };
      const request = isPlain
        ? plainRequest({ ...options, agent: agents.http })
        : secureRequest({ ...options, agent: agents.https });
      request
        .on('error', reject)
        .on('response', (response) => resolve(response.resume().statusCode ?? 0))
        .end();
    });
  } finally {
    agents.http.destroy();
    agents.https.destroy();
  }
}

const LOOPBACK = [
  '127.0.0.1',
  'localhost',
  'LOCALHOST',
  '127.1',
  '2130706433',
  '0x7f000001',
  '017700000001',
  '::ffff:127.0.0.1',
];

describe('a connection', () => {
  test.each(LOOPBACK)('of the cluster reaches loopback as %s, one of a tenant does not', async (host) => {
    const port = portOf(plain);
    expect(await get(host, port)).toBe(302);
    const before = seen;
    await expect(get(host, port, { isOfTenant: true })).rejects.toMatchObject({
      errorName: 'BACKUP_PERMISSION_DENIED',
    });
    expect(seen).toBe(before);
    expect(await get(host, port, { isOfTenant: true, hostsAllow: '127.0.0.0/8' })).toBe(302);
  });

  test('of a tenant reaches a host that the cluster allows by name', async () => {
    expect(await get('localhost', portOf(plain), { isOfTenant: true, hostsAllow: 'localhost' })).toBe(302);
    await expect(get('127.0.0.1', portOf(plain), { isOfTenant: true, hostsAllow: 'localhost' })).rejects.toThrow(
      /its host 127\.0\.0\.1 is a loopback address that no tenant may name; root@sys can allow it with destination_hosts_allow/,
    );
  });

  test('of a tenant reaches a bucket by its name below an allowed host, and no other name below it', () => {
    const network = { isOfTenant: true, hostsAllow: 'minio.internal', caFile: '' };
    const guard = guardOf({
      scheme: 's3',
      bucket: 'box',
      path: '/p',
      host: 'http://minio.internal:9000',
      options: {},
      network,
    });
    expect(guard('minio.internal', '10.0.0.1')).toBeUndefined();
    expect(guard('box.minio.internal', '10.0.0.1')).toBeUndefined();
    expect(guard('other.minio.internal', '10.0.0.1')).toMatchObject({ errorName: 'BACKUP_PERMISSION_DENIED' });
    expect(guard('other.minio.internal', '8.8.8.8')).toBeUndefined();
    // Its address is not told.
    expect(guard('other.minio.internal', '10.0.0.1')?.message).toMatch(
      /its host other\.minio\.internal leads to a private/,
    );
  });

  test.each([
    '169.254.169.254',
    '2852039166',
    '0xa9fea9fe',
    '::ffff:169.254.169.254',
    'fd00:ec2::254',
    '0.0.0.0',
    '0',
    '::',
  ])('never reaches %s, not even one of the cluster', async (host) => {
    await expect(get(host, portOf(plain))).rejects.toMatchObject({ errorName: 'BACKUP_PERMISSION_DENIED' });
    await expect(get(host, portOf(secure), { isPlain: false })).rejects.toMatchObject({
      errorName: 'BACKUP_PERMISSION_DENIED',
    });
  });

  test('of a tenant over TLS is refused before anything is said', async () => {
    await expect(get('localhost', portOf(secure), { isPlain: false, isOfTenant: true, caFile })).rejects.toMatchObject({
      errorName: 'BACKUP_PERMISSION_DENIED',
    });
  });
});

describe('a certificate', () => {
  const failure = async (server: Server, rules: Partial<NetworkRules> = {}): Promise<unknown> => {
    const before = seen;
    const error: unknown = await get('localhost', portOf(server), { isPlain: false, ...rules }).catch(
      (e: unknown) => e,
    );
    expect(seen).toBe(before);
    return error;
  };

  test('of an authority that nobody named is refused, and the message says how to name it', async () => {
    expect(certificateFault(await failure(secure))).toMatch(
      /^its certificate .*name the certificate of its authority with destination_ca$/,
    );
  });

  test('of an authority in destination_ca is taken', async () => {
    expect(await get('localhost', portOf(secure), { isPlain: false, caFile })).toBe(302);
  });

  test('of another host is refused whoever signed it', async () => {
    expect(certificateFault(await failure(misnamed, { caFile }))).toBe(
      'the certificate is of another host (DNS:elsewhere.example); write the host that it names',
    );
  });

  test('other errors are none of a certificate', () => {
    expect(certificateFault(Object.assign(new Error('x'), { code: 'ECONNRESET' }))).toBeUndefined();
    expect(certificateFault(new Error('x'))).toBeUndefined();
  });

  test('a file that holds none is told', async () => {
    await expect(get('localhost', 1, { caFile: join(dir, 'none.pem') })).rejects.toThrow(
      /destination_ca = '.*none\.pem': it can not be read \(ENOENT\)/,
    );
    writeFileSync(join(dir, 'empty.pem'), 'nothing');
    await expect(get('localhost', 1, { caFile: join(dir, 'empty.pem') })).rejects.toThrow(
      /it holds no certificate in PEM/,
    );
  });
});
