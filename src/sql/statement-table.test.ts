// Goal: who may run what, as the table of statements has it. Method: every form that must be refused is run, by the
// administrator of sys and by that of a tenant.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { MYSQL_ID } from '../catalog/catalog.fixture.ts';
import { parseStatement } from './grammar/parse.ts';
import type { StatementKind } from './grammar/statement.ts';
import { formsOf } from './grammar/statement-table.fixture.ts';
import { STATEMENTS, type StatementFacts } from './grammar/statement-table.ts';
import { NOT_BUILT, runStatement } from './run-statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';

let fixture: SqlFixture;
beforeEach(() => {
  fixture = openSqlFixture();
});
afterEach(() => fixture[Symbol.dispose]());

/** Name of the error that a statement is refused with. */
async function refusal(tenantId: number, sql: string): Promise<string> {
  const { signal } = new AbortController();
  const session = fixture.session(tenantId);
  const statement = parseStatement(sql, session.mode);
  try {
    await runStatement(fixture.deps, session, statement, { sql, parameters: [], signal });
  } catch (error) {
    if (error instanceof HoldfastError) return error.errorName;
    throw error;
  }
  throw new Error(`${sql} was not refused`);
}

const facts = Object.entries(STATEMENTS) as [StatementKind, StatementFacts][];
const formsWhere = (isMeant: (facts: StatementFacts) => boolean, isForm: (sql: string) => boolean = () => true) =>
  facts
    .filter(([, of]) => isMeant(of))
    .flatMap(([kind, of]) =>
      of.syntax
        .flatMap(formsOf)
        .filter(isForm)
        .map((sql) => [kind, sql] as const),
    );
const ALTER_SYSTEM = /^ALTER SYSTEM/;
const NAMES_TENANT = /\bTENANT\b/;

describe('a tenant is refused', () => {
  test('what only sys may', async () => {
    const forms = formsWhere((of) => of.tenant === 'no');
    expect(forms.length).toBeGreaterThan(20);
    for (const [kind, sql] of forms) expect(STATEMENTS[kind].errors, sql).toContain(await refusal(MYSQL_ID, sql));
  });

  test('a TENANT clause', async () => {
    const forms = formsWhere(
      (of) => of.tenant === 'itself',
      (sql) => ALTER_SYSTEM.test(sql) && NAMES_TENANT.test(sql),
    );
    expect(forms.length).toBeGreaterThan(20);
    for (const [kind, sql] of forms) {
      const expected = kind in NOT_BUILT || kind === 'backup' ? 'NOT_SUPPORTED' : 'NO_PRIVILEGE';
      expect(await refusal(MYSQL_ID, sql), sql).toBe(expected);
    }
  });
});

test('sys names the tenant where a statement means one', async () => {
  const forms = formsWhere(
    (of) => of.sys === 'one tenant',
    (sql) => !NAMES_TENANT.test(sql),
  );
  expect(forms.length).toBeGreaterThan(20);
  for (const [, sql] of forms) expect(await refusal(SYS_TENANT_ID, sql), sql).toBe('NOT_SUPPORTED');
});

test('what is not built is refused to everybody', async () => {
  for (const kind of Object.keys(NOT_BUILT) as StatementKind[]) {
    expect(STATEMENTS[kind].errors).toContain('NOT_SUPPORTED');
    for (const sql of STATEMENTS[kind].syntax.flatMap(formsOf)) {
      for (const tenantId of [SYS_TENANT_ID, MYSQL_ID]) expect(await refusal(tenantId, sql), sql).toBe('NOT_SUPPORTED');
    }
  }
});
