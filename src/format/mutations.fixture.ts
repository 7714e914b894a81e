// For tests: every way in which a small file can be damaged by one byte, one cut or one addition.

export interface Mutation {
  name: string;
  bytes: Uint8Array;
}

/** Every byte flipped in three ways, every truncation, appended bytes. */
function* mutationsOf(bytes: Uint8Array): Generator<Mutation> {
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const flipped = bytes.slice();
      flipped[at]! ^= mask;
      yield { name: `byte ${at} ^ ${mask}`, bytes: flipped };
    }
  }
  for (let length = 0; length < bytes.length; length++) {
    yield { name: `cut to ${length}`, bytes: bytes.slice(0, length) };
  }
  for (const tail of [0, 10, 255]) {
    yield { name: `byte ${tail} appended`, bytes: Uint8Array.from([...bytes, tail]) };
  }
}

/** Names of the mutations that `read` accepts; empty when it is strict. Errors other than `isExpected` are thrown on. */
export function acceptedMutations(
  bytes: Uint8Array,
  read: (mutated: Uint8Array) => unknown,
  isExpected: (error: unknown) => boolean,
): string[] {
  const accepted: string[] = [];
  for (const mutation of mutationsOf(bytes)) {
    try {
      read(mutation.bytes);
      accepted.push(mutation.name);
    } catch (error) {
      if (!isExpected(error)) throw new Error(`${mutation.name}: ${error}`, { cause: error });
    }
  }
  return accepted;
}
