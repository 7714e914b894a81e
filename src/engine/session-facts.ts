// What a session knows and SQL functions such as USER() or NOW() ask for; passed in with every statement.

import { localTimeZone } from '../model/time-zone.ts';

export interface SessionFacts {
  user: string;
  /** Address of the client, without port. */
  host: string;
  database: string | null;
  connectionId: number;
  lastInsertId: bigint;
  /** Affected rows of the statement before, for ROW_COUNT(). */
  rowCount: bigint;
  /** Rows of the query before, for FOUND_ROWS(). */
  foundRows: bigint;
  /** Offset or IANA name; NOW() is told in it. */
  timeZone: string;
  /** What VERSION() answers. */
  version: string;
  /** The moment the statement began: NOW() is the same throughout a statement. */
  nowNs: bigint;
}

/** Fills in what a caller left out. @param nowNs the moment of the statement when `given` names none */
export function completeFacts(given: Partial<SessionFacts> | undefined, nowNs: bigint): SessionFacts {
  return {
    user: '',
    host: '',
    database: null,
    connectionId: 0,
    lastInsertId: 0n,
    rowCount: 0n,
    foundRows: 0n,
    timeZone: localTimeZone(),
    version: '5.7.25-OceanBase-v4.3.3.0-Holdfast',
    nowNs,
    ...given,
  };
}
