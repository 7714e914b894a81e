// An HTTP proxy in front of a real S3 server that fails on purpose, over real sockets: what it injects is scripted, or
// drawn from a seed, and every fault is counted. It also plays stores that lack something or whose clock is wrong.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as openRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { AccessKey } from '../../src/model/destination-uri.ts';
import { alterMiddle, type Chunks, slowDown, takeFirst } from './damage-body.ts';
import { readS3Request, type S3Request } from './s3-operation.ts';
import { dateOf, refusalOf, rewrite, type StoreManners } from './store-manners.ts';

/** Answered instead of asking the server: status and code. */
const ANSWERS = {
  internalError: [500, 'InternalError'],
  slowDown: [503, 'SlowDown'],
  tooManyRequests: [429, 'TooManyRequests'],
  requestTimeout: [408, 'RequestTimeout'],
} as const;

/** Each fault, with what the client sees of it. */
export const FAULTS = {
  internalError: 'answer 500, nothing done',
  slowDown: 'answer 503 SlowDown, nothing done',
  tooManyRequests: 'answer 429, nothing done',
  requestTimeout: 'answer 408, nothing done',
  silence: 'no answer, nothing done',
  resetAtOnce: 'connection reset, nothing done',
  resetUpload: 'connection reset in the middle of the request body',
  resetDownload: 'connection reset in the middle of the answer body',
  truncated: 'connection closed in the middle of the answer body',
  shortLength: 'whole answer whose length and body are half of what they should be',
  doneThenError: 'done, answer 500',
  doneThenReset: 'done, connection reset',
  doneThenSilence: 'done, no answer',
  trickle: 'answer body at 1 KB/s for a while',
  corruptUpload: 'a byte of the request body altered on its way to the server',
  corruptDownload: 'a byte of the answer body altered on its way to the client',
  staleList: 'the listing of the last time it was asked for',
} as const;
export type Fault = keyof typeof FAULTS;

/** What a client can only see as a passing trouble: it must get over all of these by itself. */
export const PASSING_FAULTS = [
  'internalError',
  'slowDown',
  'tooManyRequests',
  'requestTimeout',
  'resetAtOnce',
  'resetUpload',
  'resetDownload',
  'truncated',
  'doneThenError',
  'doneThenReset',
  'corruptUpload',
] as const satisfies Fault[];

const NEEDS_REQUEST_BODY: ReadonlySet<Fault> = new Set(['resetUpload', 'corruptUpload']);
const NEEDS_ANSWER_BODY: ReadonlySet<Fault> = new Set([
  'resetDownload',
  'truncated',
  'shortLength',
  'trickle',
  'corruptDownload',
]);

/** A client that tries often enough gets through: so often in a row one and the same request fails at random. */
const FAILURES_IN_A_ROW_MAX = 2;

export interface ScriptedFault {
  fault: Fault;
  /** Only these operations count: `PutObject`. Default: all. */
  on?: string[];
  /** Only objects whose name, or listings whose prefix, match count. Default: all. */
  key?: RegExp;
  /** From the how-many-th on, counting from now; default 1. */
  nth?: number;
  /** How many; default 1, Infinity until healed. */
  times?: number;
}

export interface SeenRequest extends S3Request {
  fault: Fault | undefined;
}

