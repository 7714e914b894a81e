// Packets over a socket: reads them in order, writes them framed, waits for slow readers, changes over to TLS.
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import type { ByteWriter } from '../wire/byte-writer.ts';
import { LOGIN_PACKET_BYTES_MAX, MAX_ALLOWED_PACKET_BYTES } from '../wire/constants.ts';
import { PacketBuffer } from '../wire/packet-buffer.ts';
import { PacketSplitter } from '../wire/packet-splitter.ts';
import { LINGER_MS, READ_AHEAD_BYTES_MAX } from './limits.ts';

/** A large answer is handed to the socket in pieces of this size: each piece has the whole stall time of its own. */
const WRITE_PIECE_BYTES = 1 * MIB;

/** The client is gone: nothing more can be said to it. Ends a conversation quietly. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

export class PacketStream {
  #socket: Socket;
  readonly #splitter = new PacketSplitter(LOGIN_PACKET_BYTES_MAX);
  readonly #out = new PacketBuffer();
  readonly #writeStallMs: number;
  /** Sequence id of the next packet, whoever sends it. */
  #sequence = 0;
  /** The client will send nothing more. */
  #hasEnded = false;
  /** The socket is closed. */
  #isClosed = false;
  #isDiscarding = false;
  #wakeReader: (() => void) | null = null;
  readonly #wakeOnProgress = new Set<() => void>();
  #lossReason = 'the client closed the connection';
  #detach: () => void = () => {};
  /** Called once, when the client has gone or sends nothing more: its running statement has no audience. */
  onGone: () => void = () => {};

  constructor(socket: Socket, { writeStallMs }: { writeStallMs: number }) {
    this.#socket = socket;
    this.#writeStallMs = writeStallMs;
    this.#attach(socket);
  }

  /** True when nobody waits for answers any more. */
  get isGone(): boolean {
    return this.#hasEnded || this.#isClosed;
  }

  get isTls(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  /** Bytes of packets that were written but not yet given to the socket. */
  get pendingBytes(): number {
    return this.#out.length;
  }

  /** After the login, packets up to max_allowed_packet are taken. */
  allowLargePackets(): void {
    this.#splitter.payloadBytesMax = MAX_ALLOWED_PACKET_BYTES;
  }

  /** Every command starts counting anew. */
  startCommand(): void {
    this.#sequence = 0;
  }

  /**
   * Waits for the next packet.
   * @param timeoutMs after which the connection is destroyed
   * @returns its payload; null when the client has gone
   * @throws PACKET_TOO_LARGE (1153), PACKETS_OUT_OF_ORDER (1156); the stream is of no use afterwards but to say so
   */
  async read({ timeoutMs }: { timeoutMs?: number } = {}): Promise<Buffer | null> {
    let timer: NodeJS.Timeout | undefined;
    try {
      for (;;) {
        const payload = this.#take();
        if (payload) return payload;
        if (this.isGone) return null;
        if (timeoutMs !== undefined && !timer) {
          timer = setTimeout(() => this.destroy('the client said nothing for too long'), timeoutMs);
        }
        if (this.#socket.isPaused()) this.#socket.resume();
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(): Buffer | null {
    try {
      const packet = this.#splitter.next();
      if (!packet) return null;
      if (packet.sequence !== this.#sequence) {
        throw fail('PACKETS_OUT_OF_ORDER', { expected: this.#sequence, given: packet.sequence });
      }
      this.#sequence = packet.nextSequence;
      return packet.payload;
    } catch (error) {
      this.#sequence = this.#splitter.answerSequence;
      throw error;
    }
  }

  /** Adds one packet to what `flush` sends. When `write` throws, nothing of the packet is sent. */
  write(write: (writer: ByteWriter) => void): void {
    this.#sequence = this.#out.add(this.#sequence, write);
  }

  /**
   * Sends what was written and waits while the client is slow.
   * @throws ConnectionLost when the client is gone or takes nothing for too long
   */
  async flush(): Promise<void> {
    if (this.#out.length === 0) return;
    const bytes = this.#out.take();
    for (let from = 0; from < bytes.length; from += WRITE_PIECE_BYTES) {
      if (this.#isClosed) throw new ConnectionLost(this.#lossReason);
      if (!this.#socket.write(bytes.subarray(from, from + WRITE_PIECE_BYTES))) await this.#drained();
    }
  }

  async #drained(): Promise<void> {
    const timer = setTimeout(() => this.destroy('the client took no bytes for too long'), this.#writeStallMs);
    while (!this.#isClosed && this.#socket.writableNeedDrain) await this.#progress();
    clearTimeout(timer);
    if (this.#isClosed) throw new ConnectionLost(this.#lossReason);
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wakeOnProgress.delete(wake);
        resolve();
      };
      this.#wakeOnProgress.add(wake);
    });
  }

  /**
   * Hands the socket to TLS. Bytes that arrived behind the client's request are part of its TLS hello and are never
   * read as packets: nothing that was sent in clear can slip into the encrypted conversation.
   */
  async upgrade(secureContext: SecureContext): Promise<void> {
    const raw = this.#socket;
    this.#detach();
    raw.pause();
    const rest = this.#splitter.takeRest();
    if (rest.length > 0) raw.unshift(rest);
    const secure = new TLSSocket(raw, { isServer: true, secureContext });
    this.#socket = secure;
    const isSecure = new Promise<void>((resolve) => secure.once('secure', resolve));
    this.#attach(secure);
    await Promise.race([isSecure, this.#whenClosed()]);
    if (this.#isClosed) throw new ConnectionLost(this.#lossReason);
  }

  async #whenClosed(): Promise<void> {
    while (!this.#isClosed) await this.#progress();
  }

  /** Sends what is left, tells the client that this is the end, and waits a little until it has read it. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isDiscarding = true;
    this.#socket.end(this.#out.take());
    this.#socket.resume();
    const timer = setTimeout(() => this.destroy('the client did not close'), LINGER_MS);
    await this.#whenClosed();
    clearTimeout(timer);
  }

  /** Closes at once. */
  destroy(because: string): void {
    if (!this.#isClosed) this.#lossReason = because;
    this.#socket.destroy();
  }

  #attach(socket: Socket): void {
    const onData = (chunk: Buffer) => this.#receive(chunk);
    const onDrain = () => this.#wakeAll();
    const onEnd = () => {
      this.#hasEnded = true;
      this.#tellGone();
    };
    socket.on('data', onData);
    socket.on('drain', onDrain);
    socket.on('end', onEnd);
    socket.on('error', (error) => {
      this.#lossReason = error.message;
    });
    socket.on('close', () => {
      // The plain socket under TLS can break on its own.
      if (socket !== this.#socket) this.#socket.destroy();
      this.#isClosed = true;
      this.#tellGone();
    });
    // Errors and the close of the plain socket stay of interest when TLS has taken over its bytes.
    this.#detach = () => {
      socket.off('data', onData);
      socket.off('drain', onDrain);
      socket.off('end', onEnd);
    };
  }

  #receive(chunk: Buffer): void {
    if (this.#isDiscarding) return;
    this.#splitter.push(chunk);
    if (this.#wakeReader) this.#wakeAll();
    else if (this.#splitter.bufferedBytes > READ_AHEAD_BYTES_MAX) this.#socket.pause();
  }

  #tellGone(): void {
    this.#wakeAll();
    const { onGone } = this;
    this.onGone = () => {};
    onGone();
  }

  #wakeAll(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = null;
    wake?.();
    for (const wakeWaiter of [...this.#wakeOnProgress]) wakeWaiter();
  }
}
