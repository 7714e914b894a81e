// Goal: the table of statements says what the grammar reads. Method: every form of each syntax is parsed.
import { describe, expect, test } from 'vitest';
import { parseStatement } from './parse.ts';
import type { StatementKind } from './statement.ts';
import { formsOf } from './statement-table.fixture.ts';
import { STATEMENT_FAMILIES, STATEMENTS } from './statement-table.ts';

test('the forms of a syntax', () => {
  expect(formsOf('A [b [c]] {x | y [z]}')).toEqual([
    ...['A  x', 'A  y ', 'A  y z'],
    ...['A b  x', 'A b  y ', 'A b  y z'],
    ...['A b c x', 'A b c y ', 'A b c y z'],
  ]);
});

const kinds = Object.keys(STATEMENTS) as StatementKind[];

describe('every form of the syntax is a statement of its kind', () => {
  test.each(kinds)('%s', (kind) => {
    const forms = STATEMENTS[kind].syntax.flatMap(formsOf);
    expect(forms.length).toBeGreaterThan(0);
    for (const form of forms) expect(parseStatement(form, 'mysql').kind, form).toBe(kind);
  });
});

test('each kind is in one family', () => {
  const inFamilies = Object.values(STATEMENT_FAMILIES).flatMap((family) => Object.keys(family));
  expect(inFamilies.sort()).toEqual([...kinds].sort());
});

test('an oracle tenant writes our statements in the same words', () => {
  const ours = kinds.filter((kind) => STATEMENTS[kind].syntax[0]!.startsWith('ALTER SYSTEM'));
  for (const kind of ours) {
    for (const form of STATEMENTS[kind].syntax.flatMap(formsOf))
      expect(parseStatement(form, 'oracle').kind, form).toBe(kind);
  }
});
