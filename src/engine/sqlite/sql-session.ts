// A client's session on a sqlite tenant, as the server holds it: it finds a host for its statements, waits for locks,
// hands out rows, and tells the client truthfully when its process was lost.

import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { type Column, okResult, type SqlValue, type StatementResult } from '../../model/result.ts';
import type { EngineSession, EngineTenant } from '../engine-driver.ts';
import { HostGone, type HostLink } from '../host-link.ts';
import { completeFacts, type SessionFacts } from '../session-facts.ts';
import type { SessionLog } from './session-log.ts';
import type { SqlHostPool } from './sql-host-pool.ts';
import type { Answer, Batch, Prepared, SessionState } from './sql-verbs.ts';

/** Pauses between two tries for a lock: short at first, since most locks are held for a commit only. */
const LOCK_RETRY_MS_FIRST = 1;
const LOCK_RETRY_MS_MAX = 20;

/** How often a call that never reached its process is tried on a new one before the session gives up. */
const FORKS_MAX = 3;

/** How often a session waits for the log's capture: each time is bounded, and another use may let it go in between. */
const LOG_WAITS_MAX = 3;

export interface SqlSessionOptions {
  session: number;
  tenant: EngineTenant;
  pool: SqlHostPool;
  clock: Clock;
  lockWaitMs: number;
  sessionLog: SessionLog | undefined;
  onClose: () => void;
}

type RowsAnswer = Extract<Answer, { kind: 'rows' }>;

/** A text that ends a transaction by giving it up: after a lost one it is simply true already. */
const ROLLBACK = /^\s*ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s*;?\s*$/i;

/** What the client is told when its process went away under a call. */
function asHostLost(error: unknown): unknown {
  if (!(error instanceof HostGone)) return error;
  const doubt = error.hasStarted ? ' while the statement ran; it may or may not have taken effect' : '';
  return fail('HOST_LOST', { because: error.because + doubt }, { cause: error });
}

const sessionsEnded = () => fail('HOST_LOST', { because: "the tenant's sessions were ended" });

export class SqlSession implements EngineSession {
  readonly #options: SqlSessionOptions;
  #link: HostLink | null = null;
  #state: SessionState = { isInTransaction: false, isStateful: false };
  #isClosed = false;
  #isRunning = false;
  /** The result whose rows are not all read; a new object for each. */
  #cursor: object | null = null;
  #lastInsertId = 0n;
  #rowCount = 0n;
  #foundRows = 0n;

  constructor(options: SqlSessionOptions) {
    this.#options = options;
  }

  get isInTransaction(): boolean {
    return this.#state.isInTransaction;
  }

  async prepare(sql: string): Promise<{ parameterCount: number; columns: Column[] }> {
    return this.#exclusively(() => this.#call<Prepared>('prepare', { sql }));
  }

