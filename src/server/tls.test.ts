// Goal: a certificate is made once, kept private, found again, and never written over an operator's own.
import { createPublicKey, publicEncrypt, constants as rsa, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureCertificate, passwordKeySource } from './tls.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

test('makes a certificate at the first start and finds it again at the next', async () => {
  const made = await ensureCertificate(join(dir, 'new'));
  const certificate = new X509Certificate(made.cert);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.publicKey.export({ type: 'spki', format: 'pem' })).toBe(
    createPublicKey(made.key).export({ type: 'spki', format: 'pem' }),
  );
  for (const name of ['tls-key.pem', 'tls-cert.pem']) {
    expect((await stat(join(dir, 'new', name))).mode & 0o777).toBe(0o600);
  }
  expect(await ensureCertificate(join(dir, 'new'))).toEqual(made);
});

test('makes the certificate for a key that is already there', async () => {
  const made = await ensureCertificate(dir);
  await rm(join(dir, 'tls-cert.pem'));
  const again = await ensureCertificate(dir);
  expect(again.key).toBe(made.key);
  expect(new X509Certificate(again.cert).publicKey.export({ type: 'spki', format: 'pem' })).toBe(
    createPublicKey(made.key).export({ type: 'spki', format: 'pem' }),
  );
});

test('refuses to write over a certificate whose key is missing', async () => {
  await writeFile(join(dir, 'tls-cert.pem'), 'mine');
  await expect(ensureCertificate(dir)).rejects.toThrow('tls-key.pem, the key of tls-cert.pem');
  expect(await readFile(join(dir, 'tls-cert.pem'), 'utf8')).toBe('mine');
});

test('the key for passwords is made once and decrypts what was encrypted with it', async () => {
  const source = passwordKeySource();
  const key = await source();
  expect(await source()).toBe(key);
  const padding = rsa.RSA_PKCS1_OAEP_PADDING;
  const encrypted = publicEncrypt({ key: key.publicPem, padding, oaepHash: 'sha1' }, Buffer.from('word'));
  expect(key.decrypt(encrypted).toString()).toBe('word');
});
