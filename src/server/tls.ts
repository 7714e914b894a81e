// The server's certificate (made once, when the operator gave none) and the key for encrypted passwords.
import { createPublicKey, generateKeyPair, type KeyObject, privateDecrypt, constants as rsa } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { generate } from 'selfsigned';
import { type Clock, systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { makeDirectory } from '../base/make-directory.ts';

/** Key and certificate as PEM text. */
export interface TlsMaterial {
  key: string;
  cert: string;
}

const KEY_FILE = 'tls-key.pem';
const CERTIFICATE_FILE = 'tls-cert.pem';

/** Ten years: nobody renews a certificate that he did not make, and no client checks it against an authority. */
const VALID_DAYS = 3650;
const MS_PER_DAY = 24 * 3600 * 1000;
const NS_PER_MS = 1_000_000n;

/**
 * The certificate in `dir`; a self-signed one is made there when it has none.
 * An operator's own certificate goes under the same names.
 */
export async function ensureCertificate(dir: string, clock: Clock = systemClock): Promise<TlsMaterial> {
  const keyPath = join(dir, KEY_FILE);
  const certificatePath = join(dir, CERTIFICATE_FILE);
  const key = await readIfThere(keyPath);
  const cert = await readIfThere(certificatePath);
  if (key !== null && cert !== null) return { key, cert };
  // A certificate of the operator's whose key is missing is never written over.
  if (cert !== null) throw fail('ENTRY_NOT_EXIST', { what: `${KEY_FILE}, the key of ${CERTIFICATE_FILE}, in ${dir}` });
  await makeDirectory(dir, 0o700);
  const made = await makeCertificate(clock, key);
  // The key goes first: after a crash between the two, the certificate is made for the key that is there.
  if (key === null) await writePrivate(keyPath, made.key);
  await writePrivate(certificatePath, made.cert);
  return made;
}

async function makeCertificate(clock: Clock, key: string | null): Promise<TlsMaterial> {
  const nowMs = Number(clock.nowNs() / NS_PER_MS);
  const keyPair = key === null ? null : keyPairOf(key);
  const made = await generate([{ name: 'commonName', value: 'holdfast' }], {
    ...(keyPair === null ? {} : { keyPair }),
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    // A client whose clock is behind must not refuse a certificate made a moment ago.
    notBeforeDate: new Date(nowMs - MS_PER_DAY),
    notAfterDate: new Date(nowMs + VALID_DAYS * MS_PER_DAY),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  return { key: key ?? made.private, cert: made.cert };
}

function keyPairOf(privateKey: string): { privateKey: string; publicKey: string } {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  return { privateKey, publicKey: publicKey.toString() };
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Written whole or not at all, and readable by nobody else at any moment. */
async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** The key pair under which clients of caching_sha2_password send their password when they have no TLS. */
export interface PasswordKey {
  publicPem: Buffer;
  decrypt(encrypted: Uint8Array): Buffer;
}

/** Large enough for today; clients ask for no particular size. */
const PASSWORD_KEY_BITS = 2048;

const generateRsa = promisify(generateKeyPair);

/**
 * Makes the key at its first use and keeps it: most servers never need one. It is a key of its own, because a key
 * that signs TLS handshakes should not also decrypt what strangers send.
 */
export function passwordKeySource(): () => Promise<PasswordKey> {
  let key: Promise<PasswordKey> | null = null;
  return () => {
    key ??= generateRsa('rsa', { modulusLength: PASSWORD_KEY_BITS }).then(({ privateKey }) =>
      passwordKeyOf(privateKey),
    );
    return key;
  };
}

function passwordKeyOf(privateKey: KeyObject): PasswordKey {
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  return {
    publicPem: Buffer.from(publicPem),
    decrypt: (encrypted) =>
      privateDecrypt({ key: privateKey, padding: rsa.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, encrypted),
  };
}
