// Wrapping keys of passwords, kept for as long as the passwords themselves are: each is derived once for its salt and cost.
import { randomBytes } from 'node:crypto';
import { derivePasswordKey, type PasswordKey, SALT_BYTES, type ScryptCost } from './key-slot.ts';

/** Many tenants' sets share few salts; whoever meets more derives some again. */
const KEYS_MAX = 1000;

export class DerivedKeys {
  readonly #known = new Map<string, Promise<PasswordKey>>();
  #freshSalt: Uint8Array | undefined;

  /** The salt for sets that begin a chain: the same one until `clear`. */
  get freshSalt(): Uint8Array {
    this.#freshSalt ??= new Uint8Array(randomBytes(SALT_BYTES));
    return this.#freshSalt;
  }

  /** As `derivePasswordKey`. @returns a key of the caller's own, which he clears */
  async derive(password: string, salt: Uint8Array, cost: ScryptCost): Promise<PasswordKey> {
    const id = JSON.stringify([password, cost.n, cost.r, cost.p, Buffer.from(salt).toString('hex')]);
    const known = this.#known.get(id) ?? this.#remember(id, derivePasswordKey(password, salt, cost));
    const kept = await known;
    // Cleared while it was waited for: what was kept is zeros by now, or will be.
    if (this.#known.get(id) !== known) return await derivePasswordKey(password, salt, cost);
    return { ...kept, key: kept.key.slice() };
  }

  #remember(id: string, derived: Promise<PasswordKey>): Promise<PasswordKey> {
    if (this.#known.size >= KEYS_MAX) this.clear();
    this.#known.set(id, derived);
    derived.catch(() => this.#known.delete(id));
    return derived;
  }

  /** Overwrites every key; may be used again. Keys that were handed out stay. */
  clear(): void {
    for (const derived of this.#known.values())
      derived.then(
        ({ key }) => key.fill(0),
        () => {},
      );
    this.#known.clear();
    this.#freshSalt = undefined;
  }
}
