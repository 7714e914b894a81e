// Which tables a RECOVER TABLE names, and what they are to be called. Pure; what there is in the backup shows later.
import { fail } from '../base/errors.ts';
import type { TableChoice } from '../model/recover-job.ts';
import { DATA_DATABASE } from '../model/tenant.ts';
import type { TableName, TableRemap } from './recover-service.ts';

/** Tables of one statement, and renames: a longer list is better written as `main.*`. */
const NAMES_MAX = 10_000;

const ALL = '*';

const wrong = (what: string) => fail('INVALID_ARGUMENT', { what: `RECOVER TABLE: ${what}` });

export interface Chosen {
  choice: TableChoice;
  /** New names by old, of tables that get one. */
  renames: Record<string, string>;
}

/** @throws INVALID_ARGUMENT (4002) for another database than `main`, a doubled or reserved name, a rename of nothing */
export function chooseTables(tables: readonly TableName[], remaps: readonly TableRemap[]): Chosen {
  if (tables.length > NAMES_MAX || remaps.length > NAMES_MAX) throw wrong(`more than ${NAMES_MAX} names`);
  const choice = choiceOf(tables);
  const named = new Map<string, string>();
  for (const { from, to } of remaps) {
    if (to.database !== null) checkDatabase(to.database);
    checkDatabase(from.database);
    if (from.table === ALL) {
      // `main.*:main.*` says nothing new: there is one database.
      if (to.table !== null) throw wrong(`REMAP of all tables to '${to.table}'`);
      continue;
    }
    if (to.table === ALL) throw wrong(`REMAP of '${from.table}' to all tables`);
    if (choice.kind === 'tables' && !choice.names.includes(from.table))
      throw wrong(`REMAP of '${from.table}', which is not recovered`);
    if (named.has(from.table)) throw wrong(`REMAP of '${from.table}' twice`);
    const name = to.table ?? from.table;
    if (name === '' || /^sqlite_/i.test(name) || name.includes('\0')) throw wrong(`the name '${name}' is reserved`);
    named.set(from.table, name);
  }
  const renames = Object.fromEntries(named);
  if (choice.kind === 'tables') checkDistinct(choice.names, renames);
  return { choice, renames };
}

function choiceOf(tables: readonly TableName[]): TableChoice {
  const names: string[] = [];
  let whole: TableChoice | undefined;
  for (const { database, table } of tables) {
    if (table === ALL) {
      if (database !== ALL) checkDatabase(database);
      if (whole?.kind !== 'all') whole = { kind: database === ALL ? 'all' : 'database' };
      continue;
    }
    checkDatabase(database);
    if (names.includes(table)) throw wrong(`the table '${table}' twice`);
    names.push(table);
  }
  return whole ?? { kind: 'tables', names };
}

/** Stored form only: a tenant's database has one name, and it is not the tenant's. */
function checkDatabase(database: string): void {
  if (database === DATA_DATABASE) return;
  throw wrong(`there is no database '${database}', the tables of a tenant are in '${DATA_DATABASE}'`);
}

function checkDistinct(names: readonly string[], renames: Readonly<Record<string, string>>): void {
  const targets = names.map((name) => targetName(renames, name).toLowerCase());
  const twice = targets.find((name, i) => targets.indexOf(name) < i);
  if (twice !== undefined) throw wrong(`two tables would be named '${twice}'`);
}

/** The name that a table gets. */
export function targetName(renames: Readonly<Record<string, string>>, table: string): string {
  return Object.hasOwn(renames, table) ? renames[table]! : table;
}
