// Counts events that are alike, so that a flood of refused statements or log-ins becomes few entries. Pure.
import type { AuditEvent } from '../model/audit-event.ts';

/** What makes events alike. */
export type TallyKey = Pick<AuditEvent, 'tenantId' | 'kind' | 'user' | 'host' | 'statement' | 'errno'>;

export interface TallyEntry extends TallyKey {
  firstNs: bigint;
  lastNs: bigint;
  count: number;
  /** The entry in the store; null before the first writing. */
  eventId: number | null;
}

/** Events of a day are one entry: the log-ins of an application must not push out the rest of a tenant's history. */
const ENTRY_NS_MAX = 86_400n * 1_000_000_000n;

/** Entries of one tenant at a time. Beyond, events differ by kind and error alone: a flood can not bring its own names. */
const ENTRIES_PER_TENANT_MAX = 100;

/** Stands for users, addresses and statements beyond that. */
const OTHERS = '(others)';

const textOf = ({ tenantId, kind, user, host, statement, errno }: TallyKey) =>
  JSON.stringify([tenantId, kind, user, host, statement, errno]);

export class Tally {
  readonly #entries = new Map<string, TallyEntry>();
  readonly #byTenant = new Map<number, number>();
  readonly #changed = new Set<TallyEntry>();

  add(key: TallyKey, nowNs: bigint): void {
    const entry = this.#entryOf(key, nowNs);
    entry.count += 1;
    entry.lastNs = nowNs;
    this.#changed.add(entry);
  }

  get hasChanged(): boolean {
    return this.#changed.size > 0;
  }

  /** What is to be written, in the order of the first event since the last writing. */
  changed(): readonly TallyEntry[] {
    return [...this.#changed];
  }

  /** They are written; entries that no event can join any more are forgotten. */
  settle(nowNs: bigint): void {
    this.#changed.clear();
    for (const [text, entry] of this.#entries) if (isOver(entry, nowNs)) this.#forget(text, entry);
  }

  #entryOf(key: TallyKey, nowNs: bigint): TallyEntry {
    const found = this.#find(key, nowNs);
    if (found) return found;
    const isFull = (this.#byTenant.get(key.tenantId) ?? 0) >= ENTRIES_PER_TENANT_MAX;
    if (!isFull) return this.#open(key, nowNs);
    const rest = { ...key, user: OTHERS, host: OTHERS, statement: key.statement === null ? null : OTHERS };
    return this.#find(rest, nowNs) ?? this.#open(rest, nowNs);
  }

  #find(key: TallyKey, nowNs: bigint): TallyEntry | undefined {
    const text = textOf(key);
    const entry = this.#entries.get(text);
    if (!entry || !isOver(entry, nowNs)) return entry;
    this.#forget(text, entry);
    return undefined;
  }

  #open(key: TallyKey, nowNs: bigint): TallyEntry {
    const { tenantId, kind, user, host, statement, errno } = key;
    const entry = {
      tenantId,
      kind,
      user,
      host,
      statement,
      errno,
      firstNs: nowNs,
      lastNs: nowNs,
      count: 0,
      eventId: null,
    };
    this.#entries.set(textOf(key), entry);
    this.#byTenant.set(tenantId, (this.#byTenant.get(tenantId) ?? 0) + 1);
    return entry;
  }

  #forget(text: string, { tenantId }: TallyEntry): void {
    this.#entries.delete(text);
    const left = (this.#byTenant.get(tenantId) ?? 1) - 1;
    if (left > 0) this.#byTenant.set(tenantId, left);
    else this.#byTenant.delete(tenantId);
  }
}

function isOver(entry: TallyEntry, nowNs: bigint): boolean {
  return nowNs - entry.firstNs >= ENTRY_NS_MAX;
}
