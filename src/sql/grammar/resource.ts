// CREATE, ALTER and DROP RESOURCE UNIT and RESOURCE POOL.
import { readIfExists, readIfNotExists, readNameList, readNumberOption, readValue } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { AlterPool, AlterUnit, CreatePool, CreateUnit, DropPool, DropUnit } from './statement.ts';

export type ResourceStatement = CreateUnit | AlterUnit | DropUnit | CreatePool | AlterPool | DropPool;

const UNIT_ATTRIBUTES = [
  'MAX_CPU',
  'MIN_CPU',
  'MEMORY_SIZE',
  'MAX_MEMORY',
  'MIN_MEMORY',
  'LOG_DISK_SIZE',
  'DATA_DISK_SIZE',
  'MAX_DISK_SIZE',
  'MAX_IOPS',
  'MIN_IOPS',
  'IOPS_WEIGHT',
  'MAX_NET_BANDWIDTH',
  'NET_BANDWIDTH_WEIGHT',
  'MAX_SESSION_NUM',
] as const;

/** `NAME [=] value` pairs with commas or blanks between; each name once. */
function readAttributes(cursor: Cursor): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (;;) {
    const start = cursor.peek();
    const name = cursor.acceptOneOf(UNIT_ATTRIBUTES);
    if (name === null) return attributes;
    if (Object.hasOwn(attributes, name)) throw cursor.error(start);
    cursor.acceptOperator('=');
    attributes[name] = readValue(cursor);
    if (cursor.acceptOperator(',') && cursor.isAtEnd) throw cursor.error();
  }
}

interface PoolOptions {
  unit: string | null;
  unitNum: number | null;
  zones: string[] | null;
}

function readPoolOptions(cursor: Cursor): PoolOptions {
  const options: PoolOptions = { unit: null, unitNum: null, zones: null };
  for (;;) {
    if (options.unit === null && cursor.at('UNIT')) {
      cursor.take();
      cursor.acceptOperator('=');
      options.unit = cursor.name();
    } else if (options.unitNum === null && cursor.at('UNIT_NUM')) {
      options.unitNum = readNumberOption(cursor, 'UNIT_NUM');
    } else if (options.zones === null && cursor.accept('ZONE_LIST')) {
      cursor.acceptOperator('=');
      options.zones = readNameList(cursor);
    } else return options;
    if (cursor.acceptOperator(',') && cursor.isAtEnd) throw cursor.error();
  }
}

/** What follows `{CREATE|ALTER|DROP} RESOURCE`, to the end of the statement. */
export function parseResource(cursor: Cursor, verb: 'CREATE' | 'ALTER' | 'DROP'): ResourceStatement {
  const object = cursor.expectOneOf(['UNIT', 'POOL']);
  const statement = readResource(cursor, verb, object);
  cursor.end();
  return statement;
}

function readResource(cursor: Cursor, verb: 'CREATE' | 'ALTER' | 'DROP', object: 'UNIT' | 'POOL'): ResourceStatement {
  if (verb === 'DROP') {
    const isIfExists = readIfExists(cursor);
    const name = cursor.name();
    return { kind: object === 'UNIT' ? 'dropUnit' : 'dropPool', name, isIfExists };
  }
  const isIfNotExists = verb === 'CREATE' && readIfNotExists(cursor);
  const name = cursor.name();
  if (object === 'UNIT') {
    const attributes = readAttributes(cursor);
    if (Object.keys(attributes).length === 0) throw cursor.error();
    return verb === 'CREATE'
      ? { kind: 'createUnit', name, isIfNotExists, attributes }
      : { kind: 'alterUnit', name, attributes };
  }
  const options = readPoolOptions(cursor);
  if (verb === 'CREATE') return { kind: 'createPool', name, isIfNotExists, ...options };
  if (Object.values(options).every((option) => option === null)) throw cursor.error();
  return { kind: 'alterPool', name, ...options };
}
