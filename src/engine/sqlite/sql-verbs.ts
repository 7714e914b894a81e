// What the server and a SQL host say to each other.

import type { Column, SqlValue } from '../../model/result.ts';
import type { SessionFacts } from '../session-facts.ts';

export interface OpenSession {
  session: number;
  location: string;
  tenantName: string;
  mode: 'mysql' | 'oracle';
  isReadOnly: boolean;
}

export interface ExecuteStatement {
  session: number;
  sql: string;
  parameters: readonly SqlValue[];
  facts: SessionFacts;
  /** The log is to be archived: this connection does not checkpoint it. */
  keepsLog: boolean;
}

/** What the server must know of a session after each answer. */
export interface SessionState {
  isInTransaction: boolean;
  /** It has temporary objects or settings that a new process would lack. */
  isStateful: boolean;
}

export interface Batch {
  rows: SqlValue[][];
  isLast: boolean;
}

export type Answer =
  /** Another session holds the lock; nothing has happened; ask again with `retry`. */
  | { kind: 'busy' }
  | { kind: 'ok'; state: SessionState; affectedRows: bigint; lastInsertId: bigint }
  | { kind: 'rows'; state: SessionState; columns: Column[]; batch: Batch };

export interface Prepared {
  parameterCount: number;
  columns: Column[];
}
