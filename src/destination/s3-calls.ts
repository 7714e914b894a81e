// Requests to one object store, each tried again within bounds: what all work on it goes through.
import { setMaxListeners } from 'node:events';
import { fail } from '../base/errors.ts';
import { formatDestinationUri, formatObject, type ObjectStoreUri } from '../model/destination-uri.ts';
import { openS3, type ReadAccess, type S3 } from './s3-client.ts';
import { isTransient, LateAnswer, s3Failure } from './s3-errors.ts';
import { attemptMs, retrying } from './s3-retry.ts';

/** Requests of one destination that are under way at once; the others wait. */
const CALLS_MAX = 24;

export interface CallOptions {
  /** The operation and its object, for messages: `write pieces/x`. */
  what: string;
  /** The permission that it needs, for messages: `s3:PutObject`. */
  right: string;
  /** Bytes that it carries: they are allowed time. */
  bytes?: number;
  /** Ends it, and its retries, from outside. */
  signal?: AbortSignal | undefined;
  /** Failures that are answers; the caller takes them as they are. */
  expected?: (error: unknown) => boolean;
}

type Attempt<T> = (s3: S3, options: { abortSignal: AbortSignal }, number: number) => Promise<T>;

export class S3Calls {
  readonly uri: ObjectStoreUri;
  readonly shown: string;
  /** What ends each call that is under way or waits. */
  readonly #underWay = new Set<() => void>();
  #isClosed = false;
  #client: Promise<S3> | undefined;
  /** Those that wait are counted. */
  #running = 0;
  readonly #waiting: Array<() => void> = [];

  readonly #access: ReadAccess | undefined;

  /** @param access the key as it is at each request; left out: that of the uri */
  constructor(uri: ObjectStoreUri, access?: ReadAccess) {
    this.uri = uri;
    this.#access = access;
    this.shown = formatDestinationUri(uri);
  }

  /** What every request names. */
  get bucket(): { Bucket: string } {
    return { Bucket: this.uri.bucket };
  }

  /** The key of an object, or of everything below a directory when it ends in a slash. */
  key(name: string): string {
    return `${this.uri.path.slice(1)}/${name}`;
  }

  /** How messages name an object. */
  showObject(name: string): string {
    return formatObject(this.uri, name);
  }

  /**
   * Makes a request, again when it fails in a way that may pass.
   * @param attempt the whole of it, with the reading of its body; ends when its signal does
   * @throws what `expected` says, as it is; BACKUP_DEST_NOT_CONNECT (9070), BACKUP_PERMISSION_DENIED (9071),
   *         BACKUP_DEVICE_OUT_OF_SPACE (9082), S3_REGION_MISMATCH (9117), INVALID_OBJECT_STORAGE_ENDPOINT (9118)
   */
  async call<T>(attempt: Attempt<T>, options: CallOptions): Promise<T> {
    const { what, right, bytes = 0, signal, expected } = options;
    const ending = new AbortController();
    const end = () => ending.abort();
    this.#underWay.add(end);
    if (signal) setMaxListeners(0, signal);
    signal?.addEventListener('abort', end);
    if (this.#isClosed || signal?.aborted) end();
    try {
      await this.#turn();
      return await retrying((number) => this.#attempt(attempt, { bytes, signal: ending.signal, number }), {
        isTransient: (error) => !expected?.(error) && isTransient(error),
        signal: ending.signal,
      });
    } catch (error) {
      if (ending.signal.aborted)
        throw fail('BACKUP_DEST_NOT_CONNECT', { uri: this.shown, because: `${what}: it was given up` });
      throw expected?.(error) ? error : s3Failure(error, { uri: this.shown, what, right });
    } finally {
      this.#underWay.delete(end);
      signal?.removeEventListener('abort', end);
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  /** Ends what is under way, and the connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#underWay) end();
    const client = await this.#client?.catch(() => undefined);
    client?.destroy();
  }

  async #turn(): Promise<void> {
    this.#running++;
    if (this.#running > CALLS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #attempt<T>(attempt: Attempt<T>, of: { bytes: number; signal: AbortSignal; number: number }): Promise<T> {
    this.#client ??= openS3(this.uri, this.#access);
    const s3 = await this.#client;
    const ending = new AbortController();
    const end = () => ending.abort();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, attemptMs(of.bytes));
    of.signal.addEventListener('abort', end);
    if (of.signal.aborted) end();
    try {
      return await attempt(s3, { abortSignal: ending.signal }, of.number);
    } catch (error) {
      throw isLate ? new LateAnswer() : error;
    } finally {
      clearTimeout(timer);
      of.signal.removeEventListener('abort', end);
    }
  }
}
