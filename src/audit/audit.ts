// The audit: who managed what and when, and who logged in or tried to. A statement that manages something is recorded
// before it runs; what was refused, and log-ins, are counted in memory and written together: they cost nobody a wait.
import type { Clock } from '../base/clock.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { AuditEvent } from '../model/audit-event.ts';
import type { Store } from '../store/store.ts';
import type { Actor, AuditedStatement, AuditService } from './audit-service.ts';
import { Tally, type TallyEntry, type TallyKey } from './tally.ts';

/** How long a counted event may wait for its writing: what a crash can lose of them. */
const WRITE_MS_MAX = 1000;
/** How often it is looked which entries are too old; `audit_retention` is an hour at least. */
const CLEAN_MS = 3600 * 1000;
/** Entries of one tenant: about 20 MB with statements of ordinary length. A tenant's flood costs only his own history. */
const ENTRIES_PER_TENANT_MAX = 10_000;
/** Entries of all: what a query over the view can still read at once. */
const ENTRIES_MAX = 100_000;
/** New entries of a tenant between two looks at these bounds, so that most statements do not pay for it. */
const ENTRIES_PER_TRIM = 100;
/** Longest text of a statement: a destination's longest uri fits. */
const STATEMENT_CHARS_MAX = 4096;
const NS_PER_US = 1000n;

export interface AuditDependencies {
  store: Store;
  clock: Clock;
  log: Log;
}

/** The text as it is kept; a surrogate pair is not cut through. */
function boundedText(text: string): string {
  if (text.length <= STATEMENT_CHARS_MAX) return text;
  return `${text.slice(0, STATEMENT_CHARS_MAX - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

class Audit implements AuditService {
  readonly #deps: AuditDependencies;
  readonly #tally = new Tally();
  readonly #sinceTrim = new Map<number, number>();
  #writeTimer: NodeJS.Timeout | undefined;
  #cleanTimer: NodeJS.Timeout | undefined;

  constructor(deps: AuditDependencies) {
    this.#deps = deps;
  }

  start(): void {
    this.#clean();
    this.#cleanTimer = setInterval(() => this.#clean(), CLEAN_MS);
    this.#cleanTimer.unref();
  }

  stop(): void {
    clearInterval(this.#cleanTimer);
    clearTimeout(this.#writeTimer);
    this.#write();
  }

  begin({ text, ...actor }: AuditedStatement): number {
    const nowNs = this.#deps.clock.nowNs();
    const statement = boundedText(text);
    const times = { firstNs: nowNs, lastNs: nowNs, count: 1 };
    const eventId = this.#insert({ ...actor, ...times, kind: 'STATEMENT', statement, errno: null, elapsedUs: null });
    this.#trim(actor.tenantId);
    return eventId;
  }

  end(eventId: number, { errno, elapsedUs }: { errno: number; elapsedUs: number }): void {
    try {
      // Its entry may be gone: a statement can take longer than a busy tenant's history lasts.
      this.#deps.store.auditEvents.update({ eventId }, { errno, elapsedUs });
    } catch (error) {
      this.#deps.log.error('audit entry not completed', { eventId, errno, error });
    }
  }

  count({ tenantId, user, host, text }: AuditedStatement, errno: number): void {
    this.#count({ tenantId, user, host, kind: 'STATEMENT', statement: boundedText(text), errno });
  }

  logIn({ tenantId, user, host }: Actor, errno: number): void {
    this.#count({ tenantId, user, host, kind: 'LOGIN', statement: null, errno });
  }

  #count(key: TallyKey): void {
    this.#tally.add(key, this.#deps.clock.nowNs());
    this.#writeLater();
  }

  #writeLater(): void {
    this.#writeTimer ??= setTimeout(() => {
      this.#writeTimer = undefined;
      this.#write();
    }, WRITE_MS_MAX);
    this.#writeTimer.unref();
  }

  /** Writes what was counted; what can not be written now stays counted and is tried again. */
  #write(): void {
    if (!this.#tally.hasChanged) return;
    const { store, clock, log } = this.#deps;
    const entries = this.#tally.changed();
    try {
      const ids = store.transaction(() => entries.map((entry) => this.#save(entry)));
      for (const [at, entry] of entries.entries()) entry.eventId = ids[at]!;
      this.#tally.settle(clock.nowNs());
      for (const tenantId of new Set(entries.map((entry) => entry.tenantId))) this.#trim(tenantId);
    } catch (error) {
      log.error('audit entries not written, trying again', { count: entries.length, error });
      this.#writeLater();
    }
  }

  /** @returns the id under which it is kept */
  #save({ eventId, lastNs, count, ...entry }: TallyEntry): number {
    if (eventId !== null && this.#deps.store.auditEvents.update({ eventId }, { lastNs, count })) return eventId;
    return this.#insert({ ...entry, lastNs, count, connectionId: null, elapsedUs: null });
  }

  #insert(event: Omit<AuditEvent, 'eventId'>): number {
    const { store } = this.#deps;
    const { tenantId } = event;
    this.#sinceTrim.set(tenantId, (this.#sinceTrim.get(tenantId) ?? 0) + 1);
    return store.transaction(() => {
      const eventId = store.nextId(SYS_TENANT_ID, 'audit');
      store.auditEvents.insert({ ...event, eventId });
      return eventId;
    });
  }

  #trim(tenantId: number): void {
    if ((this.#sinceTrim.get(tenantId) ?? 0) < ENTRIES_PER_TRIM) return;
    this.#sinceTrim.delete(tenantId);
    this.#deps.store.trimAudit(ENTRIES_PER_TENANT_MAX, tenantId);
    this.#deps.store.trimAudit(ENTRIES_MAX);
  }

  #clean(): void {
    const { store, clock, log } = this.#deps;
    try {
      store.removeAuditBefore(clock.nowNs() - store.durationUs(SYS_TENANT_ID, 'audit_retention') * NS_PER_US);
      store.trimAudit(ENTRIES_MAX);
    } catch (error) {
      log.error('audit not cleaned, trying again in an hour', { error });
    }
  }
}

export function createAudit(deps: AuditDependencies): AuditService {
  return new Audit(deps);
}
