// Adoption and the check of restored files, with files as applications leave them.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DatabaseSync } from '../../base/sqlite.ts';
import { rowsOf, type SqliteFixture, sqliteFixture } from './sqlite.fixture.ts';

let fixture: SqliteFixture;
beforeEach(() => {
  fixture = sqliteFixture();
});
afterEach(() => fixture[Symbol.asyncDispose]());

const hashOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

function application(journalMode: string): { path: string; db: DatabaseSync } {
  const path = join(fixture.directory, 'app.db');
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = ${journalMode}; CREATE TABLE t (a); CREATE INDEX i ON t (a)`);
  db.exec("INSERT INTO t VALUES (1), ('x')");
  return { path, db };
}

describe('adopt', () => {
  it('takes a WAL database that an application has open, and changes nothing', async () => {
    const { path, db } = application('WAL');
    const before = [hashOf(path), hashOf(`${path}-wal`), readdirSync(fixture.directory)];
    const tenant = fixture.tenant({ location: path });
    expect(await fixture.driver.adopt(tenant)).toMatchObject({ pageSize: 8192, pageCount: 3, tableCount: 2 });
    expect([hashOf(path), hashOf(`${path}-wal`), readdirSync(fixture.directory)]).toEqual(before);
    const session = await fixture.driver.openSession(tenant);
    expect(await rowsOf(session, 'SELECT a FROM t')).toEqual([['1'], ['x']]);
    // The application's close is not the last one while the tenant is open: its log stays.
    db.close();
    expect(existsSync(`${path}-wal`)).toBe(true);
  });

  it('takes one that nobody has open and leaves nothing beside it', async () => {
    const { path, db } = application('WAL');
    db.close();
    expect(await fixture.driver.adopt(fixture.tenant({ location: path }))).toMatchObject({ pageCount: 3 });
    expect(readdirSync(fixture.directory)).toEqual(['app.db']);
  });

  it('refuses what it could not archive, each with its reason', async () => {
    const { path, db } = application('DELETE');
    db.close();
    const refused: [string, RegExp][] = [
      [path, /journal mode is not WAL; run PRAGMA journal_mode=WAL/],
      ['app.db', /not absolute/],
      [join(fixture.directory, 'none.db'), /no such file/],
      [fixture.directory, /not a regular file/],
      [join(fixture.directory, 'link.db'), /not a regular file/],
      [join(fixture.directory, 'noise.db'), /not a SQLite database, or it is encrypted/],
      [join(fixture.directory, 'empty.db'), /not a SQLite database/],
    ];
    symlinkSync(path, join(fixture.directory, 'link.db'));
    writeFileSync(join(fixture.directory, 'noise.db'), Buffer.alloc(8192, 'noise'));
    writeFileSync(join(fixture.directory, 'empty.db'), '');
    const before = readdirSync(fixture.directory);
    for (const [location, reason] of refused) {
      const adopting = fixture.driver.adopt(fixture.tenant({ location }));
      await expect(adopting).rejects.toMatchObject({
        errorName: 'ADOPT_REFUSED',
        message: expect.stringMatching(reason),
      });
    }
    expect(readdirSync(fixture.directory)).toEqual(before);
  });
});

describe('check', () => {
  it('passes a whole file, leaving it and its directory as they were', async () => {
    const { path, db } = application('WAL');
    db.close();
    const before = hashOf(path);
    expect(await fixture.driver.check(path, { level: 'quick' })).toMatchObject({
      pageSize: 8192,
      pageCount: 3,
      tableCount: 2,
    });
    expect(hashOf(path)).toBe(before);
    expect(readdirSync(fixture.directory)).toEqual(['app.db']);
  });

  it('looks as far as it is told', async () => {
    const { path, db } = application('WAL');
    db.exec('CREATE TABLE p (a, b); CREATE INDEX p_of_a ON p (a); INSERT INTO p VALUES (1, 2)');
    // The index now says that it is of another column than the one it holds.
    db.enableDefensive(false);
    db.exec(
      `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX p_of_a ON p (b)' WHERE name = 'p_of_a'`,
    );
    db.close();
    const facts = { pageSize: 8192, pageCount: 5 };
    expect(await fixture.driver.check(path, { level: 'none' })).toMatchObject(facts);
    expect(await fixture.driver.check(path, { level: 'quick' })).toMatchObject(facts);
    await expect(fixture.driver.check(path, { level: 'full' })).rejects.toThrowError(/missing from index p_of_a/);
    const written = Promise.reject(new Error('nothing was written'));
    await expect(fixture.driver.check(path, { level: 'quick', whenWritten: written })).rejects.toThrowError(
      'nothing was written',
    );
  });

  it('finds a damaged page, a cut file and a file that is none', async () => {
    const { path, db } = application('WAL');
    db.exec('WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 5000) INSERT INTO t SELECT n FROM c');
    db.close();
    const bytes = readFileSync(path);
    const damaged = join(fixture.directory, 'damaged.db');
    writeFileSync(damaged, bytes.fill(0xee, 3 * 8192, 4 * 8192));
    const cut = join(fixture.directory, 'cut.db');
    copyFileSync(path, cut);
    truncateSync(cut, 8192 * 3);
    const none = join(fixture.directory, 'none.db');
    writeFileSync(none, Buffer.alloc(8192, 1));
    for (const location of [damaged, cut, none, join(fixture.directory, 'missing.db')]) {
      await expect(fixture.driver.check(location, { level: 'quick' })).rejects.toMatchObject({
        errorName: 'BACKUP_DATA_CORRUPT',
      });
    }
  });
});
