// One entry of the audit: a statement that manages, or log-ins of one kind.

/** STATEMENT: it was run, or refused before it began. LOGIN: log-ins of one user from one address with one outcome. */
export type AuditKind = 'STATEMENT' | 'LOGIN';

export interface AuditEvent {
  /** Ascending in the order of what happened, over all tenants. */
  eventId: number;
  /** The tenant of the session, or the one that was to be logged in to; sys for one that does not exist. */
  tenantId: number;
  kind: AuditKind;
  /** The account; `UNKNOWN_USER` for a name that has none, because people type passwords there. */
  user: string;
  /** Address of the client. */
  host: string;
  /** null where events of several connections are one entry. */
  connectionId: number | null;
  /** Secrets hidden; null for log-ins. */
  statement: string | null;
  firstNs: bigint;
  /** Of the last event of the entry. */
  lastNs: bigint;
  /** Events in this entry: log-ins and refused statements that are alike are counted, not repeated. */
  count: number;
  /** The error as a mysql client knows it, 0 for none; null: it still runs, or the server ended while it ran. */
  errno: number | null;
  /** null as for `errno`, and where several events are one entry. */
  elapsedUs: number | null;
}

export const UNKNOWN_USER = '(unknown)';
