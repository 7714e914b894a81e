// Which tables a statement means, and what it may not say.
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { chooseTables } from './choose-tables.ts';
import type { TableName, TableRemap } from './recover-service.ts';

const named = (text: string): TableName => {
  const [database, table] = text.split('.') as [string, string];
  return { database, table };
};
/** `main.a:main.b` as the grammar reads it; a star on the right keeps the name. */
const remap = (text: string): TableRemap => {
  const [from, to] = text.split(':') as [string, string];
  const parts = to.split('.');
  const table = parts.at(-1)!;
  return {
    from: named(from),
    to: { database: parts.length > 1 ? parts[0]! : null, table: table === '*' ? null : table },
  };
};
const choose = (tables: string[], remaps: string[] = []) => chooseTables(tables.map(named), remaps.map(remap));

describe('the choice', () => {
  test.each([
    [['main.a', 'main.B'], [], { kind: 'tables', names: ['a', 'B'] }, {}],
    [['main.*'], [], { kind: 'database' }, {}],
    [['*.*'], ['main.a:b'], { kind: 'all' }, { a: 'b' }],
    [['main.*', '*.*', 'main.a'], ['main.*:main.*'], { kind: 'all' }, {}],
    [['main.a', 'main.b'], ['main.a:b', 'main.b:main.a'], { kind: 'tables', names: ['a', 'b'] }, { a: 'b', b: 'a' }],
    [['main.a'], ['main.a:main.*'], { kind: 'tables', names: ['a'] }, { a: 'a' }],
    [['main.__proto__'], ['main.__proto__:x'], { kind: 'tables', names: ['__proto__'] }, undefined],
  ])('of %j with %j', (tables, remaps, choice, renames) => {
    const chosen = choose(tables, remaps);
    expect(chosen.choice).toEqual(choice);
    expect(Object.entries(chosen.renames)).toEqual(renames ? Object.entries(renames) : [['__proto__', 'x']]);
  });

  test.each([
    [['shop.a'], [], "no database 'shop'"],
    [['MAIN.a'], [], "no database 'MAIN'"],
    [['shop.*'], [], "no database 'shop'"],
    [['*.a'], [], "no database '*'"],
    [['main.a', 'main.a'], [], "the table 'a' twice"],
    [['main.a'], ['main.b:c'], "'b', which is not recovered"],
    [['main.a'], ['main.a:other.b'], "no database 'other'"],
    [['main.a'], ['main.a:b', 'main.a:c'], "REMAP of 'a' twice"],
    [['main.a'], ['main.a:SQLITE_a'], "the name 'SQLITE_a' is reserved"],
    [['main.a', 'main.b'], ['main.a:B'], "two tables would be named 'b'"],
    [['main.*'], ['main.*:b'], "REMAP of all tables to 'b'"],
  ])('refuses %j with %j', (tables, remaps, because) => {
    expect(() => choose(tables, remaps)).toThrow(because);
    expect(() => choose(tables, remaps)).toThrow(HoldfastError);
  });
});
