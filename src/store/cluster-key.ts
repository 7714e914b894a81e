// The cluster's key: 32 random bytes in a file of mode 0600, under which the store keeps secrets (data keys, credentials).
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Reads the key file, or makes it at the first start. @throws INVALID_ARGUMENT when the file is not such a key */
export function loadClusterKey(path: string): ClusterKey {
  let key: Buffer;
  try {
    key = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    key = randomBytes(KEY_BYTES);
    const fd = openSync(path, 'wx', 0o600);
    writeSync(fd, key);
    fsyncSync(fd);
    closeSync(fd);
  }
  if (key.length !== KEY_BYTES)
    throw fail('INVALID_ARGUMENT', { what: `the cluster key file ${path}: it is not 32 bytes` });
  return new ClusterKey(key);
}

/** Seals small secrets; `context` says what the secret belongs to and must be the same when it is opened. */
export class ClusterKey {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'a cluster key has 32 bytes');
    this.#key = key;
  }

  seal(secret: Uint8Array, context: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(context));
    const sealed = Buffer.concat([nonce, cipher.update(secret), cipher.final()]);
    return new Uint8Array(Buffer.concat([sealed, cipher.getAuthTag()]));
  }

  /** @throws Error when the bytes were altered or belong to another context */
  open(sealed: Uint8Array, context: string): Uint8Array {
    assert(sealed.length >= NONCE_BYTES + TAG_BYTES, 'a sealed secret has a nonce and a tag');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const body = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES);
    return new Uint8Array(Buffer.concat([decipher.update(body), decipher.final()]));
  }
}