  async execute(
    sql: string,
    parameters: readonly SqlValue[],
    signal: AbortSignal,
    given?: Partial<SessionFacts>,
  ): Promise<StatementResult> {
    return this.#exclusively(async () => {
      if (signal.aborted) throw fail('QUERY_INTERRUPTED', {});
      if (this.#hasLostState() && ROLLBACK.test(sql)) {
        this.#forgetHost();
        return okResult();
      }
      const known = {
        lastInsertId: this.#lastInsertId,
        rowCount: this.#rowCount,
        foundRows: this.#foundRows,
        ...given,
      };
      const facts = completeFacts(known, this.#options.clock.nowNs());
      // The host ends the rows of an earlier result by itself.
      this.#cursor = null;
      const keepsLog = this.#options.sessionLog?.keepsLog(this.#options.tenant.tenantId) ?? false;
      const statement = { sql, parameters, facts, keepsLog };
      const first = await this.#call<Answer>('execute', statement, signal);
      const answer = first.kind === 'busy' ? await this.#waitForLock(statement, signal) : first;
      this.#state = answer.state;
      if (answer.kind === 'rows') return this.#toRows(answer, signal);
      if (answer.lastInsertId !== 0n) this.#lastInsertId = answer.lastInsertId;
      this.#rowCount = answer.affectedRows;
      return okResult(answer.affectedRows, answer.lastInsertId);
    });
  }

  async reset(): Promise<void> {
    await this.#exclusively(async () => {
      this.#leaveHost();
      this.#lastInsertId = 0n;
      this.#rowCount = 0n;
    });
  }

  /** Ends the session; its host closes the connection, which rolls back. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leaveHost();
    this.#options.onClose();
  }

  /** The driver ended the hosts: whatever the client does next fails once with the reason. */
  end(): void {
    this.#isClosed = true;
    this.#forgetHost();
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw sessionsEnded();
    assert(!this.#isRunning, 'a session runs one statement at a time');
    this.#isRunning = true;
    try {
      return await work();
    } finally {
      this.#isRunning = false;
    }
  }

  /** True when the process went away with something that a new one cannot give back. */
  #hasLostState(): boolean {
    if (!this.#link || this.#link.isAlive) return false;
    return this.#state.isInTransaction || this.#state.isStateful;
  }

  #forgetHost(): void {
    const link = this.#link;
    this.#link = null;
    this.#cursor = null;
    this.#state = { isInTransaction: false, isStateful: false };
    if (link) this.#options.pool.release(link);
  }

  /** Closes the connection in the host without waiting: the host may be busy with somebody else's statement. */
  #leaveHost(): void {
    this.#tellHost('close');
    this.#forgetHost();
  }

  #tellHost(verb: 'close' | 'abandon'): void {
    const link = this.#link;
    if (!link?.isAlive) return;
    link.run(verb, { session: this.#options.session }).catch((error: unknown) => {
      // A host that is gone has done it already; one that can not is of no use to anybody.
      if (!(error instanceof HostGone)) link.kill(`a session could not ${verb}: ${String(error)}`);
    });
  }

  /** The host of this session, with its connection open. @throws HOST_LOST once after a transaction was lost */
  async #host(signal?: AbortSignal): Promise<HostLink> {
    if (this.#link?.isAlive) return this.#link;
    if (this.#link) {
      const because = this.#link.goneBecause;
      const hadState = this.#hasLostState();
      this.#forgetHost();
      if (hadState) throw fail('HOST_LOST', { because });
    }
    const { tenant, pool, session } = this.#options;
    const link = pool.take();
    const { location, name: tenantName, mode, isReadOnly } = tenant;
    const request = { session, location, tenantName, mode, isReadOnly };
    try {
      await this.#untilFree(async () => {
        const { isBusy } = await link.run<{ isBusy: boolean }>('open', request, signal);
        return isBusy ? undefined : true;
      }, signal);
    } catch (error) {
      pool.release(link);
      throw error;
    }
    if (this.#isClosed) {
      pool.release(link);
      throw sessionsEnded();
    }
    this.#link = link;
    return link;
  }

  /** Calls the session's host; a call that a dying host never began goes to a new one when nothing was lost. */
  async #call<T>(verb: string, argument: object, signal?: AbortSignal): Promise<T> {
    for (let fork = 1; ; fork++) {
      try {
        let waits = 0;
        for (let wait = this.#untilLogged(0, signal); wait; wait = this.#untilLogged(++waits, signal)) await wait;
        // Nothing came between the last look and here, and the host that is taken now keeps the tenant in use.
        const link = await this.#host(signal);
        return await link.run<T>(verb, { ...argument, session: this.#options.session }, signal);
      } catch (error) {
        if (!(error instanceof HostGone)) throw error;
        if (this.#isClosed) throw sessionsEnded();
        const isSafe = !error.hasStarted && !this.#hasLostState();
        if (isSafe && fork < FORKS_MAX) continue;
        this.#forgetHost();
        throw asHostLost(error);
      }
    }
  }

  /** undefined when the log's capture is attached, or can not be soon: then the log waits for it. */
  #untilLogged(waits: number, signal?: AbortSignal): Promise<void> | undefined {
    const { sessionLog, tenant } = this.#options;
    const attaching = waits < LOG_WAITS_MAX ? sessionLog?.beforeUse(tenant.tenantId) : undefined;
    return attaching?.then(() => {
      if (signal?.aborted) throw fail('QUERY_INTERRUPTED', {});
      if (this.#isClosed) throw sessionsEnded();
    });
  }

  /** Tries until the attempt answers. @throws LOCK_WAIT_TIMEOUT (1205), QUERY_INTERRUPTED (1317) */
  async #untilFree<T>(attempt: () => Promise<T | undefined>, signal?: AbortSignal): Promise<T> {
    const { clock, lockWaitMs } = this.#options;
    const endMs = clock.monotonicMs() + lockWaitMs;
    for (let pauseMs = LOCK_RETRY_MS_FIRST; ; pauseMs = Math.min(pauseMs + 1, LOCK_RETRY_MS_MAX)) {
      const answer = await attempt();
      if (answer !== undefined) return answer;
      if (clock.monotonicMs() >= endMs) throw fail('LOCK_WAIT_TIMEOUT', {});
      await sleep(pauseMs);
      if (signal?.aborted) throw fail('QUERY_INTERRUPTED', {});
      if (this.#isClosed) throw sessionsEnded();
    }
  }

  async #waitForLock(statement: object, signal: AbortSignal): Promise<Exclude<Answer, { kind: 'busy' }>> {
    try {
      return await this.#untilFree(async () => {
        const answer = await this.#retry(statement, signal);
        return answer.kind === 'busy' ? undefined : answer;
      }, signal);
    } catch (error) {
      this.#tellHost('abandon');
      throw error;
    }
  }

  /** Tries the waiting statement again, from its beginning when another host has to run it now. */
  async #retry(statement: object, signal: AbortSignal): Promise<Answer> {
    const link = this.#link;
    try {
      if (link?.isAlive) return await link.run<Answer>('retry', { session: this.#options.session }, signal);
    } catch (error) {
      if (!(error instanceof HostGone) || error.hasStarted) throw asHostLost(error);
    }
    return this.#call<Answer>('execute', statement, signal);
  }

  #toRows(answer: RowsAnswer, signal: AbortSignal): StatementResult {
    const cursor = {};
    this.#cursor = answer.batch.isLast ? null : cursor;
    const rows = this.#rows(answer.batch, cursor, signal);
    return { kind: 'rows', columns: answer.columns, rows, warnings: 0 };
  }

  async *#rows(first: Batch, cursor: object, signal: AbortSignal): AsyncGenerator<SqlValue[][]> {
    let batch = first;
    let rowCount = 0n;
    try {
      for (;;) {
        rowCount += BigInt(batch.rows.length);
        if (batch.rows.length > 0) yield batch.rows;
        if (batch.isLast) return;
        batch = await this.#fetch(cursor, signal);
      }
    } finally {
      if (this.#cursor === cursor) {
        this.#cursor = null;
        if (!batch.isLast) this.#tellHost('abandon');
      }
      this.#rowCount = -1n;
      this.#foundRows = rowCount;
    }
  }

  async #fetch(cursor: object, signal: AbortSignal): Promise<Batch> {
    if (this.#isClosed) throw sessionsEnded();
    if (signal.aborted) throw fail('QUERY_INTERRUPTED', {});
    const link = this.#link;
    // A later statement or the end of the process has closed this result.
    if (this.#cursor !== cursor || !link) throw fail('QUERY_INTERRUPTED', {});
    try {
      const answer = await link.run<{ batch: Batch; state: SessionState }>(
        'fetch',
        { session: this.#options.session },
        signal,
      );
      this.#state = answer.state;
      return answer.batch;
    } catch (error) {
      throw asHostLost(error);
    }
  }
}
