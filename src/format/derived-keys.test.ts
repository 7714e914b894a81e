// Goal: a password is derived once for a salt, and no key is ever handed out that somebody has overwritten.
import { expect, test } from 'vitest';
import { DerivedKeys } from './derived-keys.ts';
import { derivePasswordKey } from './key-slot.ts';

/** The cheapest that a reader accepts. */
const COST = { n: 2 ** 15, r: 8, p: 1 };
const SALT = new Uint8Array(32).fill(7);

test('a key that was derived is handed out again, as a copy of its own', async () => {
  const keys = new DerivedKeys();
  const first = await keys.derive('pw', SALT, COST);
  const { key } = await derivePasswordKey('pw', SALT, COST);
  expect(first).toEqual({ salt: SALT, cost: COST, key });
  first.key.fill(0);
  const again = keys.derive('pw', SALT, COST);
  // A derivation takes a thread and milliseconds: what is known is there before any timer.
  expect(await Promise.race([again, new Promise((resolve) => setImmediate(resolve, 'late'))])).toEqual({
    ...first,
    key,
  });
  expect((await keys.derive('other', SALT, COST)).key).not.toEqual(key);
  expect((await keys.derive('pw', new Uint8Array(32), COST)).key).not.toEqual(key);
});

test('a key that is asked for while all are cleared is the right one, and what was handed out stays', async () => {
  const keys = new DerivedKeys();
  const salt = keys.freshSalt;
  expect(keys.freshSalt).toBe(salt);
  const held = await keys.derive('pw', SALT, COST);
  const { key } = await derivePasswordKey('pw', SALT, COST);
  const asked = keys.derive('pw', SALT, COST);
  const begun = keys.derive('pw', salt, COST);
  keys.clear();
  expect((await asked).key).toEqual(key);
  expect((await begun).key).toEqual((await derivePasswordKey('pw', salt, COST)).key);
  expect(held.key).toEqual(key);
  expect(keys.freshSalt).not.toEqual(salt);
});
