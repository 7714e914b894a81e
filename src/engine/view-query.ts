// Queries over system views: the plainest are answered here, all others are asked of one shared host process that can be
// killed and started again: see view-host.ts.

import { forkChild } from '../base/child-process.ts';
import { fail, isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { type RowsResult, rowsResult } from '../model/result.ts';
import { guardHost } from './host-guard.ts';
import { HostGone, HostLink } from './host-link.ts';
import { plainAnswer } from './plain-view-query.ts';
import { completeFacts, type SessionFacts } from './session-facts.ts';
import type { ViewAnswer, ViewQuery, ViewSchema } from './view-request.ts';

/** Longest time a query may take, waiting for others included: views are small, more is a runaway. */
const VIEW_QUERY_MS_MAX = 60_000;

/** How often a query that never began in a dying host is asked of the next one. */
const HOSTS_TRIED_MAX = 5;

/** How many hosts may die of one query: it only reads, so it can be asked again; one that needs too much would go on so. */
const HOSTS_LOST_MAX = 2;

/** SQLite attaches ten databases at most. */
const SCHEMAS_MAX = 10;

const HOST_HEAP_BYTES_MAX = 512 * MIB;

/** The host is ended when it holds more than this: a query that needs it is a mistake. */
const HOST_RSS_BYTES_MAX = 1024 * MIB;

export interface ViewQueryRequest extends Omit<ViewQuery, 'facts'> {
  schemas: readonly ViewSchema[];
  /** What functions such as USER() answer. `nowNs` is the moment of the query. */
  facts: Partial<SessionFacts> & Pick<SessionFacts, 'nowNs'>;
  signal: AbortSignal;
  /** Default 60 s. */
  timeoutMs?: number;
}

/** Why a host went that is not to be followed by another. */
const STOPPING = 'the server is stopping';

let shared: HostLink | null = null;

function host(): HostLink {
  if (!shared?.isAlive) {
    const execArgv = [`--max-old-space-size=${HOST_HEAP_BYTES_MAX / MIB}`];
    const child = forkChild('./view-host', import.meta.url, {}, { execArgv });
    guardHost(child, { rssBytesMax: HOST_RSS_BYTES_MAX });
    shared = new HostLink(child);
  }
  return shared;
}

async function ask(query: ViewQuery, signal: AbortSignal): Promise<ViewAnswer> {
  let lost = 0;
  for (let tried = 1; ; tried++) {
    try {
      return await host().run<ViewAnswer>('query', query, signal);
    } catch (error) {
      if (!(error instanceof HostGone)) throw error;
      if (error.hasStarted) lost++;
      const isOver = signal.aborted || error.because === STOPPING;
      if (!isOver && lost < HOSTS_LOST_MAX && tried < HOSTS_TRIED_MAX) continue;
      const message = `the query could not be answered: ${error.because}; it may have needed too much memory`;
      throw fail('ENGINE', { message }, { cause: error });
    }
  }
}

/**
 * Answers one SELECT over system views.
 * A column that is directly a view's keeps its declared type and its values exactly; others are typed by their values.
 * @throws SYNTAX (1064), UNKNOWN_TABLE (1146), UNKNOWN_COLUMN (1054), PARAMETER_COUNT, QUERY_INTERRUPTED (1317) when
 * aborted, TIMEOUT (4012) after 60 s, ENGINE_STATEMENT_REFUSED for what does not only read
 */
export async function runViewQuery(request: ViewQueryRequest): Promise<RowsResult> {
  const { signal, timeoutMs = VIEW_QUERY_MS_MAX, facts, ...rest } = request;
  const plain = plainAnswer(rest);
  if (plain) return rowsResult(plain.columns, plain.rows);
  if (rest.schemas.length > SCHEMAS_MAX)
    throw fail('NOT_SUPPORTED', { what: `A query over more than ${SCHEMAS_MAX} schemas` });
  const stopper = new AbortController();
  const stop = () => stopper.abort();
  const timer = setTimeout(stop, timeoutMs);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    const query: ViewQuery = { ...rest, facts: completeFacts(facts, facts.nowNs) };
    const { columns, rows } = await ask(query, stopper.signal);
    return rowsResult(columns, rows);
  } catch (error) {
    if (!signal.aborted && stopper.signal.aborted && isFailure(error, 'QUERY_INTERRUPTED'))
      throw fail('TIMEOUT', { what: `a query of system views took longer than ${timeoutMs} ms` });
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Ends the shared host; the next query starts a new one. */
export async function closeViewHost(): Promise<void> {
  const link = shared;
  shared = null;
  link?.kill(STOPPING);
  await link?.exited;
}
