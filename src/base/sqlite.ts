// The one place that names the SQLite binding, so that Node's own `node:sqlite` (same API) can replace it.
// Never open a database that a tenant's application uses from the main process: see docs/architecture.md.
import { createRequire } from 'node:module';
import { DatabaseSync as Binding, constants, type DatabaseSyncInstance } from '@photostructure/sqlite';

/** Where the binding lies, for worker threads that are kept as text and can import none of our modules. */
export const sqliteBindingPath: string = createRequire(import.meta.url).resolve('@photostructure/sqlite');

export const sqliteConstants = constants;
export const DatabaseSync = Binding;
export type DatabaseSync = DatabaseSyncInstance;

/** First SQLite release without the WAL-reset bug, and the one backport that has the fix. */
const FIXED_FROM = [3, 51, 3] as const;
const BACKPORT = [3, 50, 7] as const;

/**
 * True for a SQLite that checkpoints safely (3.51.3 and later, or 3.50.7 and later of 3.50).
 * @source sqlite.org, WAL-reset bug, 2026-03
 */
export function isSafeSqliteVersion(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const atLeast = (than: readonly [number, number, number]) =>
    major !== than[0] ? major > than[0] : minor !== than[1] ? minor > than[1] : patch >= than[2];
  return atLeast(FIXED_FROM) || (minor === BACKPORT[1] && atLeast(BACKPORT));
}
