// How much of a tenant's log may be on its way to the destination at once. Only what overlaps is bounded: one batch may
// always go.
import { MIB } from '../../base/limits.ts';

/** Of one tenant: batches of 4 MiB keep eight uploads busy. The server holds them until they are durable. */
const TENANT_BYTES_MAX = 32 * MIB;
/** Of all tenants of a host: after an outage thousands catch up at once. */
const HOST_BYTES_MAX = 256 * MIB;

/** Bytes on their way, of all tenants of a host. */
export class BytesOnTheirWay {
  bytes = 0;
}

export class DeliveryWindow {
  readonly #batchesMax: number;
  readonly #host: BytesOnTheirWay;
  #batches = 0;
  #bytes = 0;

  /** @param batchesMax at least 1 */
  constructor(batchesMax: number, host: BytesOnTheirWay) {
    this.#batchesMax = batchesMax;
    this.#host = host;
  }

  /** Another batch may go. */
  get hasRoom(): boolean {
    if (this.#batches === 0) return true;
    const isWithin = this.#bytes < TENANT_BYTES_MAX && this.#host.bytes < HOST_BYTES_MAX;
    return isWithin && this.#batches < this.#batchesMax;
  }

  enter(bytes: number): void {
    this.#batches++;
    this.#bytes += bytes;
    this.#host.bytes += bytes;
  }

  leave(bytes: number): void {
    this.#batches--;
    this.#bytes -= bytes;
    this.#host.bytes -= bytes;
  }
}
