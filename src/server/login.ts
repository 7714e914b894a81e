// The login: greeting, TLS when asked for, proof of the password. Nothing a client sends here is ever run.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import { fail } from '../base/errors.ts';
import type { LoginAccount, LoginRequest, SqlService } from '../sql/session.ts';
import { isPasswordRight, isProofRight, maskPassword, PROOF_BYTES, scrambleFrom } from '../wire/auth.ts';
import {
  type AuthPlugin,
  CAPABILITY,
  NATIVE_PLUGIN,
  SCRAMBLE_BYTES,
  SERVER_CAPABILITIES,
  SHA2_PLUGIN,
  STATUS,
} from '../wire/constants.ts';
import {
  type HandshakeResponse,
  parseHandshakeResponse,
  writeAuthMoreData,
  writeAuthSwitchRequest,
  writeGreeting,
} from '../wire/handshake.ts';
import type { FailedLogins } from './failed-logins.ts';
import { ConnectionLost, type PacketStream } from './packet-stream.ts';
import type { PasswordKey } from './tls.ts';

/** What logins need of the server. */
export interface LoginSurroundings {
  service: Pick<SqlService, 'findAccount' | 'noteFailedLogin' | 'serverVersion'>;
  secureContext: SecureContext | null;
  passwordKey(): Promise<PasswordKey>;
  failedLogins: FailedLogins;
  /** The plugin of the greeting; clients of the other one are served as well. */
  authPlugin: AuthPlugin;
}

export interface Login {
  account: LoginAccount;
  request: LoginRequest;
  /** What client and server have both offered. */
  capabilities: number;
}

/** A first proof, as it came with a handshake response or a change of user. */
interface FirstProof {
  plugin: string | null;
  proof: Uint8Array;
  scramble: Uint8Array;
  /** True when the proof cannot have been made for `scramble`. */
  isStale: boolean;
}

/** Data of caching_sha2_password's own conversation. */
const SHA2_FAST_SUCCESS = Uint8Array.of(3);
const SHA2_FULL_AUTHENTICATION = Uint8Array.of(4);
const SHA2_REQUEST_PUBLIC_KEY = 2;

const serverCapabilities = (surroundings: LoginSurroundings) =>
  SERVER_CAPABILITIES | (surroundings.secureContext ? CAPABILITY.SSL : 0);

const newScramble = () => scrambleFrom(randomBytes(SCRAMBLE_BYTES));

/**
 * Leads a new connection through its login, up to but not including the OK packet.
 * @throws ACCESS_DENIED (1045) and what `findAccount` throws, both after a wait; BAD_HANDSHAKE (1043),
 * MALFORMED_PACKET (1835), ConnectionLost
 */
export async function logIn(
  stream: PacketStream,
  client: { connectionId: number; host: string },
  surroundings: LoginSurroundings,
): Promise<Login> {
  const scramble = newScramble();
  stream.write((writer) =>
    writeGreeting(writer, {
      serverVersion: surroundings.service.serverVersion,
      connectionId: client.connectionId,
      scramble,
      capabilities: serverCapabilities(surroundings),
      status: STATUS.AUTOCOMMIT,
      authPlugin: surroundings.authPlugin,
    }),
  );
  await stream.flush();
  const response = await readResponse(stream, surroundings);
  const request = requestOf(stream, client.host, response);
  const first = { plugin: response.authPlugin, proof: response.proof, scramble, isStale: false };
  const account = await checkAccount(stream, { request, first }, surroundings);
  return { account, request, capabilities: response.capabilities & serverCapabilities(surroundings) };
}

/** COM_CHANGE_USER: the whole check again, with a scramble of its own. @throws as `logIn` */
export async function logInAgain(
  stream: PacketStream,
  request: LoginRequest,
  first: { plugin: string | null; proof: Uint8Array },
  surroundings: LoginSurroundings,
): Promise<LoginAccount> {
  const proof = { ...first, scramble: newScramble(), isStale: true };
  return await checkAccount(stream, { request, first: proof }, surroundings);
}

async function readResponse(stream: PacketStream, surroundings: LoginSurroundings): Promise<HandshakeResponse> {
  const first = parseHandshakeResponse(await readPacket(stream));
  if (first.kind === 'response') return first;
  if (!surroundings.secureContext) throw fail('BAD_HANDSHAKE', { because: 'this server does not offer TLS' });
  await stream.upgrade(surroundings.secureContext);
  const second = parseHandshakeResponse(await readPacket(stream));
  if (second.kind === 'ssl') throw fail('BAD_HANDSHAKE', { because: 'TLS was asked for twice' });
  return second;
}

async function readPacket(stream: PacketStream): Promise<Buffer> {
  await stream.flush();
  const payload = await stream.read();
  if (!payload) throw new ConnectionLost('the client went away during the login');
  return payload;
}

function requestOf(stream: PacketStream, host: string, response: HandshakeResponse): LoginRequest {
  return {
    userText: response.user,
    host,
    isLoopback: isLoopback(host),
    isTls: stream.isTls,
    database: response.database,
  };
}

