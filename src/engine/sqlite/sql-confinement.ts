// What a tenant's SQL may not do: reach outside its own file, or change how the file is journaled, which would break
// the log archive. SQLite's authorizer decides while a statement is compiled, so nothing has happened when it refuses.

import { MIB } from '../../base/limits.ts';
import { sqliteConstants as constants, DatabaseSync } from '../../base/sqlite.ts';

/** Why something was refused; the facts of ENGINE_STATEMENT_REFUSED. */
export interface Refusal {
  what: string;
  because: string;
}

/** What the authorizer knows about the statement being compiled. */
export interface Guard {
  /** A plain VACUUM attaches a nameless scratch database by itself. */
  isVacuum: boolean;
  refusal: Refusal | null;
  /** The table that an INSERT names. */
  insertsInto: string | null;
  /** The session made something that a new process would not have: a temporary object, a setting. */
  isStateful: boolean;
}

/** Longest statement: what MySQL clients may send (max_allowed_packet). */
const SQL_BYTES_MAX = 64 * MIB;
/** Largest value or row: SQLite's own default, named so that it does not change unnoticed. */
const VALUE_BYTES_MAX = 1_000_000_000;

const CAPTURE = 'the log archive depends on it';
const OUTSIDE = 'it reaches outside the tenant';
const INTEGRITY = 'it could damage the database';
const FIXED = 'the server sets it for every connection';

/** Pragmas with their right: only to look, or also to set. */
const PRAGMAS: Record<string, 'look' | 'set'> = {
  table_info: 'set',
  table_xinfo: 'set',
  table_list: 'set',
  index_list: 'set',
  index_info: 'set',
  index_xinfo: 'set',
  foreign_key_list: 'set',
  foreign_key_check: 'set',
  quick_check: 'set',
  integrity_check: 'set',
  optimize: 'set',
  incremental_vacuum: 'set',
  foreign_keys: 'set',
  defer_foreign_keys: 'set',
  recursive_triggers: 'set',
  case_sensitive_like: 'set',
  ignore_check_constraints: 'set',
  legacy_alter_table: 'set',
  user_version: 'set',
  application_id: 'set',
  encoding: 'look',
  page_count: 'look',
  page_size: 'look',
  freelist_count: 'look',
  auto_vacuum: 'look',
  journal_mode: 'look',
  locking_mode: 'look',
  synchronous: 'look',
  data_version: 'look',
  schema_version: 'look',
  compile_options: 'look',
  function_list: 'look',
  collation_list: 'look',
  module_list: 'look',
  pragma_list: 'look',
};

/** Reasons better than "not on the list". */
const PRAGMA_REASONS: Record<string, string> = {
  journal_mode: CAPTURE,
  wal_checkpoint: CAPTURE,
  wal_autocheckpoint: CAPTURE,
  locking_mode: CAPTURE,
  journal_size_limit: CAPTURE,
  page_size: CAPTURE,
  auto_vacuum: CAPTURE,
  max_page_count: FIXED,
  synchronous: 'a commit must be durable before the log archive takes it',
  writable_schema: INTEGRITY,
  trusted_schema: INTEGRITY,
  cell_size_check: FIXED,
  schema_version: INTEGRITY,
  mmap_size: FIXED,
  cache_size: FIXED,
  busy_timeout: FIXED,
  query_only: FIXED,
  temp_store: FIXED,
  threads: FIXED,
  soft_heap_limit: FIXED,
  hard_heap_limit: FIXED,
  temp_store_directory: OUTSIDE,
  data_store_directory: OUTSIDE,
  database_list: 'it would show paths of the server',
  key: 'encryption is set for the tenant as a whole',
  rekey: 'encryption is set for the tenant as a whole',
};

const MODULES = new Set(['fts3', 'fts4', 'fts4aux', 'fts5', 'fts5vocab', 'rtree', 'rtree_i32', 'geopoly']);

const FUNCTIONS_REFUSED: Record<string, string> = {
  load_extension: 'it runs code in the server',
  fts3_tokenizer: 'it takes addresses of memory',
  readfile: OUTSIDE,
  writefile: OUTSIDE,
  edit: OUTSIDE,
  zipfile: OUTSIDE,
};

