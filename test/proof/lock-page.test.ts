// Goal: a database that grows across the page that SQLite locks at 1 GiB is archived, backed up and restored exactly.
// Method: an application makes its database a little smaller than 1 GiB; it is archived and backed up; then it grows
// across the lock-byte page, with a full set, the log alone and an increment each leading to the same bytes.
// Some GiB of disk and a minute: runs with HOLDFAST_PROOF_HUGE=1, and with the long loops.
import { mkdirSync, statSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { archiveTenant, backUp, HoldfastFixture, query, restore } from '../e2e/holdfast-fixture.ts';
import { copyDatabase, foldWal } from './application.ts';
import { compareFiles } from './reference.ts';

const isAsked = Boolean(process.env.HOLDFAST_PROOF_HUGE) || Number(process.env.HOLDFAST_PROOF_ROUNDS ?? 0) >= 50;
const LOCK_BYTE = 0x40000000;
const MIB = 1024 * 1024;
/** One row with its overflow pages. */
const BLOB_BYTES = 16 * MIB;

let fixture: HoldfastFixture;
let sys: Connection;

beforeEach(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  mkdirSync(fixture.path('backup', 't'), { recursive: true });
});
afterEach(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** Runs statements as the application does. */
function application(work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(fixture.path('app.db'), { timeout: 30_000 });
  try {
    work(database);
  } finally {
    database.close();
  }
}

/** Grows the database to a size, in commits of some MiB; every byte of a row depends on its number. */
function growTo(database: DatabaseSync, bytes: number, pageSize: number): void {
  const insert = database.prepare('INSERT INTO t (body) VALUES (?)');
  const pages = () => Number((database.prepare('PRAGMA page_count').get() as { page_count: number }).page_count);
  for (let n = 0; pages() * pageSize < bytes; n++) insert.run(Buffer.alloc(BLOB_BYTES, `row ${n} of ${bytes} `));
}

describe.skipIf(!isAsked).each([4096, 65536])('a database of pages of %i bytes', (pageSize) => {
  test('is the same behind the lock-byte page', { timeout: 600_000 }, async () => {
    application((database) => {
      database.exec(
        `PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, body)`,
      );
      growTo(database, LOCK_BYTE - 3 * BLOB_BYTES, pageSize);
    });
    await sys.query(`CREATE TENANT t LOCATION = '${fixture.path('app.db')}'`);
    await archiveTenant(sys, fixture, 't');
    const from = `FROM '${fixture.uri('backup', 't', 'data')},${fixture.uri('backup', 't', 'archive')}'`;
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
    application((database) => growTo(database, LOCK_BYTE + 3 * BLOB_BYTES, pageSize));
    // Nobody writes any more: this is what every restore must be.
    copyDatabase(fixture.path('app.db'), fixture.path('live.db'));
    foldWal(fixture.path('live.db'));
    const sizeBytes = statSync(fixture.path('live.db')).size;
    expect(sizeBytes).toBeGreaterThan(LOCK_BYTE + pageSize);
    const check = async (name: string) => {
      const location = fixture.path(`${name}.db`);
      const job = await restore(sys, name, `${from} WITH 'location=${location}'`);
      expect([job.STATUS, job.COMMENT]).toEqual(['SUCCESS', job.COMMENT]);
      expect(compareFiles(location, fixture.path('live.db'))).toBe(sizeBytes);
      await sys.query(`DROP TENANT ${name} FORCE`);
    };
    await check('by_log');
    await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = t');
    const [set] = await query(
      sys,
      'SELECT * FROM oceanbase.CDB_OB_BACKUP_SET_FILES ORDER BY BACKUP_SET_ID DESC LIMIT 1',
    );
    expect(set).toMatchObject({ BACKUP_TYPE: 'INC', FILE_STATUS: 'AVAILABLE' });
    await check('by_increment');
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
    await check('by_full');
  });
});