export class FaultProxy implements AsyncDisposable {
  /** As a uri names it. */
  readonly host: string;
  /** How often each fault was injected. */
  readonly counts: Partial<Record<Fault, number>> = {};
  /** Every request in order. */
  readonly seen: SeenRequest[] = [];
  manners: StoreManners = {};
  readonly #server: Server;
  readonly #target: URL;
  readonly #access: AccessKey;
  readonly #listings = new Map<string, Buffer>();
  #scripts: Array<ScriptedFault & { count: number }> = [];
  #random: { seed: string; rate: number; faults: readonly Fault[] } | undefined;
  /** By bucket and key: the last of the requests that wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #client: S3Client;
  readonly #tries = new Map<string, { count: number; failuresInARow: number }>();

  private constructor(server: Server, target: string, access: AccessKey) {
    this.#server = server;
    this.#target = new URL(target);
    this.#access = access;
    this.host = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const { accessId: accessKeyId, accessKey: secretAccessKey } = access;
    const credentials = { accessKeyId, secretAccessKey };
    this.#client = new S3Client({ endpoint: target, region: 'us-east-1', forcePathStyle: true, credentials });
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      // Whatever fails between the two sockets, the client sees it as a reset.
      this.#handle(request, response).catch(() => socket.resetAndDestroy());
    };
    server.on('request', handle);
    server.on('checkContinue', handle);
  }

  /**
   * @param target the server, `http://127.0.0.1:port`
   * @param access whose requests it can sign again, which playing other manners needs
   */
  static async start(target: string, access: AccessKey): Promise<FaultProxy> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new FaultProxy(server, target, access);
  }

  /** Adds a fault; counting starts now. */
  inject(fault: ScriptedFault): void {
    this.#scripts.push({ ...fault, count: 0 });
  }

  /** From now on each request fails with a chance, as the seed says: independent of the order of requests at once. */
  injectAtRandom(of: { seed: string; rate: number; faults?: readonly Fault[] }): void {
    this.#random = { faults: PASSING_FAULTS, ...of };
  }

  heal(): void {
    this.#scripts = [];
    this.#random = undefined;
    this.manners = {};
  }

  /** Sum of all counts. */
  get faultsInjected(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#client.destroy();
    await once(this.#server.close(), 'close');
  }

  #choose(about: S3Request, request: IncomingMessage): Fault | undefined {
    let due: Fault | undefined;
    for (const script of this.#scripts) {
      const { fault, on, key, nth = 1, times = 1 } = script;
      if ((on && !on.includes(about.operation)) || (key && !key.test(about.key || about.detail))) continue;
      if (!this.#isPossible(fault, about, request)) continue;
      script.count++;
      if (script.count >= nth && script.count < nth + times) due ??= fault;
    }
    return due ?? this.#draw(about, request);
  }

  /** Nothing is counted that could not happen: a request without a body is not cut in its middle. */
  #isPossible(fault: Fault, { operation }: S3Request, request: IncomingMessage): boolean {
    if (NEEDS_REQUEST_BODY.has(fault)) return Number(request.headers['content-length'] ?? 0) > 0;
    if (NEEDS_ANSWER_BODY.has(fault)) return request.method === 'GET';
    return fault !== 'staleList' || (operation === 'ListObjectsV2' && this.#listings.has(request.url!));
  }

  #draw(about: S3Request, request: IncomingMessage): Fault | undefined {
    if (!this.#random) return undefined;
    const { operation, key, detail } = about;
    const { seed, rate } = this.#random;
    const faults = this.#random.faults.filter((fault) => this.#isPossible(fault, about, request));
    const id = `${operation} ${key} ${detail}`;
    const tries = this.#tries.get(id) ?? { count: 0, failuresInARow: 0 };
    this.#tries.set(id, tries);
    tries.count++;
    const hash = createHash('sha256').update(`${seed} ${tries.count} ${id}`).digest();
    const isDue = hash.readUInt32LE(0) / 2 ** 32 < rate && tries.failuresInARow < FAILURES_IN_A_ROW_MAX;
    tries.failuresInARow = isDue ? tries.failuresInARow + 1 : 0;
    return isDue ? faults[hash.readUInt32LE(4) % faults.length] : undefined;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const about = readS3Request(request.method!, request.url!, request.headers.range);
    const fault = this.#choose(about, request);
    this.seen.push({ ...about, fault });
    if (fault !== undefined) this.counts[fault] = (this.counts[fault] ?? 0) + 1;
    if (fault !== undefined && fault in ANSWERS) {
      const [status, code] = ANSWERS[fault as keyof typeof ANSWERS];
      await refuse({ request, response }, status, code);
    } else if (fault === 'silence') {
      if (!isWaiting(request)) await drain(request);
    } else if (fault === 'resetAtOnce') request.socket.resetAndDestroy();
    else await this.#pass({ request, response, about, fault });
  }

  /** Hands the request on and the answer back, with whatever happens to either. */
  async #pass(exchange: Exchange): Promise<void> {
    const { request, response, about, fault } = exchange;
    const date = dateOf(this.manners);
    if (date) response.setHeader('date', date.toUTCString());
    const refusal = refusalOf(this.manners, request);
    if (refusal) return await refuse(exchange, ...refusal);
    const isConditional = this.manners.ifNoneMatch === 'everywhere' && request.headers['if-none-match'] !== undefined;
    const answer = isConditional ? await this.#askInTurn(exchange) : await this.#ask(exchange);
    if (!answer) await refuse(exchange, 412, 'PreconditionFailed');
    else if (fault?.startsWith('doneThen')) {
      await drain(answer);
      if (fault === 'doneThenError') await refuse(exchange, 500, 'InternalError');
      else if (fault === 'doneThenReset') request.socket.resetAndDestroy();
    } else if (about.operation === 'ListObjectsV2' && answer.statusCode === 200) {
      const shown = this.#listed(request.url!, Buffer.concat(await answer.toArray()), fault === 'staleList');
      const { 'transfer-encoding': _, ...rest } = answer.headers;
      const head = { status: 200, headers: { ...rest, 'content-length': `${shown.length}` } };
      await giveBack(response, head, [shown], fault);
    } else {
      await giveBack(response, { status: answer.statusCode!, headers: answer.headers }, answer, fault);
    }
  }

  /** The server's answer, when its body has not been read yet. */
  async #ask({ request, response, fault }: Exchange): Promise<IncomingMessage> {
    const { target: path, headers } = rewrite(this.manners, request, this.#access);
    const { hostname, port } = this.#target;
    const { method } = request;
    // A connection of its own: a server that answers before it has the whole body closes it.
    const options = { hostname, port, method, path, headers, agent: false, setHost: false } as const;
    const upstream = openRequest(options);
    const answered = once(upstream, 'response').then(([answer]) => answer as IncomingMessage);
    // Heard above; but a connection may fail once more when all has been said.
    upstream.on('error', () => {});
    answered.catch(() => {});
    if (isWaiting(request)) {
      // The client asks before it sends the body, and the server may have no use for it.
      const first = await Promise.race([answered, once(upstream, 'continue').then(() => undefined)]);
      if (first) return first;
      response.writeContinue();
    }
    await sendBody(request, upstream, { fault, answered });
    return await answered;
  }

  /** Asks only if nothing has the name, one request for the name after the other. @returns undefined when it is taken */
  async #askInTurn(exchange: Exchange): Promise<IncomingMessage | undefined> {
    const { bucket: Bucket, key: Key } = exchange.about;
    const id = `${Bucket}/${Key}`;
    const before = this.#turns.get(id);
    const turn = (async () => {
      await before?.catch(() => {});
      const head = this.#client.send(new HeadObjectCommand({ Bucket, Key }));
      const isTaken = await head.then(
        () => true,
        () => false,
      );
      if (isTaken) return undefined;
      return await this.#ask(exchange);
    })();
    this.#turns.set(id, turn);
    return await turn;
  }

  /** Remembers what a listing shows now. @returns what it shows to this client */
  #listed(target: string, now: Buffer, isStale: boolean): Buffer {
    const before = this.#listings.get(target);
    this.#listings.set(target, now);
    return isStale && before ? before : now;
  }
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  about: S3Request;
  fault: Fault | undefined;
}

