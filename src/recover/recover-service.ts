// What the recover room offers to statements.

/** A table as a statement names it; `*` stands for all. */
export interface TableName {
  database: string;
  table: string;
}

/** REMAP TABLE: what is null stays as it was. */
export interface TableRemap {
  from: TableName;
  to: { database: string | null; table: string | null };
}

export interface RecoverRequest<Source> {
  /** The tenant that gets the tables. */
  targetTenantId: number;
  tables: readonly TableName[];
  remaps: readonly TableRemap[];
  /** What a restore of the auxiliary tenant needs: uris, target point, options, passwords. */
  source: Source;
  /** Whether the session has given passwords; only that it has is shown. */
  hasPassword: boolean;
}

export interface RecoverService<Source> {
  /** Goes on with every job a previous server left unfinished. After the restores have started. */
  start(): void;
  /** Stops workers; unfinished jobs are taken up at the next start. */
  stop(): Promise<void>;
  /**
   * Checks names, target and passwords, plans the restore of an auxiliary tenant, records both jobs, returns; the work
   * goes on in the background.
   * @throws INVALID_ARGUMENT (4002), ENTRY_EXISTS (4017) naming tables that the target has already; TENANT_NOT_NORMAL
   *         (5161), NOT_ALLOWED (4179) for a STANDBY; RESTORE_IN_PROGRESS (9014) while another job has this target;
   *         NOT_SUPPORTED (4007) for another engine or mode; what a restore throws
   */
  recover(request: RecoverRequest<Source>): Promise<void>;
  /** CANCEL RECOVER TABLE. @throws ENTRY_NOT_EXIST (4018) when none runs for this target, or it is being committed */
  cancel(tenantName: string): void;
  /** Cancels and waits: the tenant is being dropped. */
  forget(tenantId: number): Promise<void>;
}
