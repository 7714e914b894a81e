// What a query over system views brings along: the views' rows, the text, and what the session knows.

import type { Column, ColumnType, SqlValue } from '../model/result.ts';
import type { SessionFacts } from './session-facts.ts';

/** One view, filled with only the rows that the session may see. */
export interface ViewTable {
  name: string;
  columns: readonly { name: string; type: ColumnType }[];
  rows: readonly (readonly SqlValue[])[];
}

export interface ViewSchema {
  schema: string;
  tables: readonly ViewTable[];
}

/** A query as it goes to the view host. */
export interface ViewQuery {
  schemas: readonly ViewSchema[];
  /** One SELECT (or WITH … SELECT) as the client wrote it; `@@variables` are replaced by the caller. */
  sql: string;
  parameters: readonly SqlValue[];
  mode: 'mysql' | 'oracle';
  /** Its views need no qualification. */
  currentSchema: string | null;
  facts: SessionFacts;
}

export interface ViewAnswer {
  columns: Column[];
  rows: SqlValue[][];
}