/** Decides on a pragma. @returns null when it may run */
export function judgePragma(name: string, value: string | null): Refusal | null {
  const key = name.toLowerCase();
  // Not every getter's own name tells it from a setter, so the value decides: without one nothing is changed.
  const right = Object.hasOwn(PRAGMAS, key) ? PRAGMAS[key] : undefined;
  if (right === 'set' || (right === 'look' && value === null)) return null;
  const what = value === null || right === undefined ? `PRAGMA ${key}` : `Setting PRAGMA ${key}`;
  const reason = Object.hasOwn(PRAGMA_REASONS, key) ? PRAGMA_REASONS[key] : undefined;
  return { what, because: reason ?? 'it is not one of the pragmas a tenant may use' };
}

function judge(guard: Guard, action: number, first: string | null, second: string | null): Refusal | null {
  switch (action) {
    case constants.SQLITE_ATTACH:
      if (guard.isVacuum && !first) return null;
      return { what: 'ATTACH', because: OUTSIDE };
    case constants.SQLITE_DETACH:
      return guard.isVacuum ? null : { what: 'DETACH', because: OUTSIDE };
    case constants.SQLITE_PRAGMA:
      return judgePragma(first ?? '', second);
    case constants.SQLITE_CREATE_VTABLE: {
      const module = (second ?? '').toLowerCase();
      return MODULES.has(module)
        ? null
        : { what: `The table module ${module}`, because: 'it is not one that a tenant may use' };
    }
    case constants.SQLITE_FUNCTION: {
      const name = (second ?? '').toLowerCase();
      const because = Object.hasOwn(FUNCTIONS_REFUSED, name) ? FUNCTIONS_REFUSED[name] : undefined;
      return because ? { what: `The function ${name}()`, because } : null;
    }
    default:
      return null;
  }
}

/** Opens a tenant's database for the tenant's own SQL. The caller never closes the last connection of the file. */
export function openConfined(
  location: string,
  { isReadOnly }: { isReadOnly: boolean },
): {
  db: DatabaseSync;
  guard: Guard;
} {
  const db = new DatabaseSync(location, {
    readOnly: isReadOnly,
    readBigInts: true,
    returnArrays: true,
    defensive: true,
    // Waiting for a lock inside SQLite would block every other session of the process, perhaps the lock's owner.
    timeout: 0,
    limits: { length: VALUE_BYTES_MAX, sqlLength: SQL_BYTES_MAX, attach: 1 },
  });
  // An acknowledged commit survives a power cut, as users of MySQL and OceanBase expect.
  db.exec('PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON');
  return { db, guard: { isVacuum: false, refusal: null, insertsInto: null, isStateful: false } };
}

/** SQLite's own default. */
const CHECKPOINT_PAGES = 1000;
/** Of an archived tenant the capture makes the checkpoints; while it can not, the log may grow up to here: 1 GiB. */
const CHECKPOINT_PAGES_KEPT = 262_144;

/** When the connection checkpoints by itself. Before the guard is set: the tenant's own statements may not choose it. */
export function setAutocheckpoint(db: DatabaseSync, { keepsLog }: { keepsLog: boolean }): void {
  db.exec(`PRAGMA wal_autocheckpoint = ${keepsLog ? CHECKPOINT_PAGES_KEPT : CHECKPOINT_PAGES}`);
}

const TEMPORARY: ReadonlySet<number> = new Set([
  constants.SQLITE_CREATE_TEMP_TABLE,
  constants.SQLITE_CREATE_TEMP_VIEW,
  constants.SQLITE_CREATE_TEMP_TRIGGER,
]);

/** Sets the guard; after this the connection runs tenants' statements only. */
export function confine(db: DatabaseSync, guard: Guard): void {
  db.setAuthorizer((action, first, second, _schema, trigger) => {
    const refusal = judge(guard, action, first, second);
    if (action === constants.SQLITE_INSERT && trigger === null) guard.insertsInto = first;
    if (TEMPORARY.has(action) || (action === constants.SQLITE_PRAGMA && second !== null)) guard.isStateful = true;
    if (refusal === null) return constants.SQLITE_OK;
    guard.refusal ??= refusal;
    return constants.SQLITE_DENY;
  });
}