/** True for an address of this machine alone; IPv4 in its mapped form was unwrapped before. */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

async function checkAccount(
  stream: PacketStream,
  { request, first }: { request: LoginRequest; first: FirstProof },
  surroundings: LoginSurroundings,
): Promise<LoginAccount> {
  const { failedLogins } = surroundings;
  try {
    const account = surroundings.service.findAccount(request);
    const outcome = await authenticate(stream, { account, first }, surroundings);
    if (!outcome.isAuthentic) {
      throw fail('ACCESS_DENIED', { user: account.user, host: request.host, withPassword: outcome.withPassword });
    }
    failedLogins.forget(request.host);
    return account;
  } catch (error) {
    // Counted and delayed alike: an unknown tenant, an unknown user and a wrong password.
    if (!(error instanceof ConnectionLost)) {
      surroundings.service.noteFailedLogin(request, error);
      await sleep(failedLogins.record(request.host));
    }
    throw error;
  }
}

interface Outcome {
  isAuthentic: boolean;
  withPassword: boolean;
}

const isEmpty = (proof: Uint8Array) => proof.length === 0 || (proof.length === 1 && proof[0] === 0);
const isKnown = (plugin: string | null): plugin is AuthPlugin => plugin === NATIVE_PLUGIN || plugin === SHA2_PLUGIN;

/** Finds out whether the client knows the password, in the plugin that it prefers. */
async function authenticate(
  stream: PacketStream,
  { account, first }: { account: LoginAccount; first: FirstProof },
  surroundings: LoginSurroundings,
): Promise<Outcome> {
  // A client without plugins speaks the native one, with the scramble of the greeting, and cannot be asked again.
  const plugin = first.plugin === null ? NATIVE_PLUGIN : isKnown(first.plugin) ? first.plugin : NATIVE_PLUGIN;
  const proof = mustAskAgain(first, plugin, surroundings.authPlugin)
    ? await askAgain(stream, plugin)
    : { bytes: first.proof, scramble: first.scramble };
  if (isEmpty(proof.bytes)) {
    const hasNoPassword = account.nativeHash.length === 0 && account.sha2Hash.length === 0;
    return { isAuthentic: account.isReal && hasNoPassword, withPassword: false };
  }
  const storedHash = plugin === NATIVE_PLUGIN ? account.nativeHash : account.sha2Hash;
  const isRight = isProofRight(plugin, { proof: proof.bytes, scramble: proof.scramble, storedHash });
  if (plugin === NATIVE_PLUGIN) return { isAuthentic: isRight && account.isReal, withPassword: true };
  if (isRight && account.isReal) {
    stream.write((writer) => writeAuthMoreData(writer, SHA2_FAST_SUCCESS));
    return { isAuthentic: true, withPassword: true };
  }
  const password = await askForPassword(stream, proof.scramble, surroundings);
  const isPassword = password !== null && isPasswordRight(password, account);
  return { isAuthentic: isPassword && account.isReal, withPassword: true };
}

/**
 * The first proof is of no use when the client used a plugin that is not ours, when it had not seen the scramble, or
 * when it only kept a place because its plugin is not the one of the greeting.
 */
function mustAskAgain(first: FirstProof, plugin: AuthPlugin, greeted: AuthPlugin): boolean {
  if (first.plugin === null) return false;
  if (first.isStale || first.plugin !== plugin) return true;
  return plugin !== greeted && first.proof.length !== PROOF_BYTES[plugin];
}

async function askAgain(
  stream: PacketStream,
  plugin: AuthPlugin,
): Promise<{ bytes: Uint8Array; scramble: Uint8Array }> {
  const scramble = newScramble();
  stream.write((writer) => writeAuthSwitchRequest(writer, { plugin, scramble }));
  return { bytes: await readPacket(stream), scramble };
}

/** The full path of caching_sha2_password: the password itself, under TLS in clear, otherwise under our RSA key. */
async function askForPassword(
  stream: PacketStream,
  scramble: Uint8Array,
  surroundings: LoginSurroundings,
): Promise<Uint8Array | null> {
  stream.write((writer) => writeAuthMoreData(writer, SHA2_FULL_AUTHENTICATION));
  const answer = await readPacket(stream);
  if (stream.isTls) return withoutTerminator(answer);
  const key = await surroundings.passwordKey();
  if (answer.length !== 1 || answer[0] !== SHA2_REQUEST_PUBLIC_KEY) return decryptPassword(key, answer, scramble);
  stream.write((writer) => writeAuthMoreData(writer, key.publicPem));
  return decryptPassword(key, await readPacket(stream), scramble);
}

/** @returns null for bytes that were not encrypted with our key: to the client that is a wrong password */
function decryptPassword(key: PasswordKey, encrypted: Uint8Array, scramble: Uint8Array): Uint8Array | null {
  try {
    return withoutTerminator(maskPassword(key.decrypt(encrypted), scramble));
  } catch {
    return null;
  }
}

function withoutTerminator(password: Uint8Array): Uint8Array {
  return password.at(-1) === 0 ? password.subarray(0, -1) : password;
}
