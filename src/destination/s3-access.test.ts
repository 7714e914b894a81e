// What goes over the wire to an object store: which key, and to which machine. Against servers that only note what is asked.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AccessKey, ObjectStoreUri } from '../model/destination-uri.ts';
import { S3Destination } from './s3-destination.ts';

let store: Server;
let elsewhere: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
/** Ids of the keys that requests were signed with. */
const ids: Array<string | undefined> = [];
let strays = 0;

beforeAll(async () => {
  store = createServer((request, response) => {
    ids.push(/Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1]);
    answer(request, response);
  });
  elsewhere = createServer((_, response) => {
    strays++;
    response.end('secret of elsewhere');
  });
  for (const server of [store, elsewhere]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  for (const server of [store, elsewhere]) server.close();
});

const hostOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const keyOf = (id: string): AccessKey => ({ accessId: id, accessKey: `key-of-${id}` });
const uriOf = (id: string): ObjectStoreUri => ({
  ...{ scheme: 's3', bucket: 'box', path: '/p', host: hostOf(store), options: {}, access: keyOf(id) },
});

test('a key that was replaced is used by what is open, with its next request', async () => {
  answer = (_, response) => response.writeHead(200, { 'Content-Length': '3', ETag: '"e"' }).end('abc');
  let key: AccessKey | undefined = keyOf('first');
  await using destination = new S3Destination(uriOf('first'), { access: () => key });
  await destination.size('a');
  key = keyOf('second');
  await destination.size('a');
  // No key is kept any more: what is open goes on.
  key = undefined;
  await destination.size('a');
  expect(ids).toEqual(['first', 'second', 'second']);
});

test('a certificate that nobody vouches for is told, with what to do', async () => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec' });
  const secure = createSecureServer({ key, cert }).listen(0, '127.0.0.1');
  await once(secure, 'listening');
  const host = `localhost:${(secure.address() as AddressInfo).port}`;
  await using destination = new S3Destination({ ...uriOf('id'), host });
  await expect(destination.size('a')).rejects.toThrow(/its certificate .*with destination_ca/);
  secure.close();
});

test.each([301, 302, 307, 308])('an answer %i leads nowhere', async (status) => {
  answer = (_, response) => response.writeHead(status, { Location: `${hostOf(elsewhere)}/box/p/a` }).end();
  await using destination = new S3Destination(uriOf('id'));
  await expect(destination.get('a')).rejects.toMatchObject({ name: 'HoldfastError' });
  await expect(destination.put('a', Buffer.from('x'))).rejects.toMatchObject({ name: 'HoldfastError' });
  expect(strays).toBe(0);
});
