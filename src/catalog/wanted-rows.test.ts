// Goal: a query for one tenant makes only his rows, never others than it would have kept, and never those that its
// viewer may not see. Method: every view, filled with and without the wish.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { addRows, type CatalogFixture, MYSQL_ID, ORACLE_ID, openCatalogFixture, viewerFor } from './catalog.fixture.ts';
import { SYSTEM_VIEWS } from './catalog.ts';

let fixture: CatalogFixture;
beforeEach(() => {
  fixture = openCatalogFixture();
  addRows(fixture.store);
});
afterEach(() => fixture[Symbol.dispose]());

async function rowsOf(viewerId: number, name: string, tenantId?: number) {
  const { catalog, store } = fixture;
  const viewer = viewerFor(store, viewerId);
  const table = catalog.find(viewer, catalog.systemSchema(viewer), name);
  if (!table) return undefined;
  const [filled] = await catalog.fill(viewer, [table], { tenantId });
  const at = filled!.columns.findIndex((column) => column.name === 'TENANT_ID');
  return { rows: filled!.rows, at };
}

const VIEWS = SYSTEM_VIEWS.filter((view) => 'TENANT_ID' in view.columns).map(({ name }) => name);

test.each(VIEWS)('%s keeps every row of the tenant that is wanted', async (name) => {
  const all = (await rowsOf(SYS_TENANT_ID, name))!;
  for (const tenantId of [SYS_TENANT_ID, MYSQL_ID, ORACLE_ID, 9998]) {
    const ofTenant = (rows: typeof all.rows) => rows.filter((row) => row[all.at] === BigInt(tenantId)).length;
    const wanted = await rowsOf(SYS_TENANT_ID, name, tenantId);
    expect(ofTenant(wanted!.rows), `${tenantId}`).toBe(ofTenant(all.rows));
  }
});

test('the archive views make no other rows', async () => {
  const { rows, at } = (await rowsOf(SYS_TENANT_ID, 'CDB_OB_ARCHIVELOG', MYSQL_ID))!;
  expect(rows.length).toBeGreaterThan(0);
  expect(new Set(rows.map((row) => row[at]))).toEqual(new Set([BigInt(MYSQL_ID)]));
});

test('a wish shows a tenant nothing of another', async () => {
  const own = await rowsOf(MYSQL_ID, 'V$OB_ARCHIVE_DEST_STATUS');
  const wished = await rowsOf(MYSQL_ID, 'V$OB_ARCHIVE_DEST_STATUS', ORACLE_ID);
  expect(wished!.rows).toEqual(own!.rows);
});