async function drain(stream: IncomingMessage): Promise<void> {
  for await (const _ of stream);
}

/** Whether the client waits to be told to go on before it sends the body. */
function isWaiting({ headers }: IncomingMessage): boolean {
  return headers.expect !== undefined;
}

/** Answers an error as S3 does. */
async function refuse({ request, response }: Pick<Exchange, 'request' | 'response'>, status: number, code: string) {
  if (!request.readableEnded && !isWaiting(request)) await drain(request);
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length });
  response.end(request.method === 'HEAD' ? '' : body);
}

/** Sends the body on, or what the fault makes of it, until the server has heard enough; the client's bytes are all read. */
async function sendBody(
  request: IncomingMessage,
  upstream: ClientRequest,
  { fault, answered }: { fault: Fault | undefined; answered: Promise<unknown> },
): Promise<void> {
  const lengthBytes = Number(request.headers['content-length'] ?? 0);
  let isAnswered = false;
  const whenAnswered = answered.finally(() => {
    isAnswered = true;
  });
  whenAnswered.catch(() => {});
  let sentBytes = 0;
  for await (const chunk of fault === 'corruptUpload' ? alterMiddle(request, lengthBytes) : request) {
    sentBytes += chunk.length;
    if (fault === 'resetUpload' && sentBytes * 2 >= lengthBytes) {
      upstream.destroy();
      request.socket.resetAndDestroy();
      throw new Error('reset in the middle of the request body');
    }
    if (isAnswered || upstream.write(chunk)) continue;
    await Promise.race([whenAnswered, new Promise((resolve) => upstream.once('drain', resolve))]);
  }
  upstream.end();
}

/** Sends the answer, or what the fault makes of it. */
async function giveBack(
  response: ServerResponse,
  { status, headers }: { status: number; headers: IncomingHttpHeaders },
  body: Chunks,
  fault: Fault | undefined,
): Promise<void> {
  const lengthBytes = Number(headers['content-length'] ?? 0);
  const half = Math.floor(lengthBytes / 2);
  const isCut = fault === 'resetDownload' || fault === 'truncated' || fault === 'shortLength';
  const { date, connection: _, 'keep-alive': __, ...rest } = headers;
  if (date !== undefined && !response.hasHeader('date')) response.setHeader('date', date);
  if (fault === 'shortLength') rest['content-length'] = `${half}`;
  response.writeHead(status, rest);
  const damage = async function* (source: Chunks): AsyncGenerator<Buffer> {
    if (isCut) yield* takeFirst(source, half);
    else if (fault === 'corruptDownload') yield* alterMiddle(source, lengthBytes);
    else if (fault === 'trickle') yield* slowDown(source);
    else yield* source;
  };
  await pipeline(body, damage, response, { end: false });
  if (fault === 'resetDownload') response.socket?.resetAndDestroy();
  else if (fault === 'truncated') response.socket?.end();
  else response.end();
}
