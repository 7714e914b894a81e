// One client's conversation from the first byte to the last: login, commands one after another, end.
import type { Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail, HoldfastError, toClientError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ConnectionInfo } from '../sql/connections.ts';
import type { LoginRequest, Session, SqlService } from '../sql/session.ts';
import { parseChangeUser } from '../wire/handshake.ts';
import { writeErr } from '../wire/ok-err.ts';
import { answerError, answerLogin, interruptionOr } from './answer.ts';
import { type CommandContext, runCommand, wantsMultiStatements } from './commands.ts';
import type { ServerLimits } from './limits.ts';
import { isLoopback, type Login, type LoginSurroundings, logIn, logInAgain } from './login.ts';
import { ConnectionLost, PacketStream } from './packet-stream.ts';
import type { RegisteredConnection } from './registry.ts';
import { PreparedStatements } from './statements.ts';

/** What connections share. */
export interface ServerSurroundings extends LoginSurroundings {
  service: SqlService;
  clock: Clock;
  log: Log;
  limits: ServerLimits;
  /** The line that COM_STATISTICS answers. */
  statistics(): string;
  /** Called for every command, for the statistics. */
  countCommand(): void;
}

/**
 * logging in: nothing is run. idle: waits for a command. running: a command is under way.
 * ending: no further command is taken. ended: the session is closed and the socket too.
 */
type State = 'logging in' | 'idle' | 'running' | 'ending' | 'ended';

