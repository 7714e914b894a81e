// Whether what was restored is the database.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import type { Fidelity } from './tool.ts';

const READ_BYTES = 4_000_000;
/** Place and length of what .backup changes (SQLite's file format, section 1.3): change counter, schema cookie, version. */
const WRITERS_MARKS = [
  [24, 4],
  [40, 4],
  [92, 8],
] as const;

async function hashOfFile(path: string, { masksMarks }: { masksMarks: boolean }): Promise<string> {
  const hash = createHash('sha256');
  let isFirst = true;
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
    const bytes = chunk as Buffer;
    if (isFirst && masksMarks) for (const [at, length] of WRITERS_MARKS) bytes.fill(0, at, at + length);
    isFirst = false;
    hash.update(bytes);
  }
  return hash.digest('hex');
}

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
    fidelity === 'rows' ? hashOfRows(path, tables) : await hashOfFile(path, { masksMarks: fidelity === 'pages' });
  const key = `${source} ${fidelity}`;
  const expected = known.get(key) ?? hash(source);
  known.set(key, expected);
  if ((await hash(restored)) !== (await expected)) throw new Error(`${of.name}: what was restored is not the database`);
}
