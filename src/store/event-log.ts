// The event history: appended to in the transactions of what it tells, read in pages, and bounded in time and rows.
import { assert } from '../base/assert.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import { EVENT_FACTS_MAX, type NewEvent, type RecordedEvent } from '../model/event.ts';
import type { Statements } from './statements.ts';

/** Some 10 MB, and two seconds for a query over all of them. Ten thousand tenants that begin to archive make as many. */
export const EVENTS_MAX = 50_000;
/** How many are appended between two looks at what is too old or too many: the look costs more than an event. */
const EVENTS_PER_LOOK = 500;
/** Rows read at a time, so that a view of all of them lets other work have its turn. */
const PAGE_ROWS = 500;

export class EventLog {
  readonly #db: Statements;
  readonly #retentionNs: () => bigint;
  #untilLook = 0;

  /** @param retentionNs how long events are kept */
  constructor(db: Statements, retentionNs: () => bigint) {
    this.#db = db;
    this.#retentionNs = retentionNs;
  }

  /** Appends an event. Inside a transaction it is there exactly when the change is that it tells of. */
  record(nowNs: bigint, { module, event, facts, extraInfo }: NewEvent): void {
    const pairs = Object.entries(facts).map(([name, value]) => [name, String(value)]);
    assert(pairs.length <= EVENT_FACTS_MAX, 'an event has six facts at most');
    this.#db.run('INSERT INTO event (time_ns, module, event, facts, extra_info) VALUES (?, ?, ?, ?, ?)', [
      ...[nowNs, module, event, JSON.stringify(pairs)],
      (extraInfo ?? '').slice(0, COMMENT_CHARS_MAX),
    ]);
    if (this.#untilLook-- > 0) return;
    this.#untilLook = EVENTS_PER_LOOK;
    this.#forgetOld(nowNs);
  }

  /** Every event that is young enough, the oldest first. */
  *since(nowNs: bigint): Generator<RecordedEvent> {
    const fromNs = nowNs - this.#retentionNs();
    const sql = 'SELECT * FROM event WHERE event_id > ? AND time_ns >= ? ORDER BY event_id LIMIT ?';
    for (let after = 0n; ; ) {
      const rows = this.#db.all(sql, [after, fromNs, PAGE_ROWS]);
      for (const row of rows) {
        after = row.event_id as bigint;
        yield {
          eventId: Number(after),
          timeNs: row.time_ns as bigint,
          module: row.module as RecordedEvent['module'],
          event: String(row.event),
          facts: JSON.parse(String(row.facts)) as RecordedEvent['facts'],
          extraInfo: String(row.extra_info),
        };
      }
      if (rows.length < PAGE_ROWS) return;
    }
  }

  #forgetOld(nowNs: bigint): void {
    this.#db.run('DELETE FROM event WHERE time_ns < ?', [nowNs - this.#retentionNs()]);
    this.#db.run('DELETE FROM event WHERE event_id <= (SELECT MAX(event_id) FROM event) - ?', [EVENTS_MAX]);
  }
}