export class Connection implements RegisteredConnection {
  readonly id: number;
  readonly host: string;
  readonly #port: number;
  readonly #stream: PacketStream;
  readonly #surroundings: ServerSurroundings;
  readonly #statements = new PreparedStatements();
  #state: State = 'logging in';
  #isKilled = false;
  #session: Session | null = null;
  #capabilities = 0;
  #hasMultiStatements = false;
  #commandName = 'Connect';
  #sinceMs: number;
  #controller: AbortController | null = null;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(
    socket: Socket,
    { id, host, port }: { id: number; host: string; port: number },
    surroundings: ServerSurroundings,
  ) {
    this.id = id;
    this.host = host;
    this.#port = port;
    this.#surroundings = surroundings;
    this.#sinceMs = surroundings.clock.monotonicMs();
    this.#stream = new PacketStream(socket, surroundings.limits);
    this.#stream.onGone = () => this.#controller?.abort();
  }

  get isLoggingIn(): boolean {
    return this.#state === 'logging in';
  }

  info(): ConnectionInfo {
    const session = this.#session;
    return {
      id: this.id,
      user: session?.user ?? '',
      host: `${this.host}:${this.#port}`,
      tenantId: session?.tenantId ?? 0,
      tenantName: session?.tenantName ?? '',
      database: session?.database ?? null,
      isTls: this.#stream.isTls,
      command: this.#isKilled ? 'Killed' : this.#commandName,
      elapsedMs: this.#surroundings.clock.monotonicMs() - this.#sinceMs,
      info: session?.running ?? null,
    };
  }

  /** KILL: the running statement ends with 1317; the connection too when it is meant. */
  kill(what: 'query' | 'connection'): void {
    if (what === 'query') {
      this.#controller?.abort();
      return;
    }
    this.#isKilled = true;
    this.abandon('it was killed');
  }

  finish(): void {
    if (this.#state === 'running') this.#state = 'ending';
    else if (this.#state !== 'ending') this.#stream.destroy('the server is stopping');
  }

  abandon(because: string): void {
    const wasRunning = this.#state === 'running' || (this.#state === 'ending' && this.#controller !== null);
    this.finish();
    if (!wasRunning) {
      this.#stream.destroy(because);
      return;
    }
    this.#controller?.abort();
    const { killGraceMs } = this.#surroundings.limits;
    this.#graceTimer ??= setTimeout(() => this.#stream.destroy(because), killGraceMs);
  }

  /** Lives the connection's whole life; never rejects. */
  async run(): Promise<void> {
    const { log } = this.#surroundings;
    try {
      if (await this.#openSession()) await this.#serve();
    } catch (error) {
      if (error instanceof ConnectionLost)
        log.debug('connection_lost', { connectionId: this.id, because: error.message });
      else log.error('connection_failed', { connectionId: this.id, error });
    } finally {
      await this.#end();
    }
  }

  /** @returns false when the login failed and the client was told so */
  async #openSession(): Promise<boolean> {
    const { limits, service, log } = this.#surroundings;
    const timer = setTimeout(() => this.#stream.destroy('the login took too long'), limits.loginMs);
    try {
      const login = await logIn(this.#stream, { connectionId: this.id, host: this.host }, this.#surroundings);
      this.#capabilities = login.capabilities;
      this.#hasMultiStatements = wantsMultiStatements(login.capabilities);
      this.#session = await service.openSession(login.account, login.request, this.id);
      this.#stream.allowLargePackets();
      answerLogin(this.#context(this.#session));
      await this.#stream.flush();
      this.#logLogin(login);
      return true;
    } catch (error) {
      if (error instanceof ConnectionLost) throw error;
      const level = error instanceof HoldfastError ? 'info' : 'error';
      log[level]('login_failed', { connectionId: this.id, host: this.host, ...loggedError(error) });
      this.#stream.write((writer) => writeErr(writer, toClientError(error, 'mysql')));
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #logLogin({ account, request }: Login): void {
    const { user, tenantId } = account;
    this.#surroundings.log.debug('login', {
      connectionId: this.id,
      host: this.host,
      user,
      tenantId,
      isTls: request.isTls,
    });
  }

  async #serve(): Promise<void> {
    const { limits } = this.#surroundings;
    this.#becomeIdle();
    // `finish` can change the state while anything here waits.
    while ((this.#state as State) === 'idle') {
      this.#stream.startCommand();
      const payload = await this.#readCommand(limits.idleMs);
      if (!payload || (this.#state as State) !== 'idle') return;
      if (!(await this.#run(payload))) return;
      await this.#stream.flush();
    }
  }

  /** @returns null when the client has gone, or sent what can not be a command and was told so */
  async #readCommand(timeoutMs: number): Promise<Buffer | null> {
    try {
      return await this.#stream.read({ timeoutMs });
    } catch (error) {
      // The frames themselves are wrong: where the next command begins is anybody's guess.
      this.#surroundings.log.warn('protocol_error', { connectionId: this.id, ...loggedError(error) });
      answerError(this.#stream, error, this.#session?.mode ?? 'mysql');
      return null;
    }
  }

  /** Runs one command. @returns false when no further one may follow */
  async #run(payload: Buffer): Promise<boolean> {
    const session = this.#session;
    assert(session, 'commands run in a session');
    const controller = new AbortController();
    this.#controller = controller;
    this.#state = 'running';
    this.#surroundings.countCommand();
    if (this.#stream.isGone) controller.abort();
    try {
      return await runCommand(this.#context(session), payload, (name) => this.#begin(name, session));
    } catch (thrown) {
      if (thrown instanceof ConnectionLost) throw thrown;
      this.#answerFailure(interruptionOr(thrown, controller.signal));
      // A failed change of user has left nobody logged in.
      return this.#session === session;
    } finally {
      this.#controller = null;
      this.#becomeIdle();
    }
  }

  #begin(commandName: string, session: Session): void {
    this.#commandName = commandName;
    this.#sinceMs = this.#surroundings.clock.monotonicMs();
    session.sinceMs = this.#sinceMs;
  }

  #becomeIdle(): void {
    if (this.#state !== 'ending') this.#state = 'idle';
    this.#commandName = 'Sleep';
    this.#sinceMs = this.#surroundings.clock.monotonicMs();
    if (this.#session) {
      this.#session.running = null;
      this.#session.sinceMs = this.#sinceMs;
    }
  }

  #answerFailure(error: unknown): void {
    if (!(error instanceof HoldfastError)) {
      const { tenantId } = this.#session ?? {};
      this.#surroundings.log.error('command_failed', {
        connectionId: this.id,
        tenantId,
        command: this.#commandName,
        error,
      });
    }
    answerError(this.#stream, error, this.#session?.mode ?? 'mysql');
  }

  #context(session: Session): CommandContext {
    return {
      stream: this.#stream,
      service: this.#surroundings.service,
      session,
      capabilities: this.#capabilities,
      signal: this.#controller?.signal ?? new AbortController().signal,
      statements: this.#statements,
      hasMultiStatements: this.#hasMultiStatements,
      setMultiStatements: (isOn) => {
        this.#hasMultiStatements = isOn;
      },
      changeUser: (body) => this.#changeUser(body),
      statistics: this.#surroundings.statistics,
    };
  }

  /** COM_CHANGE_USER: the old session ends before the new one is known to be allowed, as MySQL has it. */
  async #changeUser(body: Uint8Array): Promise<void> {
    const { service } = this.#surroundings;
    const change = parseChangeUser(body, this.#capabilities);
    const request: LoginRequest = {
      userText: change.user,
      host: this.host,
      isLoopback: isLoopback(this.host),
      isTls: this.#stream.isTls,
      database: change.database,
    };
    await this.#closeSession();
    if (change.authPlugin === null)
      throw fail('NOT_SUPPORTED', { what: 'COM_CHANGE_USER without authentication plugins is' });
    const timer = setTimeout(() => this.#stream.destroy('the login took too long'), this.#surroundings.limits.loginMs);
    try {
      const proof = { plugin: change.authPlugin, proof: change.proof };
      const account = await logInAgain(this.#stream, request, proof, this.#surroundings);
      this.#session = await service.openSession(account, request, this.id);
      answerLogin(this.#context(this.#session));
    } finally {
      clearTimeout(timer);
    }
  }

  async #closeSession(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    this.#statements.clear();
    if (session) await this.#surroundings.service.closeSession(session);
  }

  async #end(): Promise<void> {
    this.#state = 'ending';
    try {
      await this.#closeSession();
    } catch (error) {
      this.#surroundings.log.error('session_close_failed', { connectionId: this.id, error });
    }
    await this.#stream.close();
    clearTimeout(this.#graceTimer);
    this.#state = 'ended';
  }
}

/** What the log may say of an error that a client caused: its name, never a text with the client's words. */
function loggedError(error: unknown): Record<string, unknown> {
  return error instanceof HoldfastError ? { error: error.errorName } : { error };
}
