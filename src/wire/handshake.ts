// Packets of the connection phase: greeting, SSL request, handshake response, change of user, plugin switch.
import { fail } from '../base/errors.ts';
import { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { CAPABILITY, CHARSET, HEADER, SCRAMBLE_BYTES } from './constants.ts';

const PROTOCOL_VERSION = 10;
/** The scramble travels in two parts; the first has always had this length. */
const SCRAMBLE_FIRST_BYTES = 8;
/** Length of an SSL request: a handshake response that stops before the user. */
const SSL_REQUEST_BYTES = 32;
const RESERVED_BYTES = 23;

export interface Greeting {
  serverVersion: string;
  connectionId: number;
  scramble: Uint8Array;
  capabilities: number;
  status: number;
  authPlugin: string;
}

/** The server's first packet. @source MySQL documentation, Protocol::HandshakeV10 */
export function writeGreeting(writer: ByteWriter, greeting: Greeting): void {
  writer.u8(PROTOCOL_VERSION);
  writer.nulString(greeting.serverVersion);
  writer.u32(greeting.connectionId);
  writer.bytes(greeting.scramble.subarray(0, SCRAMBLE_FIRST_BYTES));
  writer.u8(0);
  writer.u16(greeting.capabilities & 0xffff);
  writer.u8(CHARSET.UTF8MB4_GENERAL_CI);
  writer.u16(greeting.status);
  writer.u16(greeting.capabilities >>> 16);
  writer.u8(SCRAMBLE_BYTES + 1);
  writer.zeros(10);
  writer.bytes(greeting.scramble.subarray(SCRAMBLE_FIRST_BYTES));
  writer.u8(0);
  writer.nulString(greeting.authPlugin);
}

/** Asks the client to answer a scramble with another plugin. @source Protocol::AuthSwitchRequest */
export function writeAuthSwitchRequest(writer: ByteWriter, facts: { plugin: string; scramble: Uint8Array }): void {
  writer.u8(HEADER.EOF);
  writer.nulString(facts.plugin);
  writer.bytes(facts.scramble);
  writer.u8(0);
}

/** Data of a plugin's own conversation. @source Protocol::AuthMoreData */
export function writeAuthMoreData(writer: ByteWriter, data: Uint8Array): void {
  writer.u8(HEADER.AUTH_MORE_DATA);
  writer.bytes(data);
}

/** What the client says about itself and its user. */
export interface HandshakeResponse {
  kind: 'response';
  capabilities: number;
  charset: number;
  user: string;
  proof: Buffer;
  database: string | null;
  /** Null when the client knows no plugins: it speaks mysql_native_password. */
  authPlugin: string | null;
  attributes: Map<string, string>;
}

/** The client wants TLS before it says more. */
export interface SslRequest {
  kind: 'ssl';
  capabilities: number;
}

/**
 * Parses the client's first packet.
 * @throws BAD_HANDSHAKE (1043) for clients older than MySQL 4.1 or without secure passwords, MALFORMED_PACKET (1835)
 * @source Protocol::SSLRequest, Protocol::HandshakeResponse41
 */
export function parseHandshakeResponse(payload: Uint8Array): HandshakeResponse | SslRequest {
  const reader = new ByteReader(payload, 'handshake response');
  // The old form has 16 bits of capabilities; bit 9 says which form it is and lies in both.
  if (payload.length < SSL_REQUEST_BYTES) throw fail('BAD_HANDSHAKE', { because: 'the response is too short' });
  const capabilities = reader.u32();
  if (!(capabilities & CAPABILITY.PROTOCOL_41)) {
    throw fail('BAD_HANDSHAKE', { because: 'the client is older than MySQL 4.1' });
  }
  reader.u32(); // The client's own packet bound: it looks after that itself.
  const charset = reader.u8();
  reader.bytes(RESERVED_BYTES);
  if (capabilities & CAPABILITY.SSL && reader.remaining === 0) return { kind: 'ssl', capabilities };
  if (!(capabilities & CAPABILITY.SECURE_CONNECTION)) {
    throw fail('BAD_HANDSHAKE', { because: 'the client knows only the passwords from before MySQL 4.1' });
  }
  const user = reader.nulString();
  const proof = capabilities & CAPABILITY.PLUGIN_AUTH_LENENC ? reader.lenencBytes() : reader.bytes(reader.u8());
  const database = capabilities & CAPABILITY.CONNECT_WITH_DB && reader.remaining > 0 ? reader.nulString() : null;
  const authPlugin = readPlugin(reader, capabilities);
  const attributes = capabilities & CAPABILITY.CONNECT_ATTRS ? readAttributes(reader) : new Map<string, string>();
  return { kind: 'response', capabilities, charset, user, proof, database: database || null, authPlugin, attributes };
}

/** COM_CHANGE_USER without its command byte. */
export interface ChangeUser {
  user: string;
  proof: Buffer;
  database: string | null;
  charset: number | null;
  authPlugin: string | null;
}

/** Parses COM_CHANGE_USER after its command byte; `capabilities` are those of the login. */
export function parseChangeUser(body: Uint8Array, capabilities: number): ChangeUser {
  const reader = new ByteReader(body, 'COM_CHANGE_USER');
  const user = reader.nulString();
  const proof = reader.bytes(reader.u8());
  const database = reader.remaining > 0 ? reader.nulString() : '';
  const charset = reader.remaining >= 2 ? reader.u16() : null;
  const authPlugin = readPlugin(reader, capabilities);
  return { user, proof, database: database || null, charset, authPlugin };
}

/** Some clients leave the field out, or as the last one leave out its terminator. */
function readPlugin(reader: ByteReader, capabilities: number): string | null {
  if (!(capabilities & CAPABILITY.PLUGIN_AUTH) || reader.remaining === 0) return null;
  return reader.nulBytesOrRest().toString('latin1');
}

function readAttributes(reader: ByteReader): Map<string, string> {
  const attributes = new Map<string, string>();
  if (reader.remaining === 0) return attributes;
  const list = new ByteReader(reader.lenencBytes(), 'connection attributes');
  while (list.remaining > 0) {
    // They are a client's small talk: a byte that is no utf8mb4 in them must not refuse the login.
    const name = list.lenencBytes().toString('utf8');
    attributes.set(name, list.lenencBytes().toString('utf8'));
  }
  return attributes;
}
