// What the fault proxy makes of a body on its way: altered, cut, or slow.
import { setTimeout as sleep } from 'node:timers/promises';

const TRICKLE_BYTES_PER_SECOND = 1024;
const TRICKLE_SECONDS = 2;
const TRICKLE_STEPS_PER_SECOND = 4;

export type Chunks = AsyncIterable<Buffer> | Iterable<Buffer>;

/** The bytes of a body with one in its middle altered. */
export async function* alterMiddle(source: Chunks, lengthBytes: number): AsyncGenerator<Buffer> {
  const middle = Math.floor(lengthBytes / 2);
  let at = 0;
  for await (const chunk of source) {
    const altered = Buffer.from(chunk);
    if (middle >= at && middle < at + chunk.length) altered[middle - at]! ^= 0x10;
    at += chunk.length;
    yield altered;
  }
}

/** The first bytes of a body. */
export async function* takeFirst(source: Chunks, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const chunk of source) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
  }
}

/** The bytes of a body, the first of them slowly. */
export async function* slowDown(source: Chunks): AsyncGenerator<Buffer> {
  let slowBytes = TRICKLE_SECONDS * TRICKLE_BYTES_PER_SECOND;
  const stepBytes = TRICKLE_BYTES_PER_SECOND / TRICKLE_STEPS_PER_SECOND;
  for await (const chunk of source) {
    let at = 0;
    for (; slowBytes > 0 && at < chunk.length; at += stepBytes, slowBytes -= stepBytes) {
      yield chunk.subarray(at, at + stepBytes);
      await sleep(1000 / TRICKLE_STEPS_PER_SECOND);
    }
    yield chunk.subarray(at);
  }
}
