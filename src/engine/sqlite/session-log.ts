// What archives the tenants' logs, as far as SQL sessions are concerned.

export interface SessionLog {
  /** Asked before a session uses the tenant's file; undefined when it may at once. */
  beforeUse(tenantId: number): Promise<void> | undefined;
  /** The log is to be archived: sessions do not checkpoint, so that no writer can reset it before its time. */
  keepsLog(tenantId: number): boolean;
}
