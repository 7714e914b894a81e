// An event: what the server did or was told, for who asks afterwards what happened.

/** What an event is about; the manual's modules, and ours. @source OceanBase 4.3.3 docs, DBA_OB_ROOTSERVICE_EVENT_HISTORY */
export type EventModule =
  | 'backup_data'
  | 'log_archive'
  | 'physical_restore'
  | 'backup_clean'
  | 'backup_validate'
  | 'schedule'
  | 'tenant'
  | 'parameter';

/** NAME1 and VALUE1 to NAME6 and VALUE6. */
export const EVENT_FACTS_MAX = 6;

export interface NewEvent {
  module: EventModule;
  /** Verb and noun in lower case, as the manual writes them: `start_backup_data`. */
  event: string;
  /** Names and values in the order shown, at most six; `result` is an error number, 0 for none. Never a secret. */
  facts: Readonly<Record<string, string | number | bigint>>;
  /** A text for people, for example a COMMENT. */
  extraInfo?: string;
}

export interface RecordedEvent {
  eventId: number;
  timeNs: bigint;
  module: EventModule;
  event: string;
  /** In the order recorded. */
  facts: ReadonlyArray<readonly [name: string, value: string]>;
  extraInfo: string;
}
