// What the audit offers to statements and log-ins.

/** Whose doing something is. */
export interface Actor {
  /** The tenant of the session, or the one that was to be logged in to. */
  tenantId: number;
  user: string;
  /** Address of the client. */
  host: string;
}

export interface AuditedStatement extends Actor {
  connectionId: number;
  /** Secrets hidden already. */
  text: string;
}

export interface AuditService {
  /** From now on old entries go by themselves. */
  start(): void;
  /** Writes what is still only counted. */
  stop(): void;
  /** Records a statement, durably, before it runs. @returns the id of its entry */
  begin(statement: AuditedStatement): number;
  /** Records how it ended. Never throws: the outcome is the client's, whatever becomes of its entry. */
  end(eventId: number, outcome: { errno: number; elapsedUs: number }): void;
  /**
   * Counts a statement that was refused before it began, or that anybody may run: written within a second, alike ones of
   * a day in one entry, so that who may manage nothing can not fill the history.
   * @param errno 0 when it succeeded
   */
  count(statement: AuditedStatement, errno: number): void;
  /** Counts a log-in, in the same way. @param errno 0 when it succeeded */
  logIn(actor: Actor, errno: number): void;
}
