// Whether what was restored is the database.
import { createHash } from 'node:crypto';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { fileSha256 } from '../sample-database.ts';
import type { Fidelity } from './tool.ts';

/** Place and length of what .backup changes (SQLite's file format, section 1.3): change counter, schema cookie, version. */
const WRITERS_MARKS = [
  [24, 4],
  [40, 4],
  [92, 8],
] as const;

/** Over the rows of the source's tables, in their order. */
function hashOfRows(path: string, tables: readonly string[]): string {
  const hash = createHash('sha256');
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    for (const table of tables)
      for (const row of db.prepare(`SELECT * FROM "${table}"`).iterate())
        for (const value of Object.values(row as object))
          hash.update(value instanceof Uint8Array ? value : `${value}\n`);
  } finally {
    db.close();
  }
  return hash.digest('hex');
}

function tablesOf(path: string): string[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    return rows.map((row) => String((row as { name: string }).name));
  } finally {
    db.close();
  }
}

/** Hashes of the source that are not taken again for every restore. */
const known = new Map<string, Promise<string>>();

/** @param of.source does not change meanwhile. @throws Error when the restored database is another one */
export async function checkEqual(of: {
  name: string;
  source: string;
  restored: string;
  fidelity: Fidelity;
}): Promise<void> {
  const { source, restored, fidelity } = of;
  const tables = fidelity === 'rows' ? tablesOf(source) : [];
  const hash = async (path: string) =>
    fidelity === 'rows' ? hashOfRows(path, tables) : await fileSha256(path, fidelity === 'pages' ? WRITERS_MARKS : []);
  const key = `${source} ${fidelity}`;
  const expected = known.get(key) ?? hash(source);
  known.set(key, expected);
  if ((await hash(restored)) !== (await expected)) throw new Error(`${of.name}: what was restored is not the database`);
}
