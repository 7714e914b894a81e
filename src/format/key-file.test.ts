// Goal: exported keys come back with the password only, and no altered file is taken for a key. Method: every mutation of
// a small file under the cheapest allowed password derivation, and files whose unkeyed checksum was made right again.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { decodeKeyFile, encodeKeyFile } from './key-file.ts';
import { newTenantKey } from './tenant-key.ts';

const keys = [1, 2, 3].map((version) => ({ version, createdNs: BigInt(version) * 1000n, key: newTenantKey() }));
const owner = {
  cluster: { name: 'holdfast', id: 1, uuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e11' },
  tenant: { id: 1002, name: 'mysql_tenant', mode: 'mysql' as const, timeZone: 'Asia/Shanghai' },
};
const cost = { n: 2 ** 15, r: 8, p: 1 };
const bytes = await encodeKeyFile({ ...owner, keys, writtenNs: 5n, password: 'correct horse', cost });
const read = (of: Uint8Array, password = 'correct horse') => decodeKeyFile(of, password, '/safe/keys');

/** Changes the JSON of a file and makes its checksum right again, as anybody could. */
function forge(change: (json: { keys: Record<string, unknown>[] } & Record<string, unknown>) => void): Uint8Array {
  const [magic, text] = Buffer.from(bytes).toString('utf8').split('\n');
  const json = JSON.parse(text!);
  change(json);
  const body = `${magic}\n${JSON.stringify(json)}\n`;
  return Buffer.from(`${body}sha256 ${createHash('sha256').update(body).digest('hex')}\n`);
}

describe('a key file', () => {
  it('gives all versions back, and shows none of them', async () => {
    expect(await read(bytes)).toEqual({ ...owner, keys });
    for (const { key } of keys) {
      expect(Buffer.from(bytes).includes(Buffer.from(key))).toBe(false);
      expect(Buffer.from(bytes).toString()).not.toContain(Buffer.from(key).toString('hex'));
    }
  });

  it('tells a wrong password from damage', async () => {
    await expect(read(bytes, 'wrong')).rejects.toSatisfy((e) => isFailure(e, 'BACKUP_INVALID_PASSWORD'));
    const damaged = Uint8Array.from(bytes);
    damaged[100]! ^= 1;
    await expect(read(damaged)).rejects.toSatisfy((e) => isFailure(e, 'BACKUP_DATA_CORRUPT'));
  });

  it('notices every flipped byte and cut', async () => {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Uint8Array.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      await expect(read(flipped), `byte ${at}`).rejects.toSatisfy((e) => isFailure(e, 'BACKUP_DATA_CORRUPT'));
      await expect(read(bytes.subarray(0, at)), `cut to ${at}`).rejects.toSatisfy((e) =>
        isFailure(e, 'BACKUP_DATA_CORRUPT'),
      );
    }
  });

  it.each([
    ['an owner', (json: Record<string, unknown>) => Object.assign(json.tenant as object, { id: 1004 })],
    ['a list that is shorter', (json: Record<string, unknown>) => (json.keys as unknown[]).pop()],
    ['a version', (json: Record<string, unknown>) => Object.assign((json.keys as object[])[1]!, { version: 9 })],
    ['the order', (json: Record<string, unknown>) => (json.keys as unknown[]).reverse()],
  ])('does not take %s that somebody without the password changed', async (_, change) => {
    await expect(read(forge(change))).rejects.toSatisfy(
      (e) => isFailure(e, 'BACKUP_DATA_CORRUPT') || isFailure(e, 'BACKUP_INVALID_PASSWORD'),
    );
  });

  it('refuses costs that would weaken the password or use up the machine', async () => {
    for (const over of [{ n: 2 ** 14 }, { n: 2 ** 21 }, { r: 32 }, { p: 5 }])
      await expect(read(forge((json) => Object.assign(json, over)))).rejects.toSatisfy((e) =>
        isFailure(e, 'BACKUP_DATA_CORRUPT'),
      );
  });
});
