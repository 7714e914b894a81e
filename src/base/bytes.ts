// Bytes compared and shown.

/** The same memory. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Lower-case hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex');
}
