// CREATE, ALTER and DROP TENANT.
import { readIfExists, readIfNotExists, readNameList, readValue } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AlterTenant, CreateTenant, DropTenant, NotSupported } from './statement.ts';

/** Options by the words that open them, the longer forms first; the name under which the value is kept. */
const OPTIONS: readonly [readonly string[], string][] = [
  [['ENGINE'], 'ENGINE'],
  [['LOCATION'], 'LOCATION'],
  [['RESOURCE_POOL_LIST'], 'RESOURCE_POOL_LIST'],
  [['COMMENT'], 'COMMENT'],
  [['REPLICA_NUM'], 'REPLICA_NUM'],
  [['LOGONLY_REPLICA_NUM'], 'LOGONLY_REPLICA_NUM'],
  [['DEFAULT', 'CHARACTER', 'SET'], 'CHARSET'],
  [['DEFAULT', 'CHARSET'], 'CHARSET'],
  [['CHARACTER', 'SET'], 'CHARSET'],
  [['CHARSET'], 'CHARSET'],
  [['DEFAULT', 'COLLATE'], 'COLLATE'],
  [['COLLATE'], 'COLLATE'],
  [['LOCALITY'], 'LOCALITY'],
  [['PRIMARY_ZONE'], 'PRIMARY_ZONE'],
  [['ZONE_LIST'], 'ZONE_LIST'],
  [['DEFAULT', 'TABLEGROUP'], 'DEFAULT TABLEGROUP'],
  [['ENABLE_ARBITRATION_SERVICE'], 'ENABLE_ARBITRATION_SERVICE'],
];

/** `LOCALITY = 'F@z1' FORCE` and the like: a word that may follow a value and says nothing here. */
const READ_MODES = ['ONLY', 'WRITE'] as const;

/** Reads one option into the map; false when none comes next. A repeated option is refused. */
function readOption(cursor: Cursor, options: Map<string, string[]>): boolean {
  const start = cursor.peek();
  if (cursor.accept('READ')) {
    options.set('READ', [cursor.expectOneOf(READ_MODES)]);
    return true;
  }
  const option = OPTIONS.find(([words]) => cursor.at(...words));
  if (!option) return false;
  if (options.has(option[1])) throw cursor.error(start);
  cursor.expect(...option[0]);
  cursor.acceptOperator('=');
  options.set(option[1], readNameList(cursor));
  return true;
}

/** Options in any order, with commas or blanks between. */
function readOptions(cursor: Cursor): Map<string, string[]> {
  const options = new Map<string, string[]>();
  while (readOption(cursor, options)) {
    if (cursor.acceptOperator(',') && cursor.isAtEnd) throw cursor.error();
  }
  return options;
}

/** `name = value, …` of the SET clause. */
function readVariables(cursor: Cursor): Record<string, string> {
  const pairs = cursor.list((): [string, string] => {
    const name = cursor.identifier().toLowerCase();
    cursor.expectOperator('=');
    return [name, readValue(cursor)];
  });
  return Object.fromEntries(pairs);
}

const CLAUSES_OF_OURS = new Set(['ENGINE', 'LOCATION', 'RESOURCE_POOL_LIST', 'COMMENT']);

function toAttributes(options: Map<string, string[]>): Record<string, string> {
  const rest = [...options].filter(([name]) => !CLAUSES_OF_OURS.has(name));
  return Object.fromEntries(rest.map(([name, values]) => [name, values.join(',')]));
}

/** CREATE TENANT …, both words already read. */
export function parseCreateTenant(cursor: Cursor): CreateTenant {
  const isIfNotExists = readIfNotExists(cursor);
  const name = cursor.name();
  const options = readOptions(cursor);
  const statement: CreateTenant = {
    kind: 'createTenant',
    name,
    isIfNotExists,
    engine: options.get('ENGINE')?.join(',') ?? null,
    location: options.get('LOCATION')?.join(',') ?? null,
    poolList: options.get('RESOURCE_POOL_LIST') ?? [],
    comment: options.get('COMMENT')?.join(',') ?? null,
    attributes: toAttributes(options),
    variables: {},
  };
  if (cursor.accept('SET')) {
    cursor.accept('VARIABLES');
    statement.variables = readVariables(cursor);
  }
  cursor.end();
  return statement;
}

/** ALTER TENANT …, both words already read. */
export function parseAlterTenant(cursor: Cursor): AlterTenant | NotSupported {
  const name = cursor.name();
  const other = cursor.acceptOneOf(['RENAME', 'LOCK', 'UNLOCK']);
  if (other !== null) {
    while (!cursor.isAtEnd) cursor.take();
    cursor.end();
    return { kind: 'notSupported', what: `ALTER TENANT ${other} is` };
  }
  const statement: AlterTenant = {
    kind: 'alterTenant',
    name,
    poolList: [],
    comment: null,
    attributes: {},
    variables: {},
  };
  const start = cursor.peek();
  cursor.accept('SET');
  const options = readOptions(cursor);
  statement.poolList = options.get('RESOURCE_POOL_LIST') ?? [];
  statement.comment = options.get('COMMENT')?.join(',') ?? null;
  statement.attributes = toAttributes(options);
  for (const fixed of ['ENGINE', 'LOCATION']) if (options.has(fixed)) throw cursor.error(start);
  if (cursor.accept('VARIABLES')) statement.variables = readVariables(cursor);
  else if (options.size === 0) throw cursor.error();
  cursor.end();
  return statement;
}

/** DROP TENANT …, both words already read. */
export function parseDropTenant(cursor: Cursor): DropTenant {
  const isIfExists = readIfExists(cursor);
  const name = cursor.name();
  const option = cursor.acceptOneOf(['FORCE', 'PURGE']);
  cursor.end();
  return { kind: 'dropTenant', name, isIfExists, option };
}
